import assert from 'node:assert/strict';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import type { Page } from 'playwright-core';
import { beginRound, found, NAMES, phantomFolder } from '../support/federation.ts';
import { assertLooks, screenshot } from '../support/looks.ts';
import { nativeEncode } from '../support/native.ts';
import { Scanner } from '../support/scanner.ts';
import * as site from '../support/site-page.ts';
import type { Stage } from '../support/stage.ts';

const PER_CLASS = 6;

export function siteCases(stage: () => Stage): void {
  const address = () => `${stage().recorder.origin}/site.html`;
  const open = (page: Page) => page.goto(address());

  /** Work with three sites, of which the last has a browser of its own whose profile outlives it. */
  async function withSites(
    work: (pages: Page[], reopen: () => Promise<Page>, close: () => Promise<void>) => Promise<void>,
  ) {
    const profile = await mkdtemp(join(tmpdir(), 'veilsight-profile-'));
    let own = await stage().profile(profile);
    const pages = [await stage().page(address()), await stage().page(address()), await own.newPage()];
    await Promise.all(pages.slice(2).map(open));
    const close = () => own.close();
    const reopen = async () => {
      own = await stage().profile(profile);
      const page = await own.newPage();
      await open(page);
      return page;
    };
    try {
      await work(pages, reopen, close);
    } finally {
      for (const page of pages.slice(0, 2)) await page.context().close();
      await own.close().catch(() => undefined);
      await rm(profile, { recursive: true, force: true });
    }
  }

  test('three_browsers_and_a_relay_learn_a_head_and_one_of_them_is_closed_in_mid_round', {
    timeout: 900_000,
  }, async () => {
    const { id, invitations } = await found(stage());
    const folders = await Promise.all(NAMES.map((_, i) => phantomFolder(i, PER_CLASS, i === 0)));
    stage().recorder.reset();
    await withSites(async (pages, reopen, close) => {
      const [north, east, south] = pages as [Page, Page, Page];
      await assertLooks(north, 'site-1-start');

      for (const [i, page] of pages.entries()) {
        await site.enrol(page, invitations[i] ?? '');
        await site.enrolled(page);
        if (i === 0) assert.match(await site.todo(page).innerText(), /2 more sites have to enrol/);
      }
      const fingerprints = await Promise.all(pages.map(site.fingerprint));
      assert.equal(new Set(fingerprints).size, 1);
      const { digest } = (await stage().admin('GET', `/v1/consortia/${id}`)) as { digest: string };
      assert.equal(fingerprints[0]?.replaceAll(' ', ''), digest.slice(0, 32));
      await assertLooks(north, 'site-2-roster');
      for (const page of pages) await site.trust(page);

      for (const [i, page] of pages.entries()) {
        await site.chooseFolder(page, folders[i]?.folder ?? '');
        assert.deepEqual(await site.counts(page, 'class-counts'), [
          [5, 1],
          [5, 1],
        ]);
        if (i === 0) await lookAtFolder(page);
        await site.encode(page);
        assert.deepEqual(await site.counts(page, 'statistics'), [
          [5, 1],
          [5, 1],
        ]);
      }
      assert.match(await site.todo(north).innerText(), /administrator to open a round/);

      await beginRound(stage(), id);
      await north.locator('veilsight-site #contribute').waitFor();
      await site.wishNoise(north, '4');
      await assertLooks(north, 'site-4-contribute');
      await site.wishNoise(north, '');
      await site.contribute(south);
      assert.match(await site.todo(south).innerText(), /waits for North and East.*may be closed/);
      await close();
      await site.contribute(north);
      await site.contribute(east);

      await north.locator('veilsight-site #todo', { hasText: 'confirmations of South' }).waitFor();
      await assertLooks(north, 'site-5-confirming');
      const again = await reopen();
      for (const page of [north, east, again]) {
        const { federated, local } = await site.heads(page);
        assert.deepEqual([federated?.[1], local?.[1]], [2, 2]);
        assert.match(await site.todo(page).innerText(), /is open/);
        assert.deepEqual(await site.unexplained(page), []);
      }
      await assertLooks(north, 'site-6-result');

      const result = (await stage().admin('GET', `/v1/consortia/${id}/rounds/1/result`)) as {
        sum: number[];
        cohort: number[];
      };
      assert.deepEqual(
        [result.sum.slice(0, 2), result.cohort],
        [
          [15, 15],
          [0, 1, 2],
        ],
        'every image is counted once',
      );
      const { versions } = (await stage().admin('GET', '/v1/models/brain-mri/versions')) as { versions: unknown[] };
      assert.ok(versions.length >= 1, 'the head is served');
      const traffic = stage().recorder.upwards();
      await aNoisyRound(id, [north, east, again]);
      await again.reload();
      assert.equal((await site.heads(again)).federated?.[1], 2, 'the result is still there after a reload');
      await nothingOfAnImageLeft(folders[0]?.folder ?? '', traffic);
    });
    for (const { remove } of folders) await remove();
  });

  /** With noise the counts are no longer exact, and the page keeps account of what it cost. */
  async function aNoisyRound(id: string, pages: Page[]): Promise<void> {
    await beginRound(stage(), id, null);
    for (const page of pages) {
      await site.wishNoise(page, '8');
      await site.contribute(page);
    }
    for (const page of pages) {
      await page.locator('veilsight-site #todo', { hasText: 'Round 2 is open' }).waitFor();
      assert.match(await page.locator('veilsight-site #spent').innerText(), /cost this site ε = (?:7\.\d\d|8\.00)/);
    }
    const { sum } = (await stage().admin('GET', `/v1/consortia/${id}/rounds/2/result`)) as { sum: number[] };
    assert.notDeepEqual(sum.slice(0, 2), [15, 15]);
    assert.ok(
      sum.slice(0, 2).every((count) => Math.abs(count) < 500),
      `${sum.slice(0, 2)}`,
    );
  }

  async function lookAtFolder(page: Page): Promise<void> {
    await page.locator('veilsight-site #problems summary').click();
    const problems = await page.locator('veilsight-site #problems li').allInnerTexts();
    assert.equal(problems.length, 3);
    for (const reason of ['in no folder', 'same picture', 'not a PNG']) {
      assert.ok(
        problems.some((line) => line.includes(reason)),
        `${reason} is among ${problems}`,
      );
    }
    await assertLooks(page, 'site-3-folder');
  }

  /** One image for all: the scanner reads every byte that three browsers sent, many times over. */
  async function nothingOfAnImageLeft(folder: string, traffic: Uint8Array): Promise<void> {
    assert.ok(Buffer.from(traffic).includes('/contribution HTTP/1.1'), 'the contributions were recorded');
    const name = (await readdir(join(folder, 'yes'))).find((file) => file.endsWith('.png')) ?? '';
    const bytes = new Uint8Array(await readFile(join(folder, 'yes', name)));
    const { cls, quantised } = await nativeEncode({ name, bytes });
    assert.deepEqual(new Scanner({ file: bytes, grey: [], cls, quantised }).find(traffic), []);
  }

  test('a_round_without_contributions_ends_and_names_who_was_missing', () =>
    stage().with(async (page) => {
      const { id, invitations } = await found(stage());
      const others = await Promise.all([stage().page(address()), stage().page(address())]);
      for (const [i, each] of [page, ...others].entries()) {
        await site.enrol(each, invitations[i] ?? '');
        await site.enrolled(each);
      }
      for (const other of others) await other.context().close();
      await site.fingerprint(page);
      await site.trust(page);
      await beginRound(stage(), id, null, 1);
      const failure = page.locator('veilsight-site #round-failure');
      await failure.waitFor();
      for (const name of NAMES) assert.match(await failure.innerText(), new RegExp(name));
      assert.match(await failure.innerText(), /Nothing of any site was opened/);
      await assertLooks(page, 'site-8-expired');
    }, address()));

  test('a_used_invitation_is_refused_in_words_and_a_fresh_one_works', () =>
    stage().with(async (page) => {
      const { invitations } = await found(stage());
      const other = await stage().page(address());
      await site.enrol(other, invitations[0] ?? '');
      await site.enrolled(other);
      await other.context().close();
      await site.enrol(page, invitations[0] ?? '');
      const box = site.faultBox(page, 'invitation');
      await box.waitFor();
      assert.match(await box.innerText(), /taken up before/);
      await assertLooks(page, 'site-7-used-invitation');
      await site.enrol(page, invitations[1] ?? '');
      await site.enrolled(page);
      assert.ok(!(await box.isVisible()));
    }, address()));

  test('a_second_tab_may_not_act_for_the_same_site', () =>
    stage().with(async (page) => {
      const { invitations } = await found(stage());
      await site.enrol(page, invitations[0] ?? '');
      await site.enrolled(page);
      const second = await page.context().newPage();
      await open(second);
      await site.faultBox(second, 'other-tab').waitFor();
      await page.close();
      await second.locator('veilsight-site #retry').click();
      await site.enrolled(second);
    }, address()));

  test('a_relay_that_goes_down_is_said_calmly_and_found_again', () =>
    stage().with(async (page) => {
      const { invitations } = await found(stage());
      await site.enrol(page, invitations[0] ?? '');
      await site.enrolled(page);
      stage().recorder.refuse();
      await site.faultBox(page, 'silence').waitFor();
      stage().recorder.resume();
      await site.faultBox(page, 'silence').waitFor({ state: 'detached' });
    }, address()));

  test('what_the_browser_keeps_of_a_site_is_ciphertext', () =>
    stage().with(async (page) => {
      const { invitations } = await found(stage());
      await site.enrol(page, invitations[0] ?? '');
      await site.enrolled(page);
      const kept = await page.evaluate(async () => {
        const request = indexedDB.open('veilsight-site');
        await new Promise((done) => {
          request.onsuccess = done;
        });
        const [keys = [], records = []] = await Promise.all(
          ['key', 'records'].map(
            (store) =>
              new Promise<unknown[]>((done) => {
                const reading = request.result.transaction(store).objectStore(store).getAll();
                reading.onsuccess = () => done(reading.result);
              }),
          ),
        );
        return {
          extractable: keys.map((key) => (key as CryptoKey).extractable),
          records: records.map((bytes) => new TextDecoder('latin1').decode(bytes as Uint8Array)),
        };
      });
      assert.deepEqual(kept.extractable, [false]);
      assert.equal(kept.records.length, 1);
      for (const text of kept.records) assert.doesNotMatch(text, /token|seed|journal|vss_|Three hospitals/);
      await page.locator('veilsight-site #stage-enrol summary').click();
      await page.locator('veilsight-site #forget').click();
      await page.locator('veilsight-site #forget-really').click();
      await page.locator('veilsight-site #invitation').waitFor();
      await page.reload();
      await page.locator('veilsight-site #invitation').waitFor();
    }, address()));

  test('encoding_can_be_stopped_and_a_csv_gives_the_labels', () =>
    stage().with(async (page) => {
      const { invitations } = await found(stage());
      const { folder, remove } = await phantomFolder(7, 4);
      await site.enrol(page, invitations[0] ?? '');
      await site.enrolled(page);
      await site.chooseFolder(page, folder);
      // Eight images are encoded faster than a person or a test can stop them: let the encoder be slow to come.
      stage().recorder.stall();
      await page.locator('veilsight-site #encode').click();
      await page.locator('veilsight-site .work').waitFor();
      await screenshot(page, 'site-3-encoding');
      await page.locator('veilsight-site #cancel').click();
      await site.faultBox(page, 'cancelled').waitFor();
      stage().recorder.resume();
      await page.locator('veilsight-site #put-away').click();
      const images = await Promise.all(
        ['no/0.png', 'no/1.png', 'yes/0.png'].map(async (path, i) => ({
          name: `${i}.png`,
          mimeType: 'image/png',
          buffer: await readFile(join(folder, path)),
        })),
      );
      const table = Buffer.from('file;label\r\n0.png;No\r\n1.png;no\r\n2.png;yes\r\n3.png;yes\r\n');
      const csv = { name: 'labels.csv', mimeType: 'text/csv', buffer: table };
      await page.locator('veilsight-site #files').setInputFiles([...images, csv]);
      await page.locator('veilsight-site #encode').waitFor();
      assert.deepEqual(await site.counts(page, 'class-counts'), [
        [2, 0],
        [1, 0],
      ]);
      await remove();
    }, address()));
}
