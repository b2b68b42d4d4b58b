import assert from 'node:assert/strict';
import { test } from 'node:test';
import { examine, withholdButton } from '../support/check-page.ts';
import { phantom } from '../support/images.ts';
import { assertLooks } from '../support/looks.ts';
import { CLEAN, FLAGGED } from '../support/packs.ts';
import { verdict } from '../support/scan-page.ts';
import type { Stage } from '../support/stage.ts';

export function detectorLooksCases(stage: () => Stage): void {
  test('a_flagged_image_is_plain_to_see_and_accessible', () =>
    stage().with(async (page) => {
      await examine(page, FLAGGED, await phantom(stage(), 92, true));
      assert.ok(await page.locator('veilsight-scan canvas.heat').isVisible(), 'the error map is shown');
      await assertLooks(page, 'flagged');
      await withholdButton(page).click();
      for (const id of ['detector', 'history']) {
        await page.locator(`veilsight-scan #${id}`).evaluate((details) => details.setAttribute('open', ''));
      }
      await assertLooks(page, 'withheld-open');
    }));

  test('a_clean_image_shows_its_error_map_on_demand', () =>
    stage().with(async (page) => {
      await examine(page, CLEAN, await phantom(stage(), 93, false));
      await verdict(page).waitFor();
      const heat = page.locator('veilsight-scan canvas.heat');
      assert.ok(!(await heat.isVisible()), 'not shown by itself');
      await page.locator('veilsight-scan #heat').check();
      const painted = () =>
        heat.evaluate((element) => {
          const canvas = element as HTMLCanvasElement;
          return canvas
            .getContext('2d')
            ?.getImageData(0, 0, canvas.width, canvas.height)
            .data.some((v) => v > 0);
        });
      assert.ok(await painted());
      await page.locator('veilsight-scan #heat-opacity').fill('0.9');
      await assertLooks(page, 'clean');
    }));
}
