import assert from 'node:assert/strict';
import { test } from 'node:test';
import { examine } from '../support/check-page.ts';
import { phantom } from '../support/images.ts';
import { assertLooks } from '../support/looks.ts';
import { PURIFIABLE } from '../support/packs.ts';
import { attackedImage, purifierOr } from '../support/purifiable.ts';
import { restored, restoreHere, restoreOnRelays, sendRestored } from '../support/restore-page.ts';
import { verdict } from '../support/scan-page.ts';
import { MODEL, type Stage } from '../support/stage.ts';

export function purifyLooksCases(stage: () => Stage): void {
  const open = (page: Parameters<Parameters<Stage['with']>[0]>[0], ids: string[]) =>
    Promise.all(ids.map((id) => page.locator(`veilsight-scan #${id}`).evaluate((d) => d.setAttribute('open', ''))));

  test('the_offer_to_restore_and_the_restored_image_look_well_and_are_accessible', async (t) => {
    if (!(await purifierOr(t))) return;
    const { upload } = await attackedImage();
    await stage().with(async (page) => {
      await examine(page, MODEL, upload);
      await restoreOnRelays(page).waitFor();
      await assertLooks(page, 'purify-offer');
      await restoreHere(page).click();
      await restored(page);
      await assertLooks(page, 'purified-on-device');
    });
  });

  test('one_relay_alone_is_warned_of_in_every_look', async (t) => {
    if (!(await purifierOr(t))) return;
    await stage().with(async (page) => {
      await page
        .locator('veilsight-scan')
        .evaluate((element, origin) => element.setAttribute('purify-relays', origin), stage().recorder.origin);
      await examine(page, PURIFIABLE, await phantom(stage(), 112, true));
      await restoreOnRelays(page).waitFor();
      await assertLooks(page, 'purify-one-relay');
    });
  });

  test('what_relays_did_is_told_beside_the_answer_and_in_the_ledger', async (t) => {
    if (!(await purifierOr(t))) return;
    await stage().with(async (page) => {
      await examine(page, PURIFIABLE, await phantom(stage(), 113, true));
      await restoreOnRelays(page).click();
      await restored(page);
      await assertLooks(page, 'purified-on-relays');
      await sendRestored(page).click();
      await verdict(page).waitFor();
      await open(page, ['ledger', 'relay', 'history', 'card']);
      assert.match(await page.locator('veilsight-scan #ledger').innerText(), /Noised tiles/);
      await assertLooks(page, 'purified-answer');
    });
  });
}
