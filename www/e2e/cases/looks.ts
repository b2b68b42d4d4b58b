import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { BrowserContextOptions, Page } from 'playwright-core';
import { phantom } from '../support/images.ts';
import { assertAccessible, overflows, screenshot } from '../support/looks.ts';
import {
  begin,
  choose,
  faultBox,
  passQuestion,
  prepare,
  prepareAndScan,
  scan,
  unexplained,
  verdict,
} from '../support/scan-page.ts';
import { MODEL, type Stage } from '../support/stage.ts';

const openAll = (page: Page) =>
  page.locator('veilsight-scan details.proof').evaluateAll((all) => {
    for (const details of all) details.setAttribute('open', '');
  });

const STILL = { reducedMotion: 'reduce' } as const;
const LOOKS: [string, BrowserContextOptions][] = [
  ['light', { colorScheme: 'light', viewport: { width: 1280, height: 900 }, ...STILL }],
  ['dark', { colorScheme: 'dark', viewport: { width: 1280, height: 900 }, ...STILL }],
  ['phone', { colorScheme: 'light', viewport: { width: 360, height: 740 }, deviceScaleFactor: 2, ...STILL }],
  ['phone-dark', { colorScheme: 'dark', viewport: { width: 360, height: 740 }, deviceScaleFactor: 2, ...STILL }],
];

/** The element whose turn it is to take keys, inside the shadow tree too. */
const focused = (page: Page) =>
  page.evaluate(() => {
    const inner = document.activeElement?.shadowRoot?.activeElement ?? document.activeElement;
    return inner?.id || inner?.parentElement?.id || inner?.tagName || '';
  });

async function tabTo(page: Page, id: string): Promise<void> {
  for (let i = 0; i < 40; i++) {
    if ((await focused(page)) === id) return;
    await page.keyboard.press('Tab');
  }
  assert.fail(`the keyboard does not reach #${id}`);
}

export function looksCases(stage: () => Stage): void {
  for (const [name, options] of LOOKS) {
    test(`the_page_is_accessible_and_fits: ${name}`, () =>
      stage().with(
        async (page) => {
          await assertAccessible(page, 'at first');
          await screenshot(page, `${name}-start`);
          await prepareAndScan(page, await phantom(stage(), 71, true));
          await screenshot(page, name);
          await openAll(page);
          await assertAccessible(page, 'with an answer and everything open');
          assert.ok((await overflows(page)) <= 0, 'no sideways scrolling');
          await screenshot(page, `${name}-open`);
          await choose(page, { name: 'notes.txt', bytes: Buffer.from('text') });
          await faultBox(page, 'wrong-file').waitFor();
          await assertAccessible(page, 'with an error');
        },
        undefined,
        options,
      ));
  }

  test('an_error_looks_calm_and_says_what_to_do', () =>
    stage().with(
      async (page) => {
        await prepare(page, await phantom(stage(), 72, true));
        stage().recorder.refuse();
        await begin(page);
        await faultBox(page, 'no-relay').waitFor();
        await screenshot(page, 'error');
        assert.ok((await faultBox(page, 'no-relay').getAttribute('role')) === 'alert');
      },
      undefined,
      { viewport: { width: 1280, height: 900 }, ...STILL },
    ));

  test('the_theme_attribute_wins_over_the_systems', () =>
    stage().with(
      async (page) => {
        const ground = () =>
          page.locator('veilsight-scan .frame').evaluate((frame) => getComputedStyle(frame).backgroundColor);
        const light = await ground();
        await page.locator('veilsight-scan').evaluate((element) => element.setAttribute('theme', 'dark'));
        const dark = await ground();
        assert.notEqual(light, dark);
        await page.emulateMedia({ colorScheme: 'dark' });
        await page.locator('veilsight-scan').evaluate((element) => element.setAttribute('theme', 'light'));
        assert.equal(await ground(), light);
      },
      undefined,
      { colorScheme: 'light' },
    ));

  test('the_whole_flow_works_by_keyboard', () =>
    stage().with(async (page) => {
      const upload = await phantom(stage(), 73, true);
      // Playwright takes over the dialog a moment after it is asked to wait for it.
      const choosing = page.waitForEvent('filechooser');
      await tabTo(page, 'pick');
      await page.keyboard.press('Enter');
      const chooser = await choosing;
      await chooser.setFiles({ name: upload.name, mimeType: 'image/png', buffer: Buffer.from(upload.bytes) });
      await page.locator('veilsight-scan #scan:not([disabled])').waitFor();
      await tabTo(page, 'scan');
      await page.keyboard.press('Enter');
      await passQuestion(page);
      await verdict(page).waitFor();
      assert.equal(await focused(page), 'scan', 'the focus stays where the hand is');
      await tabTo(page, 'ledger');
      await page.keyboard.press('Enter');
      await page.locator('veilsight-scan .ledger tr.ciphertext').waitFor({ state: 'visible' });
    }));

  test('progress_and_answer_are_announced', () =>
    stage().with(async (page) => {
      await prepareAndScan(page, await phantom(stage(), 74, false));
      const announced = page.locator('veilsight-scan #announce');
      assert.equal(await announced.getAttribute('aria-live'), 'polite');
      assert.match((await announced.textContent()) ?? '', /Answer: .+ %\.$/);
    }));

  test('research_use_only_is_always_in_sight', () =>
    stage().with(async (page) => {
      const notice = page.locator('veilsight-scan .research');
      assert.match(await notice.innerText(), /Research use only\.\s+Not a medical device\./);
      await prepareAndScan(page, await phantom(stage(), 75, false));
      assert.ok(await notice.isVisible());
    }));

  test('a_model_can_be_chosen_where_there_is_a_choice_and_the_image_stays', () =>
    stage().with(async (page) => {
      const list = await (await fetch(`${stage().recorder.origin}/v1/models`)).json();
      const own = list.models.find(({ id }: { id: string }) => id === MODEL);
      const models = [own, { ...own, id: 'twin', title: 'A twin' }];
      const choice = page.locator('veilsight-scan #model');
      await page.context().route('**/v1/models', (route) => route.fulfill({ json: { ...list, models: [own] } }));
      await page.reload();
      await page.waitForLoadState('networkidle');
      assert.ok(!(await choice.isVisible()), 'one model is no choice');
      await page.context().route('**/v1/models', (route) => route.fulfill({ json: { ...list, models } }));
      await page.reload();
      assert.equal(await choice.inputValue(), MODEL);
      await prepare(page, await phantom(stage(), 76, true));
      await choice.selectOption('twin');
      await page.locator('veilsight-scan #scan:not([disabled])').waitFor();
      await assertAccessible(page, 'with a choice of models');
      await screenshot(page, 'model-choice');
      await scan(page);
      assert.deepEqual(await unexplained(page), []);
    }));
}
