/** The pictures of a purified image, and the slider over two of them. */

import type { Picture, Purified } from '../core/client-types.ts';
import { drawPicture } from './draw.ts';

/** What lies on each canvas already. */
const drawn = new WeakMap<HTMLCanvasElement, Picture>();

/** Draws each picture on the canvases that ask for it by `data-purified`. */
export function drawPurified(root: ParentNode, purified: Purified): void {
  for (const canvas of root.querySelectorAll<HTMLCanvasElement>('canvas[data-purified]')) {
    const picture = purified[canvas.dataset.purified as 'before' | 'after' | 'difference'];
    if (drawn.get(canvas) === picture) continue;
    drawn.set(canvas, picture);
    drawPicture(canvas, picture);
  }
}

/** Moves the line between before and after. The page's policy forbids style attributes, and allows this. */
export function moveLine(event: Event): void {
  const slider = event.target as HTMLInputElement;
  slider.parentElement?.style.setProperty('--at', `${slider.value}%`);
  slider.setAttribute('aria-valuetext', lineWords(slider.valueAsNumber));
}

/** Where the line stands, for whoever does not see it. */
export const lineWords = (at: number): string =>
  at <= 0
    ? 'the restored image alone'
    : at >= 100
      ? 'the original alone'
      : `the left ${Math.round(at)} % show the original, the rest the restored image`;
