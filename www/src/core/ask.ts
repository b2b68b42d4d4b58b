/** Questions that the page itself puts to its relay, before any worker runs or beside it. Each stands in the ledger. */

import type { Ledger } from './ledger.ts';

/** What a relay answers, or null where it does not answer, refuses, or answers something else than JSON. */
export async function askRelay(
  url: string,
  { purpose, content }: { purpose: string; content: string },
  ledger: Ledger,
): Promise<unknown> {
  const began = performance.now();
  const response = await fetch(url, { credentials: 'omit' }).catch(() => null);
  const text = (await response?.text().catch(() => '')) ?? '';
  ledger.record({
    id: 0,
    method: 'GET',
    url,
    purpose,
    bytes_out: 0,
    bytes_in: new TextEncoder().encode(text).length,
    status: response?.status ?? 0,
    ms: performance.now() - began,
    preview_out: '',
    preview_in: '',
    content,
    cached: false,
  });
  return response?.ok ? parse(text) : null;
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
