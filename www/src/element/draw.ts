/** Pictures on a canvas. No image element and no address: nothing that could be fetched or saved by accident. */

import type { Picture } from '../core/client-types.ts';

/** What the encoder sees, pixel by pixel. */
export function drawPicture(canvas: HTMLCanvasElement, picture: Picture): void {
  canvas.width = picture.width;
  canvas.height = picture.height;
  const rgba = new Uint8ClampedArray(picture.rgba);
  canvas.getContext('2d')?.putImageData(new ImageData(rgba, picture.width, picture.height), 0, 0);
}

const SIDE = 256;

/** The file itself, while the model is on its way. A picture the browser cannot decode is left to the encoder to refuse. */
export async function drawBlob(canvas: HTMLCanvasElement, blob: Blob, wanted: () => boolean): Promise<void> {
  const bitmap = await createImageBitmap(blob).catch(() => null);
  if (!bitmap || !wanted()) return;
  const scale = SIDE / Math.max(bitmap.width, bitmap.height);
  const [width, height] = [bitmap.width * scale, bitmap.height * scale];
  canvas.width = SIDE;
  canvas.height = SIDE;
  const context = canvas.getContext('2d');
  if (!context) return;
  context.fillStyle = '#000';
  context.fillRect(0, 0, SIDE, SIDE);
  context.drawImage(bitmap, (SIDE - width) / 2, (SIDE - height) / 2, width, height);
  bitmap.close();
}
