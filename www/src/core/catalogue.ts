/** The models that a relay offers, asked for by the page itself before any worker runs. */

import type { Ledger } from './ledger.ts';

export interface Offer {
  id: string;
  title: string;
}

/** The relay's models; none where it does not answer or answers something else, since a scan then tells what is wrong. */
export async function offeredModels(relay: string, ledger: Ledger): Promise<Offer[]> {
  const began = performance.now();
  const url = `${relay}/v1/models`;
  const response = await fetch(url, { credentials: 'omit' }).catch(() => null);
  const text = (await response?.text().catch(() => '')) ?? '';
  ledger.record({
    id: 0,
    method: 'GET',
    url,
    purpose: 'ask which models there are to choose from',
    bytes_out: 0,
    bytes_in: new TextEncoder().encode(text).length,
    status: response?.status ?? 0,
    ms: performance.now() - began,
    preview_out: '',
    preview_in: '',
    content: 'list of models (public)',
    cached: false,
  });
  return response?.ok ? parse(text) : [];
}

function parse(text: string): Offer[] {
  try {
    const { models } = JSON.parse(text) as { models?: Partial<Offer>[] };
    return (models ?? []).flatMap(({ id, title }) => (id ? [{ id, title: title ?? id }] : []));
  } catch {
    return [];
  }
}
