/** What becomes of an image between its verdict and the relay. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fault } from '../src/core/fault.ts';
import type { Handlers } from '../src/worker/serve.ts';
import { answer, called, card, chosen, detector, setUp, verdictOf } from './support/controller.ts';
import { soon } from './support/fake-worker.ts';

const guarded = { ...card, detector };

/** A worker whose model has a detector that finds this score. */
const finding = (score: number, more: Partial<Handlers> = {}): Partial<Handlers> => ({
  open: async () => ({ card: guarded, backend: 'cpu', why: '' }),
  examine: async () => verdictOf(score),
  ...more,
});

async function scanned(...args: Parameters<typeof setUp>) {
  const made = setUp(...args);
  await made.controller.choose(chosen());
  await made.controller.scan();
  return { ...made, records: () => [...made.book.kept.values()] };
}

test('an_image_that_is_not_flagged_is_sent_and_recorded_as_clean', async () => {
  const { state, workers, verdicts, decisions, records } = await scanned(() => finding(1));
  assert.deepEqual([state.phase, state.answer, called(workers, 'proceed')], ['answered', answer, 1]);
  assert.deepEqual(
    verdicts.map(({ flagged, score, threshold, cleanShare, falsePositiveRate, model }) => [
      [flagged, score, threshold],
      [cleanShare, falsePositiveRate, model],
    ]),
    [
      [
        [false, 1, 2],
        [0.003, 0.05, 'm'],
      ],
    ],
  );
  assert.deepEqual(decisions, [], 'nothing was to be decided');
  await soon();
  const [record] = records();
  assert.deepEqual(
    [record?.verdict, record?.decision, record?.answer, record?.image, record?.version],
    ['clean', 'send', { id: 'yes', label: 'Yes' }, 'a.png', '1'],
  );
});

test('a_flagged_image_waits_and_is_not_sent', async () => {
  const { state, workers, records } = await scanned(() => finding(2));
  assert.deepEqual([state.phase, state.answer, called(workers, 'proceed')], ['flagged', null, 0]);
  await soon();
  assert.deepEqual(
    records().map((r) => [r.verdict, r.decision, r.answer]),
    [['flagged', 'undecided', null]],
  );
});

test('do_not_send_drops_the_token_and_is_recorded', async () => {
  const { controller, state, workers, decisions, records } = await scanned(() => finding(7));
  await controller.decide(false);
  await soon();
  assert.deepEqual([state.phase, called(workers, 'proceed'), called(workers, 'forget')], ['withheld', 0, 1]);
  assert.deepEqual([decisions, records().map((r) => r.decision)], [[false], ['do-not-send']]);
  await controller.decide(true);
  assert.equal(state.phase, 'withheld', 'a decision is made once');
});

test('send_anyway_sends_the_kept_token_without_a_second_check', async () => {
  const { controller, state, workers, verdicts, decisions, records } = await scanned(() => finding(7));
  await controller.decide(true);
  await soon();
  assert.deepEqual([state.phase, state.answer], ['answered', answer]);
  assert.deepEqual([called(workers, 'examine'), called(workers, 'proceed'), verdicts.length], [1, 1, 1]);
  assert.deepEqual(
    [decisions, records().map((r) => [r.verdict, r.decision, r.answer?.id])],
    [[true], [['flagged', 'send-anyway', 'yes']]],
  );
});

test('a_page_that_prevents_the_verdict_stops_any_image', async () => {
  for (const score of [1, 7]) {
    const { state, workers, decisions, records } = await scanned(
      () => finding(score),
      {},
      () => false,
    );
    await soon();
    assert.deepEqual([state.phase, state.decision, called(workers, 'proceed')], ['withheld', 'stopped', 0]);
    assert.deepEqual([decisions, records().map((r) => r.decision)], [[false], ['stopped']]);
  }
});

test('a_model_without_a_detector_is_sent_and_recorded_as_unchecked', async () => {
  const { state, verdicts, records } = await scanned(() => ({}));
  await soon();
  assert.deepEqual([state.phase, state.verdict, verdicts], ['answered', null, []]);
  assert.deepEqual(
    records().map((r) => [r.verdict, r.score, r.decision]),
    [['unchecked', null, 'send']],
  );
});

test('a_relay_that_fails_after_send_anyway_is_asked_again_without_another_question', async () => {
  let tries = 0;
  const proceed = () => (tries++ === 0 ? Promise.reject(fault('busy')) : Promise.resolve(answer));
  const { controller, state, workers, verdicts, records } = await scanned(() => finding(7, { proceed }));
  await controller.decide(true);
  assert.deepEqual([state.phase, state.fault?.code], ['failed', 'busy']);
  await controller.retry();
  await soon();
  // A token serves once, so the image is encoded again; its verdict is the same, and so is the decision.
  assert.deepEqual([state.phase, called(workers, 'examine'), verdicts.length], ['answered', 2, 1]);
  assert.deepEqual(
    records().map((r) => r.decision),
    ['send-anyway'],
  );
});

test('a_worker_that_dies_during_the_question_loses_the_token_and_the_image_is_encoded_anew', async () => {
  const { controller, state, workers } = await scanned(() => finding(7));
  workers[0]?.crash();
  await soon();
  assert.equal(state.phase, 'flagged', 'the question is still open');
  await controller.decide(true);
  assert.deepEqual([state.phase, called(workers.slice(1), 'examine')], ['answered', 1]);
});

test('another_image_and_another_model_drop_the_kept_token', async () => {
  for (const leave of ['choose', 'clear', 'useModel'] as const) {
    const { controller, workers, state } = await scanned(() => finding(7));
    if (leave === 'choose') await controller.choose({ ...chosen(), name: 'b.png' });
    else if (leave === 'clear') controller.clear();
    else await controller.useModel('other');
    await soon();
    assert.deepEqual([called(workers, 'forget'), state.verdict, state.decision], [1, null, null], leave);
  }
});

test('a_check_that_ends_after_its_image_was_put_away_leaves_no_verdict_and_no_token', async () => {
  let end: () => void = () => undefined;
  const examine = async () => {
    await new Promise<void>((done) => {
      end = done;
    });
    return verdictOf(1);
  };
  const { controller, state, workers, book, verdicts } = setUp(() => finding(1, { examine }));
  await controller.choose(chosen());
  const scan = controller.scan();
  await soon();
  controller.clear();
  end();
  await scan;
  await soon();
  assert.deepEqual([state.phase, state.verdict, verdicts, book.kept.size], ['idle', null, [], 0]);
  assert.deepEqual([called(workers, 'proceed'), called(workers, 'forget')], [0, 1]);
});

test('a_second_scan_asks_the_question_again', async () => {
  const { controller, state, records } = await scanned(() => finding(7));
  await controller.decide(true);
  await controller.scan();
  await soon();
  assert.equal(state.phase, 'flagged');
  assert.deepEqual(
    records()
      .map((r) => r.decision)
      .sort(),
    ['send-anyway', 'undecided'],
  );
});

test('the_threshold_changes_the_verdict_but_sends_nothing_by_itself', async () => {
  const { controller, state, workers } = await scanned(() => finding(2.5));
  assert.equal(controller.judgement?.flagged, true);
  controller.setThreshold(2.8);
  assert.deepEqual([controller.judgement?.flagged, state.phase, called(workers, 'proceed')], [false, 'flagged', 0]);
  assert.ok(Math.abs((controller.judgement?.falsePositiveRate ?? 0) - 0.008) < 1e-9);
  controller.setThreshold(null);
  assert.deepEqual([controller.judgement?.flagged, controller.judgement?.falsePositiveRate], [true, 0.05]);
});

test('a_chosen_threshold_holds_for_the_next_visit_until_the_detector_changes', async () => {
  const first = await scanned(() => finding(2.5));
  first.controller.setThreshold(3);
  const open = (sha256: string) => async () => ({
    card: { ...guarded, detector: { ...detector, sha256 } },
    backend: 'cpu',
    why: '',
  });
  const thresholds = { read: () => 3, write: () => undefined };
  assert.ok(first.store.getItem('veilsight-threshold-m'));
  const again = await scanned(() => finding(2.5), { thresholds: thresholds as never });
  assert.deepEqual([again.state.phase, again.verdicts[0]?.threshold], ['answered', 3]);
  const { Thresholds } = await import('../src/core/thresholds.ts');
  const changed = await scanned(() => finding(2.5, { open: open('cd'.repeat(32)) }), {
    thresholds: new Thresholds(() => first.store),
  });
  assert.deepEqual([changed.state.phase, changed.verdicts[0]?.threshold], ['flagged', 2]);
});
