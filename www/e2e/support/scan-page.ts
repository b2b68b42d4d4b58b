/** The element as a person uses it. */

import type { Page } from 'playwright-core';
import type { Answer } from '../../src/core/client-types.ts';
import type { Fault } from '../../src/core/fault.ts';

export interface Upload {
  name: string;
  bytes: Uint8Array;
}

const part = (page: Page, selector: string) => page.locator(`veilsight-scan ${selector}`);

export const file = (page: Page) => part(page, '#file');
export const scanButton = (page: Page) => part(page, '#scan');
export const cancelButton = (page: Page) => part(page, '#cancel');
export const retryButton = (page: Page) => part(page, '#retry');
export const faultBox = (page: Page, code: string) => part(page, `.fault[data-code="${code}"]`);
export const verdict = (page: Page) => part(page, '.verdict');

const mime = (name: string): string => (name.endsWith('.txt') ? 'text/plain' : 'image/png');

/** Chooses a file without waiting for what comes of it. */
export const choose = (page: Page, { name, bytes }: Upload): Promise<void> =>
  file(page).setInputFiles({ name, mimeType: mime(name), buffer: Buffer.from(bytes) });

/** Chooses a file and waits until it can be scanned. */
export async function prepare(page: Page, upload: Upload, timeout = 90_000): Promise<void> {
  await choose(page, upload);
  await part(page, '#scan:not([disabled])').waitFor({ timeout });
}

export async function lastAnswer(page: Page): Promise<Answer> {
  const answer = await page.evaluate(
    () =>
      (globalThis as unknown as { veilsightEvents: { answers: unknown[] } }).veilsightEvents.answers.at(-1) as
        | Answer
        | undefined,
  );
  if (!answer) throw new Error('The element fired no veilsight-answer.');
  return answer;
}

export const faults = (page: Page): Promise<Fault[]> =>
  page.evaluate(() => (globalThis as unknown as { veilsightEvents: { faults: Fault[] } }).veilsightEvents.faults);

/** What a scan can come to before its answer: a question, or the request itself. */
const UNDER_WAY = ':is(#send-anyway, .answer, .fault, [data-step="send"].running)';

/** Where the model's detector flags the image of a scan that has begun, it is sent anyway: most cases are not about the detector. */
export async function passQuestion(page: Page, timeout = 90_000): Promise<void> {
  await part(page, UNDER_WAY).first().waitFor({ timeout });
  if (await part(page, '#send-anyway').isVisible()) await part(page, '#send-anyway').click();
}

/** Starts a scan and lets it be sent, flagged or not. */
export async function begin(page: Page, timeout = 90_000): Promise<void> {
  await scanButton(page).click();
  await passQuestion(page, timeout);
}

export async function scan(page: Page, timeout = 90_000): Promise<Answer> {
  await begin(page, timeout);
  await verdict(page).waitFor({ timeout });
  return lastAnswer(page);
}

export async function prepareAndScan(page: Page, upload: Upload, timeout = 90_000): Promise<Answer> {
  await prepare(page, upload, timeout);
  return scan(page, timeout);
}

/** The grey values on the element's canvas: what the encoder sees. */
export async function encoderView(page: Page): Promise<Uint8Array> {
  const grey = await part(page, '.picture canvas.sharp').evaluate((element) => {
    const canvas = element as HTMLCanvasElement;
    const { data } = canvas.getContext('2d')?.getImageData(0, 0, canvas.width, canvas.height) ?? { data: [] };
    return Array.from(data).filter((_, i) => i % 4 === 0);
  });
  return Uint8Array.from(grey);
}

/** Requests of which the element says that nobody told of them. */
export async function unexplained(page: Page): Promise<string[]> {
  await part(page, '#ledger').evaluate((details) => details.setAttribute('open', ''));
  return part(page, '#unexplained li').allTextContents();
}
