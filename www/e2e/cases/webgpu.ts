import assert from 'node:assert/strict';
import { test } from 'node:test';
import { phantom } from '../support/images.ts';
import { prepareAndScan, unexplained } from '../support/scan-page.ts';
import type { Stage } from '../support/stage.ts';

/** The adapter here is a software one: about a hundred times slower than the CPU, and as correct. */
const PATIENCE = 540_000;

export function webgpuCases(stage: () => Stage): void {
  test('webgpu_gives_the_answer_of_the_cpu', { timeout: 2 * PATIENCE }, async () => {
    const upload = await phantom(stage(), 51, true);
    let logits: number[] = [];
    let probabilities: number[] = [];
    await stage().with(async (page) => {
      const cpu = await prepareAndScan(page, upload);
      assert.equal(cpu.backend, 'cpu');
      logits = cpu.classes.map((c) => c.logit);
      probabilities = cpu.classes.map((c) => c.probability);
    });
    await stage().with(async (page) => {
      await page.locator('veilsight-scan').evaluate((element) => element.setAttribute('backend', 'webgpu'));
      const gpu = await prepareAndScan(page, upload, PATIENCE);
      assert.equal(gpu.backend, 'webgpu', await page.locator('veilsight-scan .backend').innerText());
      for (const [i, c] of gpu.classes.entries()) {
        const [logit, probability] = [logits[i] ?? Number.NaN, probabilities[i] ?? Number.NaN];
        assert.ok(Math.abs(c.logit - logit) <= 1e-3 * Math.abs(logit), `logit ${i}: ${c.logit} and ${logit}`);
        assert.ok(
          Math.abs(c.probability - probability) <= 1e-3,
          `probability ${i}: ${c.probability} and ${probability}`,
        );
      }
      assert.deepEqual(await unexplained(page), []);
    });
  });

  test('a_software_gpu_is_not_chosen_by_itself_and_the_page_says_why', () =>
    stage().with(async (page) => {
      await prepareAndScan(page, await phantom(stage(), 52, false));
      assert.match(await page.locator('veilsight-scan .backend').innerText(), /CPU.*(software|not available)/s);
    }));
}
