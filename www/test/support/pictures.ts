/** Small pictures and files for tests. */

import { crc32, deflateSync } from 'node:zlib';

function chunk(kind: string, data: Uint8Array): Buffer {
  const body = Buffer.concat([Buffer.from(kind, 'latin1'), data]);
  const [length, check] = [Buffer.alloc(4), Buffer.alloc(4)];
  length.writeUInt32BE(data.length);
  check.writeUInt32BE(crc32(body));
  return Buffer.concat([length, body, check]);
}

/** A grey PNG; the header may lie about the sides. */
export function greyPng(
  pixels: Uint8Array,
  width: number,
  height: number,
  sides = [width, height],
): Uint8Array<ArrayBuffer> {
  const header = Buffer.alloc(13);
  header.writeUInt32BE(sides[0] ?? 0, 0);
  header.writeUInt32BE(sides[1] ?? 0, 4);
  header.set([8, 0, 0, 0, 0], 8);
  const rows = Array.from({ length: height }, (_, y) => [0, ...pixels.subarray(y * width, (y + 1) * width)]).flat();
  const parts = [
    chunk('IHDR', header),
    chunk('IDAT', deflateSync(Uint8Array.from(rows))),
    chunk('IEND', Buffer.alloc(0)),
  ];
  return new Uint8Array(Buffer.concat([Buffer.from('\x89PNG\r\n\x1a\n', 'latin1'), ...parts]));
}

export const tinyPng = (): Uint8Array<ArrayBuffer> => greyPng(Uint8Array.of(1, 2, 3, 4), 2, 2);

const segment = (marker: number, data: number[]): number[] => [
  0xff,
  marker,
  (data.length + 2) >> 8,
  (data.length + 2) & 255,
  ...data,
];

/** The skeleton of a JPEG: segments, a scan without meaning, and its end. */
export function jpegOf(
  width: number,
  height: number,
  { ended = true, thumbnail = false } = {},
): Uint8Array<ArrayBuffer> {
  const frame = [8, height >> 8, height & 255, width >> 8, width & 255, 1, 1, 0x11, 0];
  const app = thumbnail ? segment(0xe1, [0xff, 0xd8, 0xff, 0xd9]) : segment(0xe0, [1, 2, 3]);
  const scan = [...segment(0xda, [1, 1, 0, 0, 63, 0]), 0x12, 0x34, 0x56];
  return Uint8Array.from([0xff, 0xd8, ...app, ...segment(0xc0, frame), ...scan, ...(ended ? [0xff, 0xd9] : [])]);
}
