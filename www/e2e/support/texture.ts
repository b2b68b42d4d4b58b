/** A picture that is made for telling its parts apart. */

import { greyPng } from '../../test/support/pictures.ts';
import type { Upload } from './scan-page.ts';

/** A picture of which no part is like another, so that tiles of it can be told apart under noise. */
export function texture(name: string, side: number): Upload {
  const wave = (x: number, y: number, k: number) => Math.sin(x / (3 + k) + k * k) * Math.cos(y / (4 + 1.7 * k) + 2 * k);
  const pixels = Uint8Array.from({ length: side * side }, (_, i) => {
    const [x, y] = [i % side, Math.floor(i / side)];
    const sum = [1, 2, 3, 5, 8].reduce((total, k) => total + wave(x + y / k, y - x / (k + 2), k), 0);
    return 127.5 + 45 * Math.max(-2.6, Math.min(2.6, sum));
  });
  return { name, bytes: greyPng(pixels, side, side) };
}
