/** Which of the two builds runs, and the sentence that says why. */

import type { WebGpuReport } from './client-types.ts';

export type BackendWish = 'auto' | 'webgpu' | 'cpu';

export interface BackendChoice {
  build: 'cpu' | 'webgpu';
  why: string;
}

/** A software adapter proves correctness but is far slower than WASM on the CPU, so only an explicit wish selects it. */
export function chooseBackend(wish: BackendWish, gpu: WebGpuReport): BackendChoice {
  if (wish === 'cpu') return { build: 'cpu', why: 'CPU, as this page asks for.' };
  if (!gpu.available)
    return { build: 'cpu', why: `CPU, since WebGPU is not available: ${gpu.reason || 'no adapter'}.` };
  if (wish === 'webgpu') return { build: 'webgpu', why: `WebGPU on ${gpu.adapter}, as this page asks for.` };
  if (gpu.software)
    return { build: 'cpu', why: `CPU, since the only WebGPU adapter (${gpu.adapter}) is a software one.` };
  return { build: 'webgpu', why: `WebGPU on ${gpu.adapter}.` };
}

export const parseWish = (value: string | null): BackendWish =>
  value === 'webgpu' || value === 'cpu' ? value : 'auto';
