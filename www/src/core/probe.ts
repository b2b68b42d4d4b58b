/** Tells a relay that is down from one that refuses this page: an opaque answer is an answer. */

import type { Ledger } from './ledger.ts';

export async function probe(relay: string, ledger: Ledger): Promise<boolean> {
  const began = performance.now();
  const url = `${relay}/healthz`;
  const answered = await fetch(url, { mode: 'no-cors', cache: 'no-store', credentials: 'omit' }).then(
    () => true,
    () => false,
  );
  ledger.record({
    id: 0,
    method: 'GET',
    url,
    purpose: 'See whether the relay is up at all',
    bytes_out: 0,
    bytes_in: 0,
    status: 0,
    ms: performance.now() - began,
    preview_out: '',
    preview_in: '',
    content: 'Nothing but the question',
    cached: false,
  });
  return answered;
}
