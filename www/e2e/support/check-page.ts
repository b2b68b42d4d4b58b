/** The check for tampering as a person uses it. */

import type { Page } from 'playwright-core';
import type { Judgement } from '../../src/core/detection.ts';
import type { PurifiedNews } from '../../src/core/purification.ts';
import { prepare, scanButton, type Upload } from './scan-page.ts';

const part = (page: Page, selector: string) => page.locator(`veilsight-scan ${selector}`);

export const withholdButton = (page: Page) => part(page, '#withhold');
export const sendAnywayButton = (page: Page) => part(page, '#send-anyway');
export const judged = (page: Page, verdict: 'flagged' | 'clean' | 'unchecked') =>
  part(page, `[data-verdict="${verdict}"]:not(tr)`);
export const threshold = (page: Page) => part(page, '#threshold');

export const useModel = (page: Page, model: string): Promise<void> =>
  page.locator('veilsight-scan').evaluate((element, id) => element.setAttribute('model', id), model);

/** Takes a file with a model and lets it be examined, up to the answer or the question. */
export async function examine(page: Page, model: string, upload: Upload): Promise<void> {
  await useModel(page, model);
  await prepare(page, upload);
  await scanButton(page).click();
  await part(page, ':is(#send-anyway, .answer, .fault, .question)').first().waitFor();
}

export interface Events {
  verdicts: Judgement[];
  purified: PurifiedNews[];
  decisions: { sent: boolean }[];
  answers: unknown[];
}

export const events = (page: Page): Promise<Events> =>
  page.evaluate(() => (globalThis as unknown as { veilsightEvents: Events }).veilsightEvents);

/** Verdict and decision of each record in the history, newest first. */
export async function history(page: Page): Promise<[verdict: string, decision: string][]> {
  await part(page, '#history').evaluate((details) => details.setAttribute('open', ''));
  return part(page, 'tr.record').evaluateAll((rows) =>
    rows.map((row): [string, string] => [
      row.getAttribute('data-verdict') ?? '',
      row.getAttribute('data-decision') ?? '',
    ]),
  );
}
