/** Images under attack, made by `lab attack evade`, with what the native pipeline says of them. */

import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Upload } from './scan-page.ts';
import { MODEL, runLab, zooDir } from './stage.ts';

/** An image and the same image after an attack that changes its answer. */
export interface Pair {
  clean: string;
  attacked: string;
  /** Id of the true class, which the clean image is answered with. */
  class: string;
  clean_score: number;
  score: number;
  flagged: boolean;
}

/** Attacks images of `data` (a folder, or `phantoms`) and hands over those whose answer changed, with the folder of their files. */
export async function withPairs(
  data: string,
  limit: number,
  work: (pairs: Pair[], folder: string) => Promise<void>,
): Promise<void> {
  const out = await mkdtemp(join(tmpdir(), 'veilsight-attacked-'));
  try {
    const what = ['--model', MODEL, '--zoo', zooDir(), '--data', data, '--limit', String(limit)];
    await runLab('attack', 'evade', ...what, '--out', out);
    await work(JSON.parse(await readFile(join(out, 'index.json'), 'utf8')), out);
  } finally {
    await rm(out, { recursive: true, force: true });
  }
}

export const uploadOf = async (folder: string, name: string): Promise<Upload> => ({
  name,
  bytes: new Uint8Array(await readFile(join(folder, name))),
});
