import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { type TestContext, test } from 'node:test';
import type { Page } from 'playwright-core';
import { events, examine, history, judged, sendAnywayButton, withholdButton } from '../support/check-page.ts';
import { phantom } from '../support/images.ts';
import { FLAGGED, PURIFIABLE } from '../support/packs.ts';
import { attackedImage, purifierOr } from '../support/purifiable.ts';
import {
  agree,
  cancelRestore,
  goBack,
  restored,
  restoreHere,
  restoreOnRelays,
  sendRestored,
  slider,
  thorough,
} from '../support/restore-page.ts';
import { lastAnswer, scanButton, unexplained, verdict } from '../support/scan-page.ts';
import { MODEL, type Stage } from '../support/stage.ts';

export function purifyCases(stage: () => Stage): void {
  const asked = (path: string) =>
    stage()
      .recorder.downloads()
      .filter((download) => download.path.includes(path));

  /** A case that needs the shipped purifier, with an image of ours that is flagged. */
  const withFlagged = async (t: TestContext, seed: number, work: (page: Page) => Promise<void>, url?: string) => {
    if (!(await purifierOr(t))) return;
    const upload = await phantom(stage(), seed, true);
    await stage().with(async (page) => {
      stage().recorder.reset();
      await examine(page, PURIFIABLE, upload);
      await work(page);
    }, url);
  };

  test('an_attacked_image_is_flagged_restored_on_the_device_and_answered_rightly', async (t) => {
    if (!(await purifierOr(t))) return;
    const image = await attackedImage();
    await stage().with(async (page) => {
      stage().recorder.reset();
      await examine(page, MODEL, image.upload);
      await judged(page, 'flagged').waitFor();
      await restoreHere(page).click();
      await restored(page);
      assert.deepEqual([asked('/purifications'), asked('/infer')], [[], []], 'nothing has left');
      await sendRestored(page).click();
      await verdict(page).waitFor();
      const answer = await lastAnswer(page);
      assert.equal(answer.classes[answer.top]?.id, image.class);
      assert.equal(answer.purified?.where, 'device');
      assert.match(await page.locator('veilsight-scan .answer').innerText(), /Computed from the restored image/);
      assert.deepEqual(await history(page), [['flagged', 'send-purified']]);
      assert.deepEqual(await unexplained(page), []);
    });
  });

  test('the_purifier_is_fetched_when_it_is_first_needed_and_then_kept', (t) =>
    withFlagged(t, 101, async (page) => {
      assert.deepEqual(asked('/purifier?').concat(asked('/purifier/')), []);
      assert.equal(asked(`/${PURIFIABLE}/purifier`).length, 0, 'not on the first visit');
      await restoreHere(page).click();
      await restored(page);
      assert.equal(asked(`/${PURIFIABLE}/purifier`).length, 1);
      await goBack(page).click();
      await restoreHere(page).click();
      await restored(page);
      assert.equal(asked(`/${PURIFIABLE}/purifier`).length, 1);
      assert.deepEqual(await unexplained(page), []);
    }));

  test('before_and_after_can_be_compared_by_keyboard_and_the_original_comes_back', (t) =>
    withFlagged(t, 102, async (page) => {
      await restoreHere(page).press('Enter');
      await restored(page);
      const line = () =>
        page.locator('veilsight-scan .wipe').evaluate((e) => getComputedStyle(e).getPropertyValue('--at'));
      await slider(page).focus();
      await page.keyboard.press('Home');
      assert.equal(await line(), '0%');
      await page.keyboard.press('ArrowRight');
      assert.equal(await line(), '1%');
      const box = (await page.locator('veilsight-scan .wipe').boundingBox()) ?? { x: 0, y: 0, width: 0, height: 0 };
      await slider(page).click({ position: { x: box.width * 0.75, y: 20 } });
      assert.ok(Math.abs(Number.parseFloat(await line()) - 75) <= 2, await line());
      const drawn = await page.locator('veilsight-scan .pictures canvas').evaluateAll((canvases) =>
        canvases.map((canvas) => {
          const { width, height } = canvas as HTMLCanvasElement;
          return (canvas as HTMLCanvasElement).getContext('2d')?.getImageData(0, 0, width, height).data.join();
        }),
      );
      assert.equal(new Set(drawn).size, 3, 'three pictures, each another');
      await goBack(page).click();
      await sendAnywayButton(page).click();
      await verdict(page).waitFor();
      assert.equal((await lastAnswer(page)).purified, null);
      assert.deepEqual(await history(page), [['flagged', 'send-anyway']]);
    }));

  test('the_thorough_way_shows_its_progress_and_can_be_cancelled', (t) =>
    withFlagged(t, 103, async (page) => {
      await thorough(page).check();
      await restoreHere(page).click();
      await page.locator('veilsight-scan .restoring progress').waitFor();
      await cancelRestore(page).click();
      await page.locator('veilsight-scan .fault[data-code="cancelled"]').waitFor();
      assert.ok(await withholdButton(page).isVisible(), 'the question is open as before');
      await restoreHere(page).click();
      await restored(page);
      assert.equal((await events(page)).purified.at(-1)?.steps, 10);
      assert.deepEqual(asked('/infer'), []);
    }));

  test('the_export_of_the_history_tells_how_the_image_was_restored', (t) =>
    withFlagged(t, 104, async (page) => {
      await restoreHere(page).click();
      await restored(page);
      await sendRestored(page).click();
      await verdict(page).waitFor();
      await history(page);
      const downloading = page.waitForEvent('download');
      await page.locator('veilsight-scan #history-export').click();
      const { records } = JSON.parse(await readFile(await (await downloading).path(), 'utf8'));
      const { where, t: level, steps } = (await lastAnswer(page)).purified ?? {};
      assert.deepEqual([records[0].decision, records[0].purified], ['send-purified', { where, t: level, steps }]);
    }));

  test('one_relay_alone_gets_nothing_without_explicit_consent', async (t) => {
    if (!(await purifierOr(t))) return;
    const upload = await phantom(stage(), 105, true);
    await stage().with(async (page) => {
      await page
        .locator('veilsight-scan')
        .evaluate((element, origin) => element.setAttribute('purify-relays', origin), stage().recorder.origin);
      await examine(page, PURIFIABLE, upload);
      stage().recorder.reset();
      await restoreOnRelays(page).waitFor();
      assert.ok(await restoreOnRelays(page).isDisabled());
      const words = await page.locator('veilsight-scan #relays-see').innerText();
      assert.match(words, /Only one relay is known/);
      assert.match(words, /Noise is not encryption/);
      assert.match(words, /come close to seeing the image/);
      assert.deepEqual(asked('/purifications'), []);
      await agree(page).check();
      await restoreOnRelays(page).click();
      await restored(page);
      assert.ok(asked('/purifications').length > 0);
      assert.equal((await events(page)).purified[0]?.relays.length, 1);
      await goBack(page).click();
      assert.match(
        await page.locator('veilsight-scan #question').innerText(),
        /Nothing of it has been sent but noised tiles/,
      );
    });
  });

  test('a_model_without_a_purifier_offers_none_and_asks_for_no_relay', async () => {
    const upload = await phantom(stage(), 106, true);
    await stage().with(async (page) => {
      stage().recorder.reset();
      await examine(page, FLAGGED, upload);
      await withholdButton(page).waitFor();
      assert.deepEqual([await restoreHere(page).count(), asked('/v1/purifiers')], [0, []]);
    });
  });

  test('an_embedding_page_can_hide_the_offer_or_keep_it_to_the_device', (t) =>
    withFlagged(
      t,
      107,
      async (page) => {
        const element = page.locator('veilsight-scan');
        await restoreOnRelays(page).waitFor();
        const upload = await phantom(stage(), 107, true);
        for (const [wish, ways] of [
          ['device', 1],
          ['off', 0],
        ] as const) {
          await element.evaluate((scan, value) => scan.setAttribute('purify', value), wish);
          stage().recorder.reset();
          await examine(page, PURIFIABLE, upload);
          assert.deepEqual([await restoreHere(page).count(), await restoreOnRelays(page).count()], [ways, 0], wish);
          assert.deepEqual(asked('/v1/purifiers'), [], wish);
        }
      },
      `${stage().allowed.origin}/embed.html`,
    ));

  test('an_embedding_page_can_stop_a_restored_image', (t) =>
    withFlagged(
      t,
      108,
      async (page) => {
        await page.evaluate(() => addEventListener('veilsight-purified', (event) => event.preventDefault()));
        await restoreHere(page).click();
        await page.locator('veilsight-scan .tamper .question').getByText('Not sent.').waitFor();
        assert.equal(await sendRestored(page).count(), 0);
        assert.ok(await scanButton(page).isVisible());
        assert.deepEqual([asked('/infer'), await history(page)], [[], [['flagged', 'stopped']]]);
      },
      `${stage().allowed.origin}/embed.html`,
    ));
}
