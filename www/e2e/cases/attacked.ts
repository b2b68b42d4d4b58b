import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import type { Page } from 'playwright-core';
import { uploadOf, withPairs } from '../support/attacked-images.ts';
import { events, examine, judged, sendAnywayButton } from '../support/check-page.ts';
import { assertLooks } from '../support/looks.ts';
import { dataDir, MODEL, type Stage, zooDir } from '../support/stage.ts';

const LIMIT = 6;

/** The page's engine and the native one differ in the order of a few sums. */
const TOLERANCE = 1e-3;

/** The threshold of the shipped pack; without a detector the case is skipped. */
async function shippedThreshold(t: TestContext): Promise<number | null> {
  const card = JSON.parse(await readFile(join(zooDir(), MODEL, 'card.json'), 'utf8'));
  if (!card.detector) t.skip(`the pack ${MODEL} has no detector`);
  return card.detector?.threshold ?? null;
}

export function attackedCases(stage: () => Stage): void {
  const requests = () =>
    stage()
      .recorder.downloads()
      .filter(({ path }) => path.endsWith('/infer')).length;

  /** Examines a file in the page; its verdict must be the native one. */
  async function verdictOf(page: Page, folder: string, name: string, score: number): Promise<boolean> {
    const before = (await events(page)).verdicts.length;
    stage().recorder.reset();
    await examine(page, MODEL, await uploadOf(folder, name));
    const found = (await events(page)).verdicts.slice(before);
    assert.equal(found.length, 1, 'one check, one verdict');
    const [{ score: here, flagged, threshold }] = found as [(typeof found)[0]];
    assert.ok(
      Math.abs(here - score) <= TOLERANCE * Math.max(1, Math.abs(score)),
      `${name}: ${here} here, ${score} natively`,
    );
    assert.equal(flagged, here >= threshold);
    assert.equal(await sendAnywayButton(page).isVisible(), flagged);
    assert.equal(requests(), flagged ? 0 : 1, 'what is flagged waits, what is not is sent');
    return flagged;
  }

  test('phantoms_and_their_attacked_copies_get_the_verdicts_of_the_native_pipeline', async (t) => {
    if ((await shippedThreshold(t)) === null) return;
    await withPairs('phantoms', LIMIT, (pairs, folder) =>
      stage().with(async (page) => {
        for (const { clean, attacked, clean_score, score, flagged } of pairs.slice(0, 2)) {
          await verdictOf(page, folder, clean, clean_score);
          assert.equal(await verdictOf(page, folder, attacked, score), flagged);
        }
        await assertLooks(page, 'tampered');
      }),
    );
  });

  test('a_real_image_is_answered_and_its_attacked_copy_is_flagged', async (t) => {
    const data = dataDir();
    if (!data) return t.skip('the shared data (br35h) is not here');
    const threshold = await shippedThreshold(t);
    if (threshold === null) return;
    await withPairs(join(data, 'br35h'), LIMIT, (pairs, folder) =>
      stage().with(async (page) => {
        const told = pairs.find(({ flagged, clean_score }) => flagged && clean_score < threshold);
        assert.ok(told, `of ${pairs.length} images none is flagged because of the attack`);
        assert.ok(await verdictOf(page, folder, told.attacked, told.score));
        await assertLooks(page, 'attacked');
        await verdictOf(page, folder, told.clean, told.clean_score);
        await judged(page, 'clean').waitFor();
        await assertLooks(page, 'unharmed');
      }),
    );
  });
}
