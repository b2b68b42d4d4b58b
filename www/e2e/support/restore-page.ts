/** Restoring a flagged image as a person does it. */

import type { Page } from 'playwright-core';

const part = (page: Page, selector: string) => page.locator(`veilsight-scan ${selector}`);

export const restoreHere = (page: Page) => part(page, '#restore-device');
export const restoreOnRelays = (page: Page) => part(page, '#restore-relays');
export const thorough = (page: Page) => part(page, '#thorough');
export const agree = (page: Page) => part(page, '#agree');
export const sendRestored = (page: Page) => part(page, '#send-restored');
export const goBack = (page: Page) => part(page, '#go-back');
export const cancelRestore = (page: Page) => part(page, '#cancel-restore');
export const slider = (page: Page) => part(page, '#compare');

/** Waits for the restored image, and tells where there is none why. */
export async function restored(page: Page, timeout = 90_000): Promise<void> {
  await part(page, ':is(#send-restored, .fault)').first().waitFor({ timeout });
  if ((await sendRestored(page).count()) === 0) throw new Error(await part(page, '.fault').first().innerText());
}

/** What each relay did, as the page tells it: its state, and the words. */
export const relaysTold = (page: Page): Promise<[state: string, words: string][]> =>
  part(page, '.restored [data-relay]').evaluateAll((items) =>
    items.map((item): [string, string] => [item.getAttribute('data-relay') ?? '', item.textContent?.trim() ?? '']),
  );
