/** The detector's error map as colours over the picture. */

import type { Verdict } from '../core/client-types.ts';

interface Band {
  /** Least error of the band, in standard deviations of clean images. */
  from: number;
  label: string;
  colour: string;
}

/** From dark to light, so that the order survives colour blindness and grey print; below the first a patch is left alone. */
export const BANDS: Band[] = [
  { from: 2, label: '2 to 3 σ', colour: '#8a2bb0' },
  { from: 3, label: '3 to 4 σ', colour: '#d8456c' },
  { from: 4, label: '4 to 6 σ', colour: '#fb9a3c' },
  { from: 6, label: 'over 6 σ', colour: '#f7f056' },
];

export const bandOf = (sigma: number): Band | undefined => BANDS.findLast(({ from }) => sigma >= from);

/** Pixels of a patch on the canvas, its outline included. */
const CELL = 32;
/** The outline is less see-through than the colour, and marks a patch where the colour alone would not. */
const LINE = 2;

/** Draws the map; `opacity` is that of the colours, 0 to 1. */
export function drawHeat(
  canvas: HTMLCanvasElement,
  { map, grid }: Pick<Verdict, 'map' | 'grid'>,
  opacity: number,
): void {
  canvas.width = grid * CELL;
  canvas.height = grid * CELL;
  const context = canvas.getContext('2d');
  if (!context || opacity <= 0) return;
  for (const [i, sigma] of map.entries()) {
    const band = bandOf(sigma);
    if (!band) continue;
    const [x, y] = [(i % grid) * CELL, Math.floor(i / grid) * CELL];
    context.globalAlpha = opacity;
    context.fillStyle = band.colour;
    context.fillRect(x, y, CELL, CELL);
    context.globalAlpha = Math.min(1, opacity + 0.3);
    context.strokeStyle = band.colour;
    context.lineWidth = LINE;
    context.strokeRect(x + LINE / 2, y + LINE / 2, CELL - LINE, CELL - LINE);
  }
}
