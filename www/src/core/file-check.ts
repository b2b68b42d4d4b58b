/** Checks on a chosen file before anything else happens, so that the person hears at once what is wrong with it. */

import { type Fault, fault } from './fault.ts';

export const MAX_FILE_BYTES = 64 * 1024 * 1024;
export const MAX_SIDE = 12_000;
export const MAX_PIXELS = 64_000_000;

/** Bytes are looked at, not the file's name: 13 of the `.jpg` files of our own data set are PNG. */
const FOREIGN: { name: string; matches: (b: Uint8Array) => boolean }[] = [
  { name: 'a GIF', matches: (b) => ascii(b, 0, 4) === 'GIF8' },
  { name: 'a BMP', matches: (b) => ascii(b, 0, 2) === 'BM' },
  { name: 'a WebP picture', matches: (b) => ascii(b, 0, 4) === 'RIFF' && ascii(b, 8, 12) === 'WEBP' },
  { name: 'a TIFF picture', matches: (b) => ascii(b, 0, 4) === 'II*\0' || ascii(b, 0, 4) === 'MM\0*' },
  { name: 'a HEIC or AVIF picture', matches: (b) => ascii(b, 4, 8) === 'ftyp' },
  { name: 'a PDF', matches: (b) => ascii(b, 0, 4) === '%PDF' },
  { name: 'an SVG or other XML file', matches: (b) => /^\s*<(\?xml|svg)/.test(ascii(b, 0, 64)) },
  { name: 'a ZIP archive', matches: (b) => ascii(b, 0, 4) === 'PK\x03\x04' },
  { name: 'a gzip archive (a NIfTI volume, perhaps)', matches: (b) => b[0] === 0x1f && b[1] === 0x8b },
];

const PNG = [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a];

const ascii = (bytes: Uint8Array, from: number, to: number): string =>
  String.fromCharCode(...bytes.subarray(from, Math.min(to, bytes.length)));

const startsWith = (bytes: Uint8Array, head: number[]): boolean => head.every((b, i) => bytes[i] === b);

/** The fault of a file that cannot be scanned, or null for a PNG or JPEG that looks whole. */
export function checkFile(bytes: Uint8Array, name: string): Fault | null {
  if (bytes.length === 0) return fault('empty-file', `“${name}” is empty.`);
  if (bytes.length > MAX_FILE_BYTES) return tooManyBytes(name, bytes.length);
  if (startsWith(bytes, PNG)) return checkPng(bytes, name);
  if (startsWith(bytes, [0xff, 0xd8])) return checkJpeg(bytes, name);
  if (PNG.slice(0, bytes.length).every((b, i) => b === bytes[i])) return truncated(name);
  return checkForeign(bytes, name);
}

/** The fault of a size that is not even worth reading. */
export const checkSize = (size: number, name: string): Fault | null =>
  size > MAX_FILE_BYTES ? tooManyBytes(name, size) : null;

function tooManyBytes(name: string, size: number): Fault {
  return fault('too-large', `“${name}” has ${Math.ceil(size / 1024 / 1024)} MiB; at most 64 MiB are accepted.`);
}

function checkForeign(bytes: Uint8Array, name: string): Fault {
  if (ascii(bytes, 128, 132) === 'DICM' || /\.(dcm|dicom)$/i.test(name))
    return fault('dicom', `“${name}” is a DICOM file, which this page cannot read yet.`);
  const kind = FOREIGN.find((f) => f.matches(bytes))?.name;
  return fault(
    'wrong-file',
    kind ? `“${name}” is ${kind}, not a PNG or JPEG.` : `“${name}” is not a PNG or JPEG picture.`,
  );
}

const truncated = (name: string): Fault => fault('truncated-file', `“${name}” ends before the picture is complete.`);

function checkSides(width: number, height: number, name: string): Fault | null {
  if (width === 0 || height === 0) return fault('wrong-file', `“${name}” is a picture without pixels.`);
  if (width <= MAX_SIDE && height <= MAX_SIDE && width * height <= MAX_PIXELS) return null;
  return fault(
    'too-large',
    `“${name}” has ${width} × ${height} pixels; at most 12,000 a side and 64 million in all are accepted.`,
  );
}

/** Walks the chunks: the first is IHDR and the last IEND, each as long as it says. */
function checkPng(bytes: Uint8Array, name: string): Fault | null {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let at = PNG.length;
  while (at + 12 <= bytes.length) {
    const kind = ascii(bytes, at + 4, at + 8);
    if (at === PNG.length) {
      if (kind !== 'IHDR' || at + 25 > bytes.length) return truncated(name);
      const sides = checkSides(view.getUint32(at + 8), view.getUint32(at + 12), name);
      if (sides) return sides;
    }
    if (kind === 'IEND') return null;
    at += 12 + view.getUint32(at);
  }
  return truncated(name);
}

const isFrameHeader = (marker: number): boolean =>
  marker >= 0xc0 && marker <= 0xcf && marker !== 0xc4 && marker !== 0xc8 && marker !== 0xcc;

/** Walks the segments up to the scan, then looks for the end-of-image marker behind it. */
function checkJpeg(bytes: Uint8Array, name: string): Fault | null {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let at = 2;
  while (at + 4 <= bytes.length) {
    if (bytes[at] !== 0xff) return fault('wrong-file', `“${name}” begins like a JPEG, but is damaged.`);
    const marker = bytes[at + 1] ?? 0;
    if (marker === 0xff) {
      at += 1;
      continue;
    }
    if (isFrameHeader(marker) && at + 9 <= bytes.length) {
      const sides = checkSides(view.getUint16(at + 7), view.getUint16(at + 5), name);
      if (sides) return sides;
    }
    if (marker === 0xda) return endsBehind(bytes, at) ? null : truncated(name);
    at += 2 + view.getUint16(at + 2);
  }
  return truncated(name);
}

function endsBehind(bytes: Uint8Array, from: number): boolean {
  for (let at = bytes.length - 2; at > from; at--) {
    if (bytes[at] === 0xff && bytes[at + 1] === 0xd9) return true;
  }
  return false;
}
