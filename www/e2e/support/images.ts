/** Images for the cases: our phantoms, and a real picture where the shared data is there. */

import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Page } from 'playwright-core';
import type { Upload } from './scan-page.ts';
import { dataDir, type Stage } from './stage.ts';

/** A phantom, drawn by the shipped WASM in a page of its own, so that no ledger of a case sees the download. */
export async function phantom(stage: Stage, seed: number, lesion: boolean): Promise<Upload> {
  const page = await stage.page(`${stage.recorder.origin}/favicon.svg`);
  try {
    const bytes = await page.evaluate(
      async ({ origin, seed, lesion }) => {
        const glue = await import(`${origin}/wasm/cpu/client_wasm.js`);
        await glue.default({ module_or_path: `${origin}/wasm/cpu/client_wasm_bg.wasm` });
        return Array.from(glue.phantom_png(seed, lesion) as Uint8Array);
      },
      { origin: stage.recorder.origin, seed, lesion },
    );
    return { name: `phantom-${seed}.png`, bytes: Uint8Array.from(bytes) };
  } finally {
    await page.context().close();
  }
}

/** The first picture of a class in the public test split of br35h; null without the data. */
export async function realImage(folder: 'yes' | 'no'): Promise<Upload | null> {
  const dir = dataDir();
  if (!dir) return null;
  const tar = await readFile(join(dir, 'br35h/test.tar'));
  for (let at = 0; at + 512 <= tar.length; ) {
    const name = tar.toString('latin1', at, at + 100).replace(/\0.*$/s, '');
    const size = Number.parseInt(tar.toString('latin1', at + 124, at + 136), 8) || 0;
    if (name.startsWith(`${folder}/`) && size > 0) {
      return { name: name.split('/').at(-1) ?? name, bytes: new Uint8Array(tar.subarray(at + 512, at + 512 + size)) };
    }
    at += 512 + Math.ceil(size / 512) * 512;
  }
  throw new Error(`br35h/test.tar holds no picture of class ${folder}.`);
}

/** Grey values of a picture as the browser decodes it, in its own size. */
export async function ownPixels(page: Page, { bytes }: Upload): Promise<Uint8Array> {
  const grey = await page.evaluate(async (values) => {
    const bitmap = await createImageBitmap(new Blob([Uint8Array.from(values)]));
    const context = new OffscreenCanvas(bitmap.width, bitmap.height).getContext('2d');
    context?.drawImage(bitmap, 0, 0);
    const { data } = context?.getImageData(0, 0, bitmap.width, bitmap.height) ?? { data: [] };
    return Array.from(data).filter((_, i) => i % 4 === 0);
  }, Array.from(bytes));
  return Uint8Array.from(grey);
}
