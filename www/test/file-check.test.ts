import assert from 'node:assert/strict';
import { test } from 'node:test';
import { checkFile, checkSize, MAX_FILE_BYTES } from '../src/core/file-check.ts';
import { greyPng, jpegOf, tinyPng } from './support/pictures.ts';

const code = (bytes: Uint8Array, name = 'a.png') => checkFile(bytes, name)?.code ?? 'good';
const latin1 = (text: string) => new Uint8Array(Buffer.from(text, 'latin1'));

test('whole_pngs_and_jpegs_pass_whatever_their_name', () => {
  assert.equal(code(tinyPng(), 'scan.jpg'), 'good');
  assert.equal(code(jpegOf(100, 80), 'scan.png'), 'good');
  assert.equal(code(jpegOf(100, 80, { thumbnail: true })), 'good');
});

test('every_truncation_of_a_png_is_noticed', () => {
  const whole = tinyPng();
  for (let length = 1; length < whole.length - 12; length++) {
    assert.equal(code(whole.subarray(0, length)), 'truncated-file', `${length} bytes`);
  }
});

test('a_jpeg_without_its_end_is_truncated_even_behind_a_whole_thumbnail', () => {
  assert.equal(code(jpegOf(100, 80, { ended: false })), 'truncated-file');
  assert.equal(code(jpegOf(100, 80, { ended: false, thumbnail: true })), 'truncated-file');
  assert.equal(code(jpegOf(100, 80).subarray(0, 12)), 'truncated-file');
});

test('an_empty_file_is_named_empty', () => {
  assert.equal(code(new Uint8Array()), 'empty-file');
});

test('too_many_bytes_or_pixels_are_refused', () => {
  assert.equal(checkSize(MAX_FILE_BYTES + 1, 'a.png')?.code, 'too-large');
  assert.equal(checkSize(MAX_FILE_BYTES, 'a.png'), null);
  assert.equal(code(greyPng(Uint8Array.of(0), 1, 1, [12_001, 1])), 'too-large');
  assert.equal(code(greyPng(Uint8Array.of(0), 1, 1, [9_000, 9_000])), 'too-large');
  assert.equal(code(jpegOf(65_000, 10)), 'too-large');
});

test('dicom_is_told_that_it_is_not_supported_yet', () => {
  const part10 = new Uint8Array(200);
  part10.set(latin1('DICM'), 128);
  assert.equal(code(part10, 'slice'), 'dicom');
  assert.match(checkFile(latin1('no header'), 'slice.dcm')?.action ?? '', /PNG/);
});

test('other_formats_are_named', () => {
  const cases: [string, RegExp][] = [
    ['GIF89a......', /GIF/],
    ['RIFF....WEBPVP8 ', /WebP/],
    ['%PDF-1.7', /PDF/],
    ['\x1f\x8b\x08', /NIfTI/],
    ['<svg xmlns="x">', /SVG/],
    ['hello, world', /not a PNG or JPEG/],
  ];
  for (const [text, wording] of cases) {
    const refused = checkFile(latin1(text), 'file');
    assert.equal(refused?.code, 'wrong-file', text);
    assert.match(refused?.message ?? '', wording);
  }
});

test('no_input_makes_the_check_throw', () => {
  const heads = [latin1('\x89PNG\r\n\x1a\n'), latin1('\xff\xd8'), new Uint8Array()];
  let seed = 7;
  const next = () => {
    seed = (seed * 1103515245 + 12345) & 0x7fffffff;
    return seed >> 16;
  };
  for (let round = 0; round < 2000; round++) {
    const tail = Uint8Array.from({ length: next() % 64 }, () => next() & 255);
    const head = heads[round % heads.length] ?? new Uint8Array();
    assert.doesNotThrow(() => checkFile(Uint8Array.from([...head, ...tail]), 'x'));
  }
});
