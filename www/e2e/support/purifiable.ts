/** Images that are flagged and can be restored. */

import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { uploadOf, withPairs } from './attacked-images.ts';
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

let chosen: Promise<Attacked> | undefined;

/** A real image under attack (without the shared data, a phantom) that is flagged: of those attacked, the one whose original is answered most surely. */
export function attackedImage(): Promise<Attacked> {
  chosen ??= choose();
  return chosen;
}

async function choose(): Promise<Attacked> {
  const data = dataDir();
  let found: Attacked | undefined;
  await withPairs(data ? join(data, 'br35h') : 'phantoms', LIMIT, async (pairs, folder) => {
    let sure = 0;
    for (const { clean, attacked, class: id } of pairs.filter(({ flagged }) => flagged)) {
      const most = Math.max(...(await nativeEncode(await uploadOf(folder, clean))).probabilities);
      if (most > sure) [sure, found] = [most, { upload: await uploadOf(folder, attacked), class: id }];
    }
  });
  if (!found) throw new Error(`Of ${LIMIT} images under attack none is flagged.`);
  return found;
}
