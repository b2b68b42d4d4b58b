/** `<veilsight-site>` as a person at a hospital uses it. */

import type { Locator, Page } from 'playwright-core';

const part = (page: Page, selector: string): Locator => page.locator(`veilsight-site ${selector}`);

export const todo = (page: Page): Locator => part(page, '#todo');
export const faultBox = (page: Page, code: string): Locator => part(page, `.fault[data-code="${code}"]`);
export const accuracies = (page: Page): Locator => part(page, '#accuracies');

export async function enrol(page: Page, invitation: string): Promise<void> {
  await part(page, '#invitation').fill(invitation);
  await part(page, '#enrol').click();
}

export const enrolled = (page: Page): Promise<void> => part(page, '#pick-folder').waitFor();

/** The fingerprint that the page asks to compare, once all sites have enrolled. */
export async function fingerprint(page: Page): Promise<string> {
  await part(page, '#trust').waitFor();
  return (await part(page, '#fingerprint code').allTextContents()).join(' ');
}

export async function trust(page: Page): Promise<void> {
  await part(page, '#trust').click();
  await part(page, '#stage-compare.done').waitFor();
}

export async function chooseFolder(page: Page, folder: string): Promise<void> {
  await part(page, '#folder').setInputFiles(folder);
  await part(page, '#encode').waitFor();
}

/** Contributed and held-out images of each class, as the page counts them. */
export const counts = (page: Page, table: 'class-counts' | 'statistics'): Promise<number[][]> =>
  part(page, `#${table} tbody tr`).evaluateAll((rows) =>
    rows.map((row) => [...row.querySelectorAll('td')].map((cell) => Number(cell.textContent))),
  );

export async function encode(page: Page): Promise<void> {
  await part(page, '#encode').click();
  await part(page, '#statistics').waitFor({ state: 'attached', timeout: 240_000 });
}

/** Asks for noise of this ε, or for none (''), and waits for what it promises. */
export async function wishNoise(page: Page, epsilon: string): Promise<void> {
  await part(page, '#noise').selectOption(epsilon);
  await part(page, '#noise-offer').waitFor({ state: epsilon ? 'visible' : 'detached' });
}

export async function contribute(page: Page): Promise<void> {
  await part(page, '#contribute').click();
  await part(page, '#contribute').waitFor({ state: 'detached' });
  await part(page, '.work').waitFor({ state: 'detached' });
}

/** Right and all answers on the hold-out, of both heads. */
export async function heads(page: Page): Promise<Record<string, number[]>> {
  await accuracies(page).waitFor({ timeout: 120_000 });
  const bars = await accuracies(page)
    .locator('li[data-head]')
    .evaluateAll((all) => all.map((bar) => [bar.getAttribute('data-head') ?? '', bar.textContent ?? '']));
  return Object.fromEntries(
    bars.map(([name, text]) => [name, (/\((\d+) of (\d+)\)/.exec(text ?? '') ?? []).slice(1).map(Number)]),
  );
}

/** Requests of which the element says that nobody told of them. */
export async function unexplained(page: Page): Promise<string[]> {
  await part(page, '#ledger').evaluate((details) => details.setAttribute('open', ''));
  return part(page, '#unexplained li').allTextContents();
}
