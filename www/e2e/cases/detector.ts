import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';
import type { Page } from 'playwright-core';
import {
  events,
  examine,
  history,
  judged,
  sendAnywayButton,
  threshold,
  useModel,
  withholdButton,
} from '../support/check-page.ts';
import { ownPixels, phantom } from '../support/images.ts';
import { nativeEncode } from '../support/native.ts';
import { CLEAN, FLAGGED, UNCHECKED } from '../support/packs.ts';
import {
  choose,
  encoderView,
  faultBox,
  lastAnswer,
  prepare,
  scanButton,
  unexplained,
  verdict,
} from '../support/scan-page.ts';
import { Scanner } from '../support/scanner.ts';
import type { Stage } from '../support/stage.ts';
import { assertEqualsNative } from './answer.ts';

const SLIDER_END = 4;

export function detectorCases(stage: () => Stage): void {
  const sent = () =>
    stage()
      .recorder.downloads()
      .filter(({ path }) => path.endsWith('/infer'))
      .map(({ method, path }) => `${method} ${path}`);
  const detectors = () =>
    stage()
      .recorder.downloads()
      .filter(({ path }) => path.includes('/detector'));
  const slide = (page: Page, value: number) => threshold(page).fill(String(value));
  const openDetector = (page: Page) =>
    page.locator('veilsight-scan #detector').evaluate((details) => details.setAttribute('open', ''));

  test('a_flagged_image_is_not_sent_unless_the_person_says_so', () =>
    stage().with(async (page) => {
      const upload = await phantom(stage(), 81, true);
      stage().recorder.reset();
      await examine(page, FLAGGED, upload);
      await judged(page, 'flagged').waitFor();
      assert.deepEqual(sent(), [], 'nothing is sent while the question is open');
      await page.keyboard.press('Enter');
      await page.locator('veilsight-scan .tamper .question').getByText('Not sent.').waitFor();
      assert.equal(await sendAnywayButton(page).count(), 0);
      const { verdicts, decisions, answers } = await events(page);
      assert.deepEqual([verdicts.length, verdicts[0]?.flagged, verdicts[0]?.model], [1, true, FLAGGED]);
      assert.deepEqual([decisions, answers], [[{ sent: false }], []]);
      assert.deepEqual(await history(page), [['flagged', 'do-not-send']]);
      const native = await nativeEncode(upload);
      const grey = [await encoderView(page), await ownPixels(page, upload)];
      assert.deepEqual(await unexplained(page), []);
      await page.goto('about:blank');
      assert.deepEqual(sent(), [], 'nor on leaving');
      const secrets = { file: upload.bytes, grey, cls: native.cls, quantised: native.quantised };
      assert.deepEqual(new Scanner(secrets).find(stage().recorder.upwards()), []);
    }));

  test('send_anyway_sends_one_token_and_the_history_shows_both_decisions', () =>
    stage().with(async (page) => {
      const upload = await phantom(stage(), 82, false);
      stage().recorder.reset();
      await examine(page, FLAGGED, upload);
      await withholdButton(page).click();
      await scanButton(page).click();
      await sendAnywayButton(page).click();
      await verdict(page).waitFor();
      assert.deepEqual(sent(), [`POST /v1/models/${FLAGGED}/infer`]);
      assertEqualsNative(await lastAnswer(page), await nativeEncode(upload));
      assert.deepEqual(await history(page), [
        ['flagged', 'send-anyway'],
        ['flagged', 'do-not-send'],
      ]);
      assert.deepEqual((await events(page)).decisions, [{ sent: false }, { sent: true }]);
      await page.reload();
      assert.equal((await history(page)).length, 2, 'the history outlives the visit');
    }));

  test('an_image_that_is_not_flagged_is_sent_without_a_question', () =>
    stage().with(async (page) => {
      const upload = await phantom(stage(), 83, true);
      stage().recorder.reset();
      await examine(page, CLEAN, upload);
      await judged(page, 'clean').waitFor();
      await verdict(page).waitFor();
      assertEqualsNative(await lastAnswer(page), await nativeEncode(upload));
      const { verdicts, decisions } = await events(page);
      const [found] = verdicts;
      assert.ok(
        found && !found.flagged && found.score < found.threshold && found.cleanShare > 0.1,
        JSON.stringify(found),
      );
      assert.equal(found.falsePositiveRate, 0.05);
      assert.deepEqual([decisions, sent().length], [[], 1]);
      assert.deepEqual(await history(page), [['clean', 'send']]);
    }));

  test('the_detector_is_in_the_ledger_and_a_second_visit_takes_it_from_the_cache', () =>
    stage().with(async (page) => {
      const upload = await phantom(stage(), 84, true);
      await examine(page, CLEAN, upload);
      const first = (await events(page)).verdicts[0]?.score;
      assert.match(await page.locator('veilsight-scan #ledger').innerHTML(), /fetch the detector/);
      assert.deepEqual(await unexplained(page), []);
      stage().recorder.reset();
      await page.reload();
      await examine(page, CLEAN, upload);
      assert.deepEqual([detectors(), (await events(page)).verdicts[0]?.score], [[], first], 'and finds the same');
    }));

  test('a_model_without_a_detector_works_as_before_and_says_that_nothing_was_checked', () =>
    stage().with(async (page) => {
      stage().recorder.reset();
      await examine(page, UNCHECKED, await phantom(stage(), 85, true));
      await verdict(page).waitFor();
      assert.match(await judged(page, 'unchecked').innerText(), /Not checked for tampering/);
      assert.deepEqual([(await events(page)).verdicts, detectors()], [[], []]);
      assert.equal(await page.locator('veilsight-scan :is([data-step="detector"], [data-step="detect"])').count(), 0);
      assert.deepEqual(await history(page), [['unchecked', 'send']]);
    }));

  test('the_threshold_of_an_expert_changes_the_verdict_and_holds_until_it_is_reset', () =>
    stage().with(async (page) => {
      const upload = await phantom(stage(), 86, true);
      await examine(page, FLAGGED, upload);
      await openDetector(page);
      const rate = () => page.locator('veilsight-scan #threshold-fpr').innerText();
      const before = await rate();
      stage().recorder.reset();
      await slide(page, SLIDER_END);
      await judged(page, 'clean').waitFor();
      assert.notEqual(await rate(), before);
      assert.deepEqual(sent(), [], 'a slider sends nothing');
      await withholdButton(page).click();
      await page.reload();
      await examine(page, FLAGGED, upload);
      await verdict(page).waitFor();
      assert.equal((await events(page)).verdicts[0]?.threshold, SLIDER_END);
      await openDetector(page);
      await page.locator('veilsight-scan #threshold-reset').click();
      await judged(page, 'flagged').waitFor();
      assert.equal(await rate(), before);
    }));

  test('a_damaged_detector_is_refused_and_nothing_is_sent', () =>
    stage().with(async (page) => {
      const upload = await phantom(stage(), 87, true);
      await page.context().route('**/detector*', (route) => route.fulfill({ body: Buffer.alloc(20_000, 7) }));
      stage().recorder.reset();
      await useModel(page, FLAGGED);
      await choose(page, upload);
      const box = faultBox(page, 'corrupt-pack');
      await box.waitFor();
      assert.match(await box.innerText(), /detector\.safetensors is damaged/i);
      assert.deepEqual(sent(), []);
      await page.context().unroute('**/detector*');
      await page.locator('veilsight-scan #retry').click();
      await page.locator('veilsight-scan #scan:not([disabled])').waitFor();
    }));

  test('an_embedding_page_can_stop_an_image_at_its_verdict', () =>
    stage().with(async (page) => {
      await page.evaluate(() => addEventListener('veilsight-verdict', (event) => event.preventDefault()));
      const upload = await phantom(stage(), 88, true);
      stage().recorder.reset();
      await examine(page, CLEAN, upload);
      const box = page.locator('veilsight-scan .tamper .question');
      assert.match(await box.innerText(), /surrounding page/);
      assert.deepEqual(
        [sent(), (await events(page)).decisions, await history(page)],
        [[], [{ sent: false }], [['clean', 'stopped']]],
      );
    }, `${stage().allowed.origin}/embed.html`));

  test('another_image_takes_the_place_of_an_open_question', () =>
    stage().with(async (page) => {
      await examine(page, FLAGGED, await phantom(stage(), 89, true));
      stage().recorder.reset();
      await prepare(page, await phantom(stage(), 90, false));
      assert.equal(await withholdButton(page).count(), 0);
      assert.deepEqual([sent(), await history(page)], [[], [['flagged', 'undecided']]]);
    }));

  test('the_history_can_be_exported_and_cleared_and_holds_nothing_of_the_image', () =>
    stage().with(async (page) => {
      await examine(page, CLEAN, await phantom(stage(), 91, true));
      await history(page);
      const downloading = page.waitForEvent('download');
      await page.locator('veilsight-scan #history-export').click();
      const { records } = JSON.parse(await readFile(await (await downloading).path(), 'utf8'));
      const keys = [
        'answer',
        'cleanShare',
        'decision',
        'id',
        'image',
        'model',
        'purified',
        'score',
        'threshold',
        'time',
        'verdict',
        'version',
      ];
      assert.deepEqual(Object.keys(records[0]).sort(), keys);
      assert.deepEqual([records.length, records[0].image], [1, 'phantom-91.png']);
      assert.ok(JSON.stringify(records).length < 500, 'a record is a few words');
      await page.locator('veilsight-scan #history-clear').click();
      await page.locator('veilsight-scan #history-clear-really').click();
      assert.deepEqual(await history(page), []);
      await page.reload();
      assert.deepEqual(await history(page), []);
    }));
}
