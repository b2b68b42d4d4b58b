/** What was scanned on this device and what was decided about it. No image, no token and nothing of a file but its name. */

import { type DBSchema, type IDBPDatabase, openDB } from 'idb';
import type { PurifyFacts } from './client-types.ts';

/** `stopped` was decided by the embedding page, `undecided` by nobody yet. No token is sent but at those that begin with `send`. */
export type Decision = 'send' | 'send-anyway' | 'send-purified' | 'do-not-send' | 'stopped' | 'undecided';

export interface ScanRecord {
  id: string;
  /** Unix milliseconds of the verdict. */
  time: number;
  /** Name of the file. */
  image: string;
  model: string;
  version: string;
  verdict: 'clean' | 'flagged' | 'unchecked';
  score: number | null;
  threshold: number | null;
  cleanShare: number | null;
  decision: Decision;
  /** How the image that was sent had been purified; null where it was sent as it was, or not at all. Early records lack it. */
  purified?: PurifyFacts | null;
  /** The most probable class, once there is an answer. */
  answer: { id: string; label: string } | null;
}

/** Where records are kept. */
export interface Book {
  list(): Promise<ScanRecord[]>;
  put(record: ScanRecord): Promise<void>;
  clear(): Promise<void>;
}

/** Older records make room for new ones. */
export const MAX_RECORDS = 200;

const NAME = 'veilsight-history';

interface Schema extends DBSchema {
  records: { key: string; value: ScanRecord; indexes: { time: number } };
}

/** The history in IndexedDB, newest first. Nothing of it is ever sent. */
export class StoredBook implements Book {
  #db: Promise<IDBPDatabase<Schema>> | null = null;

  async list(): Promise<ScanRecord[]> {
    const db = await this.#ready();
    return (await db.getAllFromIndex('records', 'time')).reverse();
  }

  async put(record: ScanRecord): Promise<void> {
    const db = await this.#ready();
    const change = db.transaction('records', 'readwrite');
    await change.store.put(record);
    const surplus = (await change.store.count()) - MAX_RECORDS;
    if (surplus > 0) {
      for (const id of await change.store.index('time').getAllKeys(null, surplus)) await change.store.delete(id);
    }
    await change.done;
  }

  async clear(): Promise<void> {
    await (await this.#ready()).clear('records');
  }

  #ready(): Promise<IDBPDatabase<Schema>> {
    this.#db ??= openDB<Schema>(NAME, 1, {
      upgrade(db) {
        db.createObjectStore('records', { keyPath: 'id' }).createIndex('time', 'time');
      },
    }).catch((why) => {
      this.#db = null;
      throw why;
    });
    return this.#db;
  }
}

/** The history as a file for whoever keeps records elsewhere. */
export const exported = (records: ScanRecord[]): string =>
  `${JSON.stringify({ format: 1, records: records.map((r) => ({ ...r, time: new Date(r.time).toISOString() })) }, null, 2)}\n`;
