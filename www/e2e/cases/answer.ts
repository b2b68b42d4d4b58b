import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Answer } from '../../src/core/client-types.ts';
import { phantom, realImage } from '../support/images.ts';
import { type Native, nativeEncode } from '../support/native.ts';
import { prepareAndScan, type Upload, unexplained } from '../support/scan-page.ts';
import type { Stage } from '../support/stage.ts';

/** Exact integers, so equal logits; probabilities only pass through another exp(). */
export function assertEqualsNative(answer: Answer, native: Native): void {
  assert.deepEqual(
    answer.classes.map((c) => c.logit),
    native.logits,
  );
  assert.equal(native.logits[answer.top], Math.max(...native.logits));
  for (const [i, { probability }] of answer.classes.entries()) {
    assert.ok(Math.abs(probability - (native.probabilities[i] ?? Number.NaN)) <= 1e-6, `class ${i}`);
  }
}

export function answerCases(stage: () => Stage): void {
  const equalsNative = (upload: Upload) =>
    stage().with(async (page) => {
      const answer = await prepareAndScan(page, upload);
      assertEqualsNative(answer, await nativeEncode(upload));
      assert.ok(answer.sealed_bytes > 500 && answer.sealed_bytes <= 4_300, `${answer.sealed_bytes} sealed bytes`);
      assert.deepEqual(await unexplained(page), []);
    });

  test('the_answer_to_a_phantom_equals_the_native_pipelines', async () => {
    await equalsNative(await phantom(stage(), 7, true));
    await equalsNative(await phantom(stage(), 8, false));
  });

  for (const folder of ['yes', 'no'] as const) {
    test(`the_answer_to_a_real_image_of_class_${folder}_equals_the_native_pipelines`, async (t) => {
      const image = await realImage(folder);
      if (!image) return t.skip('the shared data (br35h) is not here');
      await equalsNative(image);
    });
  }

  test('a_second_scan_downloads_nothing_again_and_gets_the_same_answer', () =>
    stage().with(async (page) => {
      const upload = await phantom(stage(), 9, true);
      const first = await prepareAndScan(page, upload);
      stage().recorder.reset();
      const again = await prepareAndScan(page, upload);
      assert.deepEqual(again.classes, first.classes);
      assert.deepEqual(
        stage()
          .recorder.downloads()
          .map((d) => `${d.method} ${d.path}`),
        ['POST /v1/models/brain-mri/infer'],
      );
    }));

  test('a_second_visit_takes_the_encoder_from_the_cache', () =>
    stage().with(async (page) => {
      const upload = await phantom(stage(), 10, false);
      const first = await prepareAndScan(page, upload);
      stage().recorder.reset();
      await page.reload();
      const again = await prepareAndScan(page, upload);
      assert.deepEqual(again.classes, first.classes);
      const encoders = stage()
        .recorder.downloads()
        .filter((d) => d.path.includes('encoder.safetensors'));
      assert.deepEqual(encoders, []);
    }));
}
