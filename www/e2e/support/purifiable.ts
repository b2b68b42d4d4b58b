/** Images that are flagged and can be restored. */

import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { type Pair, uploadOf, withPairs } from './attacked-images.ts';
import { nativeEncode } from './native.ts';
import { type PurifierCard, shippedPurifier } from './packs.ts';
import type { Upload } from './scan-page.ts';
import { dataDir, zooDir } from './stage.ts';

/** Images that are attacked before one is chosen. */
const LIMIT = 8;

/** The purifier of the shipped pack; without one the case is skipped. */
export async function purifierOr(t: TestContext): Promise<PurifierCard | null> {
  const purifier = await shippedPurifier(zooDir());
  if (!purifier) t.skip('the pack brain-mri has no purifier');
  return purifier;
}

export interface Attacked {
  upload: Upload;
  /** Id of the class that the image is of. */
  class: string;
}

let chosen: Promise<Attacked | null> | undefined;

/** A real image under attack that is flagged because of that: of those attacked, the one whose original is answered most surely. Null without the data. */
export function attackedImage(): Promise<Attacked | null> {
  chosen ??= choose();
  return chosen;
}

async function choose(): Promise<Attacked | null> {
  const data = dataDir();
  if (!data) return null;
  let found: Attacked | null = null;
  await withPairs(join(data, 'br35h'), LIMIT, async (pairs, folder) => {
    const sureness = async ({ clean }: Pair) =>
      Math.max(...(await nativeEncode(await uploadOf(folder, clean))).probabilities);
    const flagged = await Promise.all(
      pairs.filter((pair) => pair.flagged).map(async (pair) => ({ pair, sure: await sureness(pair) })),
    );
    const best = flagged.toSorted((a, b) => b.sure - a.sure)[0];
    if (best) found = { upload: await uploadOf(folder, best.pair.attacked), class: best.pair.class };
  });
  return found;
}
