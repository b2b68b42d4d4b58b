/** The worker: both WASM builds, the calls of the page, and a watch on every request this worker makes. */

import * as cpu from '@wasm/cpu';
import * as webgpu from '@wasm/webgpu';
import { fault } from '../core/fault.ts';
import type { FromWorker, Port, ToWorker } from '../core/protocol.ts';
import { watchRequests } from '../core/watch.ts';
import { Engine } from './engine.ts';
import { serve } from './serve.ts';
import { SiteDesk } from './site-desk.ts';
import { holdSite, Vault } from './vault.ts';

/** Written by build.mjs: path and Subresource Integrity of each WASM file. */
declare const __WASM__: Record<'cpu' | 'webgpu', { path: string; integrity: string }>;

const port = globalThis as unknown as Port<ToWorker, FromWorker>;

const fetchWasm = (build: 'cpu' | 'webgpu') => async (assets: string, signal: AbortSignal) => {
  const { path, integrity } = __WASM__[build];
  const response = await fetch(new URL(path, assets), { integrity, signal, credentials: 'omit' });
  if (!response.ok) throw fault('no-code', `${path} answered with status ${response.status}.`);
  return response;
};

// A Rust panic leaves its promise pending for ever and only shows here.
const dead = (message: string) => port.postMessage({ kind: 'dead', message });
globalThis.addEventListener('error', (event) => dead(event.message));
globalThis.addEventListener('unhandledrejection', (event) => dead(String(event.reason?.message ?? event.reason)));

watchRequests('worker', ['resource'], (sightings) => port.postMessage({ kind: 'sightings', sightings }));
const engine = new Engine({
  cpu: { module: cpu, fetchWasm: fetchWasm('cpu') },
  webgpu: { module: webgpu, fetchWasm: fetchWasm('webgpu') },
});
const desk = new SiteDesk({ module: engine.chosen, vault: new Vault(), hold: () => holdSite() });
serve(port, { ...engine, ...desk });
