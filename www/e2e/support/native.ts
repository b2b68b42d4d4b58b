/** The native pipeline's view of a picture, by `lab encode`. */

import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Upload } from './scan-page.ts';
import { lab, MODEL } from './stage.ts';

export interface Native {
  cls: number[];
  quantised: number[];
  logits: number[];
  probabilities: number[];
}

export async function nativeEncode({ name, bytes }: Upload): Promise<Native> {
  const dir = await mkdtemp(join(tmpdir(), 'veilsight-native-'));
  try {
    const file = join(dir, name);
    await writeFile(file, bytes);
    return (await lab('encode', '--model', MODEL, '--image', file, '--json')) as unknown as Native;
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
}
