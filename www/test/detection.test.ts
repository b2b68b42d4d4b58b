import 'fake-indexeddb/auto';
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { falsePositivesAt, hottest, judge, ratesAt, thresholdRange } from '../src/core/detection.ts';
import { score } from '../src/core/format.ts';
import { exported, MAX_RECORDS, type ScanRecord, StoredBook } from '../src/core/history.ts';
import { Logbook } from '../src/core/logbook.ts';
import { Thresholds } from '../src/core/thresholds.ts';
import { BANDS, bandOf } from '../src/element/heat.ts';
import { heatWords } from '../src/element/views/heat.ts';
import { rarity } from '../src/element/views/verdict.ts';
import { card, detector, MemoryBook, memory, verdictOf } from './support/controller.ts';

test('rates_are_linear_between_the_points_of_the_roc_and_constant_beyond', () => {
  const at = (threshold: number) => {
    const rates = ratesAt(detector, threshold);
    return [rates?.falsePositive, rates?.detection].map((rate) => Math.round((rate ?? Number.NaN) * 1e6) / 1e6);
  };
  assert.deepEqual(
    [at(2), at(2.5), at(1)],
    [
      [0.04, 0.9],
      [0.02, 0.75],
      [0.52, 0.95],
    ],
  );
  assert.deepEqual(
    [at(-9), at(9)],
    [
      [1, 1],
      [0, 0.6],
    ],
  );
  assert.equal(ratesAt({ ...detector, roc: [] }, 2), null);
});

test('the_default_threshold_has_the_rate_that_the_card_states', () => {
  assert.equal(falsePositivesAt(detector, 2), 0.05);
  assert.equal(falsePositivesAt(detector, 2.5), 0.02);
  assert.deepEqual(thresholdRange(detector), { least: 0, most: 3, step: 0.006 });
  assert.ok(thresholdRange({ ...detector, roc: [] }).step > 0);
});

test('a_score_at_the_threshold_is_flagged', () => {
  const guarded = { ...card, detector };
  assert.equal(judge(guarded, verdictOf(2), null)?.flagged, true);
  assert.equal(judge(guarded, verdictOf(1.999), null)?.flagged, false);
  assert.equal(judge(guarded, verdictOf(2), 2.1)?.flagged, false);
  assert.equal(judge(card, verdictOf(2), null), null);
  assert.equal(judge(guarded, null, null), null);
});

test('rarity_is_said_in_shares_of_clean_images', () => {
  assert.equal(rarity(0.003), 'Only 0.3 % of clean images look this unusual.');
  assert.equal(rarity(0.62), '62 % of clean images look at least this unusual.');
  assert.match(rarity(0), /^None of the clean images/);
  assert.match(rarity(0.0002), /^Fewer than 0.1 %/);
  assert.deepEqual([score(1.234), score(-0.5), score(12.34)], ['1.23', '−0.50', '12.3']);
});

test('the_map_is_told_in_words_and_in_bands', () => {
  assert.deepEqual(hottest(verdictOf(1)), { sigma: 5.5, row: 1, column: 2, where: 'upper right' });
  assert.equal(heatWords(verdictOf(1)), 'The error is unusual in 2 patches of 4, most so upper right (5.5 σ).');
  assert.equal(heatWords({ ...verdictOf(1), map: [0, 1, 0, 1] }), 'No single patch stands out.');
  assert.deepEqual(
    [1.99, 2, 3.5, 5, 60].map((sigma) => BANDS.indexOf(bandOf(sigma) as never)),
    [-1, 0, 1, 2, 3],
  );
});

test('storage_that_is_forbidden_or_broken_gives_the_default_threshold', () => {
  const guarded = { ...card, detector };
  const forbidden = new Thresholds(() => {
    throw new DOMException('no', 'SecurityError');
  });
  forbidden.write(guarded, 1);
  assert.equal(forbidden.read(guarded), null);
  const store = memory();
  const thresholds = new Thresholds(() => store);
  thresholds.write(guarded, 1.5);
  assert.equal(thresholds.read(guarded), 1.5);
  for (const broken of [
    '{',
    '7',
    '{"detector":"other","threshold":1}',
    `{"detector":"${detector.sha256}","threshold":"1"}`,
  ]) {
    store.setItem('veilsight-threshold-m', broken);
    assert.equal(thresholds.read(guarded), null, broken);
  }
  thresholds.write(guarded, null);
  assert.equal(store.getItem('veilsight-threshold-m'), null);
});

const record = (n: number, change: Partial<ScanRecord> = {}): ScanRecord => ({
  id: `r${n}`,
  time: n,
  image: `${n}.png`,
  model: 'm',
  version: '1',
  verdict: 'flagged',
  score: 3,
  threshold: 2,
  cleanShare: 0,
  decision: 'undecided',
  purified: null,
  answer: null,
  ...change,
});

test('the_history_is_kept_newest_first_and_the_oldest_make_room', async () => {
  const book = new StoredBook();
  for (let n = 1; n <= MAX_RECORDS + 3; n++) await book.put(record(n));
  await book.put(record(7, { decision: 'send-anyway' }));
  const kept = await new StoredBook().list();
  assert.deepEqual([kept.length, kept[0]?.id, kept.at(-1)?.id], [MAX_RECORDS, `r${MAX_RECORDS + 3}`, 'r4']);
  assert.equal(kept.find(({ id }) => id === 'r7')?.decision, 'send-anyway');
  await book.clear();
  assert.deepEqual(await book.list(), []);
});

test('an_exported_history_is_json_and_holds_what_was_decided', () => {
  const purified = { where: 'relays', t: 90, steps: 1 } as const;
  const text = exported([record(1, { decision: 'send-purified', purified })]);
  const { format, records } = JSON.parse(text);
  assert.deepEqual([records[0].decision, records[0].purified], ['send-purified', purified]);
  assert.deepEqual([format, records.length, records[0].time], [1, 1, '1970-01-01T00:00:00.001Z']);
  assert.deepEqual(Object.keys(records[0]).sort(), Object.keys(record(1)).sort());
});

test('a_browser_that_keeps_no_history_says_so_and_still_shows_this_visit', async () => {
  const broken = new MemoryBook();
  broken.put = () => Promise.reject(new Error('storage is switched off'));
  const logbook = new Logbook(broken, () => undefined);
  await logbook.note(record(1));
  await logbook.note(record(1, { decision: 'send' }));
  assert.deepEqual(
    [logbook.records.map((r) => r.decision), logbook.trouble.includes('switched off')],
    [['send'], true],
  );
  await logbook.clear();
  assert.deepEqual([logbook.records, logbook.trouble], [[], '']);
});
