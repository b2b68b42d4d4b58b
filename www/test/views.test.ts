import assert from 'node:assert/strict';
import { test } from 'node:test';
import { chooseBackend, parseWish } from '../src/core/backend-choice.ts';
import { bytes, cardRows, duration, percent } from '../src/core/format.ts';
import { answerFields, fromHex, hexLines, requestFields } from '../src/core/hexdump.ts';

test('a_dump_shows_offsets_bytes_and_letters', () => {
  const dump = hexLines(fromHex('5645494c0102ff41'), 4);
  assert.deepEqual(dump, [
    { offset: '0000', bytes: ['56', '45', '49', '4c'], ascii: 'VEIL' },
    { offset: '0004', bytes: ['01', '02', 'ff', '41'], ascii: '···A' },
  ]);
});

test('broken_hex_ends_where_it_breaks', () => {
  assert.deepEqual(fromHex('0102zz03'), Uint8Array.of(1, 2));
  assert.deepEqual(fromHex('010'), Uint8Array.of(1));
  assert.deepEqual(fromHex(''), new Uint8Array());
});

test('every_byte_of_a_request_belongs_to_exactly_one_field', () => {
  for (const fields of [requestFields(64), answerFields(64), requestFields(20), answerFields(13)]) {
    assert.equal(fields[0]?.start, 0);
    for (let i = 1; i < fields.length; i++) assert.equal(fields[i]?.start, fields[i - 1]?.end);
  }
  assert.equal(requestFields(64).at(-1)?.end, 64);
  assert.deepEqual(
    requestFields(64).map((f) => f.sealed),
    [false, false, false, false, true],
  );
});

const gpu = (available: boolean, software: boolean) => ({ available, software, adapter: 'acme', reason: 'none here' });

test('hardware_gpus_are_chosen_and_software_ones_only_on_demand', () => {
  assert.equal(chooseBackend('auto', gpu(true, false)).build, 'webgpu');
  assert.equal(chooseBackend('auto', gpu(true, true)).build, 'cpu');
  assert.equal(chooseBackend('webgpu', gpu(true, true)).build, 'webgpu');
  assert.equal(chooseBackend('cpu', gpu(true, false)).build, 'cpu');
  assert.match(chooseBackend('webgpu', gpu(false, false)).why, /none here/);
  assert.deepEqual([parseWish('cpu'), parseWish('gpu'), parseWish(null)], ['cpu', 'auto', 'auto']);
});

test('numbers_are_short_and_honest', () => {
  assert.deepEqual([bytes(0), bytes(3_894), bytes(23_456), bytes(5_600_000)], ['0 B', '3,894 B', '23.5 kB', '5.60 MB']);
  assert.deepEqual(
    [duration(0.3), duration(42.4), duration(1_234), duration(21_500)],
    ['< 1 ms', '42 ms', '1.23 s', '21.5 s'],
  );
  assert.deepEqual(
    [percent(0.5), percent(1), percent(0.99997), percent(0.00002)],
    ['50.0 %', '100.0 %', '> 99.9 %', '< 0.1 %'],
  );
});

test('nested_maps_of_a_card_become_rows', () => {
  assert.deepEqual(cardRows({ test: { auc: 0.98765, ci: [0.9, 1] }, seed: 7, none: null }), [
    { name: 'test · auc', value: '0.9877' },
    { name: 'test · ci', value: '0.9, 1' },
    { name: 'seed', value: '7' },
  ]);
});
