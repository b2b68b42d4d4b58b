import assert from 'node:assert/strict';
import { test } from 'node:test';
import { phantom } from '../support/images.ts';
import { nativeEncode } from '../support/native.ts';
import { choose, faultBox, prepareAndScan, unexplained } from '../support/scan-page.ts';
import { Scanner } from '../support/scanner.ts';
import type { Stage } from '../support/stage.ts';
import { assertEqualsNative } from './answer.ts';
import { assertRecorded, visit } from './egress.ts';

export function embedCases(stage: () => Stage): void {
  test('a_page_on_another_origin_embeds_the_scan', async () => {
    const upload = await phantom(stage(), 31, true);
    await stage().with(async (page) => {
      const answer = await prepareAndScan(page, upload);
      assertEqualsNative(answer, await nativeEncode(upload));
      assert.deepEqual(await unexplained(page), []);
    }, `${stage().allowed.origin}/embed.html`);
  });

  test('nothing_of_the_image_leaves_an_embedding_page', async () => {
    const { traffic, secrets } = await visit(
      stage(),
      await phantom(stage(), 32, true),
      `${stage().allowed.origin}/embed.html`,
    );
    assertRecorded(traffic);
    assert.deepEqual(new Scanner(secrets).find(traffic), []);
  });

  test('a_request_of_the_surrounding_page_is_listed_in_red', () =>
    stage().with(async (page) => {
      await prepareAndScan(page, await phantom(stage(), 33, false));
      await page.evaluate(() => fetch('/favicon.svg?pixels=everything'));
      await page.locator('veilsight-scan #unexplained li').first().waitFor({ state: 'attached' });
      const lines = await unexplained(page);
      assert.equal(lines.length, 1);
      assert.match(lines[0] ?? '', /pixels=everything.*surrounding page/s);
    }, `${stage().allowed.origin}/embed.html`));

  test('a_page_that_is_not_allowed_says_so_where_the_module_is_refused', () =>
    stage().with(async (page) => {
      await page.locator('#fallback').waitFor({ state: 'visible' });
      assert.match(await page.locator('#fallback').innerText(), /does not accept this page's origin/);
    }, `${stage().stranger.origin}/embed.html`));

  test('a_page_that_is_not_allowed_says_so_where_it_brings_the_module_itself', () =>
    stage().with(async (page) => {
      await choose(page, await phantom(stage(), 34, false));
      const box = faultBox(page, 'not-allowed');
      await box.waitFor();
      assert.match(await box.innerText(), new RegExp(stage().stranger.origin));
    }, `${stage().stranger.origin}/own/embed.html`));
}
