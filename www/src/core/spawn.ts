/** Starting the worker: directly on our own origin, through a Blob on a foreign one. */

import { fault } from './fault.ts';
import type { WorkerLike } from './remote.ts';

export interface WorkerFile {
  /** Path below the directory of the build. */
  path: string;
  integrity: string;
}

/**
 * Browsers start workers of their own origin only. In an embedding page the file is fetched (CORS), checked against the SHA-384
 * this module was built with, and started from a Blob.
 */
export async function spawnWorker(assets: string, file: WorkerFile, pageOrigin: string): Promise<WorkerLike> {
  const url = new URL(file.path, assets);
  if (url.origin === pageOrigin) return new Worker(url, { type: 'module', name: 'veilsight' }) as WorkerLike;
  const blob = URL.createObjectURL(await fetchScript(url, file.integrity));
  try {
    return new Worker(blob, { type: 'module', name: 'veilsight' }) as WorkerLike;
  } finally {
    // The fetch of the Blob has begun, but Chromium resolves the address a little later.
    setTimeout(() => URL.revokeObjectURL(blob), 10_000);
  }
}

async function fetchScript(url: URL, integrity: string): Promise<Blob> {
  const response = await fetch(url, { integrity, credentials: 'omit' }).catch(() => null);
  if (!response) throw fault('no-relay', `The program could not be fetched from ${url.origin}.`);
  if (!response.ok) throw fault('no-code', `${url.pathname} answered with status ${response.status}.`);
  return new Blob([await response.arrayBuffer()], { type: 'text/javascript' });
}
