import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Page } from 'playwright-core';
import { phantom } from '../support/images.ts';
import {
  begin,
  cancelButton,
  choose,
  faultBox,
  prepare,
  prepareAndScan,
  retryButton,
  scan,
  verdict,
} from '../support/scan-page.ts';
import type { Stage } from '../support/stage.ts';

/** An uncaught error in the worker: what a Rust panic looks like from outside. */
async function crashWorker(page: Page): Promise<void> {
  const worker = page.workers()[0];
  assert.ok(worker, 'the page has a worker');
  await worker
    .evaluate(() => {
      setTimeout(() => {
        throw new Error('crashed by the test');
      }, 0);
    })
    .catch(() => undefined);
}

export function errorCases(stage: () => Stage): void {
  test('a_text_file_is_refused_before_anything_is_fetched', () =>
    stage().with(async (page) => {
      await page.waitForLoadState('networkidle');
      stage().recorder.reset();
      await choose(page, { name: 'notes.txt', bytes: Buffer.from('no picture at all') });
      await faultBox(page, 'wrong-file').waitFor();
      assert.deepEqual(stage().recorder.downloads(), []);
    }));

  test('a_truncated_png_is_refused_and_a_whole_one_then_works', () =>
    stage().with(async (page) => {
      const whole = await phantom(stage(), 41, true);
      await choose(page, { name: 'cut.png', bytes: whole.bytes.subarray(0, whole.bytes.length / 2) });
      await faultBox(page, 'truncated-file').waitFor();
      await prepareAndScan(page, whole);
    }));

  test('a_png_with_damaged_pixels_is_refused_by_the_decoder', () =>
    stage().with(async (page) => {
      const { name, bytes } = await phantom(stage(), 42, true);
      const damaged = Uint8Array.from(bytes, (b, i) => (i > 60 && i < bytes.length - 20 ? b ^ 0x5a : b));
      await choose(page, { name, bytes: damaged });
      await faultBox(page, 'wrong-file').waitFor();
    }));

  test('a_relay_that_goes_down_mid_way_keeps_the_image_and_retry_works', () =>
    stage().with(async (page) => {
      await prepare(page, await phantom(stage(), 43, true));
      stage().recorder.refuse();
      await begin(page);
      await faultBox(page, 'no-relay').waitFor();
      assert.ok(await page.locator('veilsight-scan canvas.sharp').isVisible(), 'the image is still there');
      stage().recorder.resume();
      await retryButton(page).click();
      await verdict(page).waitFor();
    }));

  test('a_device_that_is_offline_is_told_so', () =>
    stage().with(async (page) => {
      await prepare(page, await phantom(stage(), 44, true));
      await page.context().setOffline(true);
      await begin(page);
      await faultBox(page, 'offline').waitFor();
      await page.context().setOffline(false);
      await retryButton(page).click();
      await verdict(page).waitFor();
    }));

  test('a_relay_of_another_protocol_is_named_so', () =>
    stage().with(async (page) => {
      await page.context().route('**/v1/models', (route) => route.fulfill({ json: { protocol: 2, models: [] } }));
      await choose(page, await phantom(stage(), 45, true));
      await faultBox(page, 'wrong-version').waitFor();
    }));

  test('a_budget_that_is_used_up_says_how_long_to_wait', () =>
    stage().with(async (page) => {
      await page.context().route('**/infer', (route) =>
        route.fulfill({
          status: 429,
          headers: { 'retry-after': '1800', 'x-veilsight-budget-left': '0' },
          json: {
            type: 'urn:veilsight:budget',
            title: 'The budget is used up.',
            status: 429,
            detail: 'Come back later.',
          },
        }),
      );
      await prepare(page, await phantom(stage(), 46, true));
      await begin(page);
      const box = faultBox(page, 'budget');
      await box.waitFor();
      assert.match(await box.innerText(), /30 minutes/);
    }));

  test('a_cancelled_scan_keeps_the_image_and_can_be_run_again', () =>
    stage().with(async (page) => {
      await prepare(page, await phantom(stage(), 47, true));
      stage().recorder.stall();
      await begin(page);
      await cancelButton(page).click();
      await faultBox(page, 'cancelled').waitFor();
      stage().recorder.resume();
      await scan(page);
    }));

  test('a_worker_that_crashes_in_a_scan_is_restarted_and_said', () =>
    stage().with(async (page) => {
      await prepare(page, await phantom(stage(), 48, true));
      stage().recorder.stall();
      await begin(page);
      await stage().recorder.held();
      await crashWorker(page);
      const box = faultBox(page, 'crashed');
      await box.waitFor();
      assert.match(await box.innerText(), /restarted/);
      stage().recorder.resume();
      await retryButton(page).click();
      await verdict(page).waitFor();
    }));

  test('a_worker_that_crashes_between_scans_is_restarted_and_said', () =>
    stage().with(async (page) => {
      await prepareAndScan(page, await phantom(stage(), 49, true));
      await crashWorker(page);
      const box = faultBox(page, 'notice');
      await box.waitFor();
      assert.match(await box.innerText(), /restarted/);
      await scan(page);
    }));
}
