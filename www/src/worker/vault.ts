/**
 * What a site keeps in this browser: a key that no script can read (AES-GCM, not extractable) and two records sealed under it by
 * client-wasm. IndexedDB holds the key as an object and the records as ciphertext.
 */

import { type DBSchema, type IDBPDatabase, openDB } from 'idb';
import { type Fault, fault } from '../core/fault.ts';
import type { RecordName } from '../core/site/site-types.ts';

const NAME = 'veilsight-site';
const LOCK_PATIENCE_MS = 3_000;

interface Schema extends DBSchema {
  key: { key: 'key'; value: CryptoKey };
  /** The relay is no secret; it says where the sealed token is valid. */
  relay: { key: 'relay'; value: string };
  records: { key: RecordName; value: Uint8Array };
}

export type Records = Partial<Record<RecordName, Uint8Array>>;

const noVault = (why: unknown): Fault => fault('no-vault', `The browser's storage cannot be used: ${String(why)}.`);

export class Vault {
  readonly #open: () => Promise<IDBPDatabase<Schema>>;
  #db: Promise<IDBPDatabase<Schema>> | null = null;

  constructor() {
    this.#open = () =>
      openDB<Schema>(NAME, 1, {
        upgrade(db) {
          for (const store of ['key', 'relay', 'records'] as const) db.createObjectStore(store);
        },
      });
  }

  /** The key of this vault, made at the first call. */
  async key(): Promise<CryptoKey> {
    const db = await this.#ready();
    const known = await db.get('key', 'key');
    if (known) return known;
    if (!globalThis.crypto?.subtle) throw fault('no-vault');
    const made = await crypto.subtle.generateKey({ name: 'AES-GCM', length: 256 }, false, ['encrypt', 'decrypt']);
    await db.put('key', made, 'key').catch((why) => Promise.reject(noVault(why)));
    return made;
  }

  /** What an earlier visit kept; null where this browser holds no site. */
  async read(): Promise<{ relay: string; records: Records } | null> {
    const db = await this.#ready();
    const relay = await db.get('relay', 'relay');
    const site = await db.get('records', 'site');
    const data = await db.get('records', 'data');
    if (relay === undefined || !site) return null;
    return { relay, records: data ? { site, data } : { site } };
  }

  /** Resolves once the record is on disk: whoever sends something next can rely on it. */
  async write(relay: string, name: RecordName, sealed: Uint8Array): Promise<void> {
    const db = await this.#ready();
    const change = db.transaction(['relay', 'records'], 'readwrite', { durability: 'strict' });
    change.objectStore('relay').put(relay, 'relay');
    change.objectStore('records').put(sealed, name);
    await change.done.catch((why) => Promise.reject(noVault(why)));
  }

  /** Forgets everything. */
  async destroy(): Promise<void> {
    const db = await this.#ready();
    const stores = ['key', 'relay', 'records'] as const;
    const change = db.transaction(stores, 'readwrite', { durability: 'strict' });
    for (const store of stores) change.objectStore(store).clear();
    await change.done;
  }

  #ready(): Promise<IDBPDatabase<Schema>> {
    this.#db ??= this.#open().catch((why) => {
      this.#db = null;
      throw noVault(why);
    });
    return this.#db;
  }
}

let held = false;

/** One tab acts for the site: the lock lasts as long as this worker. A tab that was just closed gives it up in a moment. */
export async function holdSite(locks: LockManager | undefined = navigator.locks): Promise<void> {
  if (held || !locks) return;
  await new Promise<void>((granted, refused) => {
    locks
      .request(NAME, { signal: AbortSignal.timeout(LOCK_PATIENCE_MS) }, () => {
        held = true;
        granted();
        return new Promise<never>(() => undefined);
      })
      .catch(() => refused(fault('other-tab')));
  });
}
