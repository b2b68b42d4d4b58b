import 'fake-indexeddb/auto';
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { openDB } from 'idb';
import type { ClientModule } from '../src/core/client-types.ts';
import { fault } from '../src/core/fault.ts';
import type { Save, Site, SiteView } from '../src/core/site/site-types.ts';
import { SiteDesk, type SiteSurroundings } from '../src/worker/site-desk.ts';
import { holdSite, Vault } from '../src/worker/vault.ts';
import { siteView } from './support/site.ts';

const bytes = (...values: number[]) => Uint8Array.from(values);
const context = () => ({ emit: () => undefined, signal: new AbortController().signal });

test('the_key_is_made_once_and_no_script_can_read_it', async () => {
  const vault = new Vault();
  const key = await vault.key();
  assert.equal(key.extractable, false);
  await assert.rejects(crypto.subtle.exportKey('raw', key));
  const iv = bytes(...Array(12).fill(7));
  const sealed = await crypto.subtle.encrypt({ name: 'AES-GCM', iv }, await new Vault().key(), bytes(1, 2, 3));
  const opened = await crypto.subtle.decrypt({ name: 'AES-GCM', iv }, key, sealed);
  assert.deepEqual(new Uint8Array(opened), bytes(1, 2, 3));
  await vault.destroy();
});

test('records_outlive_the_visit_that_wrote_them', async () => {
  const vault = new Vault();
  assert.equal(await vault.read(), null);
  await vault.write('http://relay.test', 'site', bytes(1));
  await vault.write('http://relay.test', 'data', bytes(2));
  await vault.write('http://relay.test', 'site', bytes(3));
  const kept = await new Vault().read();
  assert.deepEqual(kept, { relay: 'http://relay.test', records: { site: bytes(3), data: bytes(2) } });
  await vault.destroy();
});

test('a_destroyed_vault_holds_no_key_and_no_record', async () => {
  const vault = new Vault();
  const key = await vault.key();
  await vault.write('http://relay.test', 'site', bytes(1));
  await vault.destroy();
  assert.equal(await vault.read(), null);
  assert.notEqual(await vault.key(), key);
  const db = await openDB('veilsight-site', 1);
  assert.equal(await db.count('records'), 0);
  db.close();
  await vault.destroy();
});

test('only_one_tab_acts_for_a_site', async () => {
  const taken = { request: () => Promise.reject(new DOMException('timed out', 'TimeoutError')) };
  await assert.rejects(holdSite(taken as unknown as LockManager), { code: 'other-tab' });
  const free = {
    request: (_name: string, _options: LockOptions, granted: () => Promise<never>) => {
      void granted();
      return new Promise(() => undefined);
    },
  };
  await holdSite(free as unknown as LockManager);
  await holdSite(taken as unknown as LockManager);
});

/** A desk before a fake module, and what passed between them. */
function deskWith(site: Partial<Site>, hold: () => Promise<void> = async () => undefined) {
  const vault = new Vault();
  const saves: Save[] = [];
  const made = (save: Save): Site => {
    saves.push(save);
    return { view: () => siteView(), ...site } as Site;
  };
  const module = {
    Site: {
      enrol: async (_options: unknown, _key: CryptoKey, save: Save) => {
        await save('site', bytes(9));
        return made(save);
      },
      restore: async ({ records }: { records: { site?: Uint8Array } }, key: CryptoKey, save: Save) => {
        assert.deepEqual([records.site, key.extractable], [bytes(9), false]);
        return made(save);
      },
    },
  } as unknown as ClientModule;
  const around: SiteSurroundings = { module: async () => module, vault, hold };
  return { desk: new SiteDesk(around), vault, saves, around };
}

test('a_site_that_enrolled_is_restored_by_the_next_visit', async () => {
  const { desk, around, vault } = deskWith({});
  assert.equal(await desk.siteRestore(null, context()), null);
  await desk.siteEnrol({ relay: 'http://relay.test', invitation: 'vsi_1' }, context());
  const next = new SiteDesk(around);
  assert.deepEqual(await next.siteRestore(null, context()), siteView());
  await vault.destroy();
});

test('what_the_module_saves_is_on_disk_before_it_goes_on', async () => {
  const { desk, vault } = deskWith({});
  await desk.siteEnrol({ relay: 'http://relay.test', invitation: 'vsi_1' }, context());
  assert.deepEqual((await new Vault().read())?.records.site, bytes(9));
  await vault.destroy();
});

test('a_second_tab_may_not_restore_the_site', async () => {
  const { desk, vault } = deskWith({}, () => Promise.reject(fault('other-tab')));
  await vault.write('http://relay.test', 'site', bytes(9));
  await assert.rejects(desk.siteRestore(null, context()), { code: 'other-tab' });
  await vault.destroy();
});

test('the_bytes_of_an_image_reach_the_module_with_class_and_side', async () => {
  const added: unknown[] = [];
  const { desk, vault } = deskWith({
    add: async (image, label, heldOut) => {
      added.push([image, label, heldOut]);
    },
    finish: async (): Promise<SiteView> => siteView(),
  });
  await assert.rejects(desk.siteAdd({ image: new Blob(), label: 0, heldOut: false }, context()), { code: 'internal' });
  await desk.siteEnrol({ relay: 'http://relay.test', invitation: 'vsi_1' }, context());
  await desk.siteAdd({ image: new Blob([bytes(1, 2)]), label: 1, heldOut: true }, context());
  assert.deepEqual(added, [[bytes(1, 2), 1, true]]);
  assert.deepEqual(await desk.siteFinish(), siteView());
  await vault.destroy();
});

test('a_site_that_is_removed_is_gone_from_the_vault_and_the_desk', async () => {
  const { desk, vault } = deskWith({});
  await desk.siteEnrol({ relay: 'http://relay.test', invitation: 'vsi_1' }, context());
  await desk.siteForget();
  assert.equal(await vault.read(), null);
  await assert.rejects(async () => desk.siteRefresh(null, context()), { code: 'internal' });
  await vault.destroy();
});
