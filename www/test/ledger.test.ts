import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { RequestRecord } from '../src/core/client-types.ts';
import { Ledger, type Sighting } from '../src/core/ledger.ts';
import { isCodeOf } from '../src/element/code-files.ts';

const request = (change: Partial<RequestRecord>): RequestRecord => ({
  id: 1,
  method: 'GET',
  url: 'http://relay.test/v1/models',
  purpose: 'find the model',
  bytes_out: 0,
  bytes_in: 100,
  status: 200,
  ms: 4,
  preview_out: '',
  preview_in: '',
  content: '',
  cached: false,
  ...change,
});

const sighting = (url: string, seenBy: Sighting['seenBy'] = 'worker'): Sighting => ({
  url,
  time: 0,
  ms: 1,
  bytes: 10,
  status: 200,
  seenBy,
});

const ledger = () => new Ledger('http://relay.test', isCodeOf('http://relay.test/'));

test('requests_are_sorted_by_what_they_carry', () => {
  const l = ledger();
  l.record(request({}));
  l.record(request({ method: 'POST', url: 'http://relay.test/v1/sessions', bytes_out: 11_000 }));
  l.record(request({ method: 'POST', url: 'http://relay.test/v1/models/m/infer', bytes_out: 4_000, bytes_in: 300 }));
  assert.deepEqual(
    l.entries.map((e) => e.nature),
    ['public', 'key', 'ciphertext'],
  );
  assert.deepEqual(l.totals(), { requests: 3, bytesOut: 15_000, bytesIn: 500, ciphertextOut: 4_000, tilesOut: 0 });
  assert.equal(l.lastCiphertext()?.path, '/v1/models/m/infer');
});

test('what_the_cache_answers_counts_no_bytes_and_no_request', () => {
  const l = ledger();
  l.record(request({ cached: true, bytes_in: 5_000_000 }));
  assert.deepEqual(l.totals(), { requests: 0, bytesOut: 0, bytesIn: 0, ciphertextOut: 0, tilesOut: 0 });
});

test('a_request_nobody_told_of_is_unexplained', () => {
  const l = ledger();
  l.record(request({}));
  l.sight(sighting('http://relay.test/v1/models'));
  assert.deepEqual(l.unexplained(), []);
  l.sight(sighting('http://relay.test/v1/models'));
  l.sight(sighting('http://evil.test/collect?pixels=1'));
  assert.deepEqual(
    l.unexplained().map((s) => s.url),
    ['http://relay.test/v1/models', 'http://evil.test/collect?pixels=1'],
  );
});

test('a_cached_entry_explains_no_request_on_the_network', () => {
  const l = ledger();
  l.record(request({ cached: true }));
  l.sight(sighting('http://relay.test/v1/models'));
  assert.equal(l.unexplained().length, 1);
});

test('the_files_of_the_build_enter_the_ledger_on_sight', () => {
  const l = ledger();
  l.sight(sighting('http://relay.test/worker.js?v=0123', 'page'));
  l.sight(sighting('http://relay.test/wasm/cpu/client_wasm_bg.wasm'));
  assert.deepEqual(l.unexplained(), []);
  assert.deepEqual(
    l.entries.map((e) => e.nature),
    ['code', 'code'],
  );
});

test('a_file_elsewhere_or_of_another_name_is_no_file_of_the_build', () => {
  const isCode = isCodeOf('http://relay.test/');
  assert.ok(isCode('http://relay.test/'));
  assert.ok(isCode('http://relay.test/assets/page-0123456789ab.js'));
  for (const url of [
    'http://evil.test/worker.js',
    'http://relay.test/v1/models',
    'http://relay.test/assets/../x.js',
    'http://relay.test.evil.test/worker.js',
    'http://relay.test/track.gif',
  ]) {
    assert.ok(!isCode(url), url);
  }
});

test('relative_addresses_are_taken_from_the_relay', () => {
  const l = ledger();
  l.record(request({ url: '/v1/models' }));
  l.sight(sighting('http://relay.test/v1/models'));
  assert.deepEqual(l.unexplained(), []);
});

const round = 'http://relay.test/v1/consortia/c/rounds/1';

test('what_a_site_sends_is_told_by_its_nature', () => {
  const l = ledger();
  l.record(request({ method: 'POST', url: 'http://relay.test/v1/enrolments' }));
  l.record(request({ method: 'PUT', url: `${round}/contribution`, status: 201 }));
  l.record(request({ method: 'POST', url: `${round}/confirmation` }));
  l.record(request({ method: 'POST', url: `${round}/answer` }));
  l.record(request({ url: `${round}/delivery` }));
  l.record(request({ url: 'http://relay.test/below/v1/consortia/c' }));
  assert.deepEqual(
    l.entries.map((e) => e.nature),
    ['key', 'ciphertext', 'part', 'part', 'question', 'question'],
  );
});

test('noised_tiles_are_no_ciphertext_and_the_relay_that_got_them_is_named', () => {
  const l = ledger();
  const job = 'https://peer.test:8081/v1/purifications';
  l.record(request({ method: 'POST', url: job, bytes_out: 9_000, status: 202 }));
  for (let i = 0; i < 3; i++) l.record(request({ url: `${job}/0a1b` }));
  l.record(request({ url: `${job}/0a1b/result` }));
  l.record(request({ method: 'DELETE', url: `${job}/0a1b`, status: 204 }));
  assert.deepEqual(
    l.folded().map(({ entry, times }) => [entry.method, entry.nature, entry.elsewhere, times]),
    [
      ['POST', 'tiles', 'peer.test:8081', 1],
      ['GET', 'question', 'peer.test:8081', 3],
      ['GET', 'question', 'peer.test:8081', 1],
      ['DELETE', 'question', 'peer.test:8081', 1],
    ],
  );
  assert.deepEqual([l.totals().tilesOut, l.totals().ciphertextOut, l.lastCiphertext()], [9_000, 0, undefined]);
});

test('repeated_questions_of_a_site_are_one_line_and_still_explain_each_request', () => {
  const l = ledger();
  for (let i = 0; i < 5; i++) {
    l.record(request({ url: round }));
    l.record(request({}));
    l.sight(sighting(round));
  }
  l.record(request({ url: round, status: 503 }));
  assert.deepEqual(
    l
      .folded()
      .map(({ entry, times }) => [entry.path, entry.status, times])
      .filter(([path]) => path !== '/v1/models'),
    [
      ['/v1/consortia/c/rounds/1', 200, 5],
      ['/v1/consortia/c/rounds/1', 503, 1],
    ],
  );
  assert.equal(l.folded().length, 7);
  assert.deepEqual(l.unexplained(), []);
});
