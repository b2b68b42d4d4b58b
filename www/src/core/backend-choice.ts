/** Which of the two builds runs, and the sentence that says why. */

import type { WebGpuReport } from './client-types.ts';

export type BackendWish = 'auto' | 'webgpu' | 'cpu';

export interface BackendChoice {
  build: 'cpu' | 'webgpu';
  why: string;
}

/** A software adapter proves correctness but is far slower than WASM on the CPU, so only an explicit wish selects it. */
export function chooseBackend(wish: BackendWish, gpu: WebGpuReport): BackendChoice {
  if (wish === 'cpu') return { build: 'cpu', why: 'As this page asks for.' };
  if (!gpu.available) return { build: 'cpu', why: `WebGPU is not available here: ${gpu.reason || 'no adapter'}.` };
  if (wish === 'webgpu') return { build: 'webgpu', why: `On ${gpu.adapter}, as this page asks for.` };
  if (gpu.software)
    return { build: 'cpu', why: `The only WebGPU adapter here (${gpu.adapter}) is software, and slower.` };
  return { build: 'webgpu', why: `On ${gpu.adapter}.` };
}

export const parseWish = (value: string | null): BackendWish =>
  value === 'webgpu' || value === 'cpu' ? value : 'auto';
