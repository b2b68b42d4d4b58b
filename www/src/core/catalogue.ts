/** What a relay offers, asked for by the page itself: models before any worker runs, and where images can be purified. */

import { askRelay } from './ask.ts';
import type { Ledger } from './ledger.ts';

export interface Offer {
  id: string;
  title: string;
}

/** The relay's models; none where it does not answer or answers something else, since a scan then tells what is wrong. */
export async function offeredModels(relay: string, ledger: Ledger): Promise<Offer[]> {
  const question = { purpose: 'ask which models there are to choose from', content: 'list of models (public)' };
  const answer = (await askRelay(`${relay}/v1/models`, question, ledger)) as { models?: Partial<Offer>[] } | null;
  return (answer?.models ?? []).flatMap(({ id, title }) => (id ? [{ id, title: title ?? id }] : []));
}

/** Addresses without a slash at their end, each once; what is no address is left out. */
export const relayAddresses = (given: string[], base: string): string[] => [
  ...new Set(
    given.filter((address) => URL.canParse(address, base)).map((a) => new URL(a, base).href.replace(/\/+$/, '')),
  ),
];

/**
 * Addresses of the relays that purify for this model: those that the relay names, else itself where it serves the model's purifier.
 * None where it does not answer.
 */
export async function purifyingRelays(relay: string, model: string, ledger: Ledger): Promise<string[]> {
  const question = { purpose: 'ask which relays can restore images', content: 'list of relays (public)' };
  const answer = (await askRelay(`${relay}/v1/purifiers`, question, ledger)) as {
    relays?: string[];
    purifiers?: { model?: string }[];
  } | null;
  const named = relayAddresses(answer?.relays ?? [], relay);
  if (named.length > 0) return named;
  return answer?.purifiers?.some((purifier) => purifier.model === model) ? [relay] : [];
}
