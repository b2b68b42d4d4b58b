/** What becomes of a flagged image that is purified: on the device, on relays, and where something fails on the way. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { PurifyOptions } from '../src/core/client-types.ts';
import { fault } from '../src/core/fault.ts';
import { levelOf, parsePurifyWish } from '../src/core/purification.ts';
import type { Surroundings } from '../src/core/scan-state.ts';
import { lineWords } from '../src/element/compare.ts';
import { deviceDid, relayDid, restoredHow } from '../src/element/restored-words.ts';
import { aloneWords, relaysWords } from '../src/element/views/restore.ts';
import type { Handlers } from '../src/worker/serve.ts';
import {
  answer,
  called,
  card,
  chosen,
  detector,
  purifiedBy,
  purifier,
  setUp,
  verdictOf,
} from './support/controller.ts';
import { soon } from './support/fake-worker.ts';

const here: PurifyOptions = { where: 'device', steps: 1 };
const relays = ['https://one.test', 'https://two.test', 'https://three.test'];
const there: PurifyOptions = { where: 'relays', relays, steps: 1, one_relay_holds_all: false };

const plan = { relays: 3, share: 0.36, tiles: 16 };

/** A worker that finds this score, and purifies. */
const life = (more: Partial<Handlers> = {}, score = 7): Partial<Handlers> => ({
  open: async () => ({ card: { ...card, detector, purifier }, backend: 'cpu', why: '' }),
  examine: async () => verdictOf(score),
  purifyPlan: async () => plan,
  purify: async (order) => purifiedBy(order),
  proceed: async () => ({ ...answer, purified: { where: 'device', t: 120, steps: 1 } }),
  ...more,
});

/** An image that was flagged, and offered to be purified. */
async function flagged(
  lives: (n: number) => Partial<Handlers> = () => life(),
  around: Partial<Surroundings> = { purifyRelays: relays },
  mayPass?: Parameters<typeof setUp>[2],
) {
  const made = setUp(lives, around, mayPass);
  await made.controller.choose(chosen());
  await made.controller.scan();
  await soon();
  const records = () => [...made.book.kept.values()].map((r) => [r.decision, r.purified ?? null, r.answer?.id ?? null]);
  return { ...made, records, purification: made.controller.purification };
}

const FACTS = { where: 'device', t: 120, steps: 1 };

test('a_flagged_image_is_offered_to_be_restored_here_and_on_the_known_relays', async () => {
  const { state, workers } = await flagged();
  assert.deepEqual([state.phase, state.offer], ['flagged', { steps: 1, relays, plan }]);
  assert.deepEqual([called(workers, 'purify'), called(workers, 'proceed')], [0, 0], 'an offer does nothing by itself');
});

test('nothing_is_offered_where_the_page_says_off_the_card_has_no_purifier_or_the_score_has_no_level', async () => {
  const without = () => life({ open: async () => ({ card: { ...card, detector }, backend: 'cpu', why: '' }) });
  const high = { ...purifier, levels: [{ from_score: 9, t: 60 }] };
  const unfit = () =>
    life({ open: async () => ({ card: { ...card, detector, purifier: high }, backend: 'cpu', why: '' }) });
  const cases = [
    await flagged(undefined, { purify: 'off', purifyRelays: relays }),
    await flagged(without),
    await flagged(unfit),
  ];
  for (const { state, purification, workers } of cases) {
    assert.deepEqual([state.phase, state.offer], ['flagged', null]);
    await purification.start(here);
    assert.deepEqual([state.phase, called(workers, 'purify')], ['flagged', 0], 'and cannot be started either');
  }
});

test('a_page_that_allows_the_device_alone_asks_for_no_relay', async () => {
  const { state, workers, controller } = await flagged(undefined, { purify: 'device', purifyRelays: relays });
  assert.deepEqual(state.offer, { steps: 1, relays: [], plan: null });
  assert.deepEqual([called(workers, 'purifyPlan'), controller.ledger.entries.length], [0, 0]);
});

test('relays_that_tiles_cannot_be_dealt_to_are_not_offered', async () => {
  const { state } = await flagged(() => life({ purifyPlan: () => Promise.reject(fault('internal')) }));
  assert.deepEqual(state.offer, { steps: 1, relays: [], plan: null });
});

test('an_image_that_is_not_flagged_is_offered_nothing', async () => {
  const { state, workers } = await flagged(() => life({}, 1));
  assert.deepEqual([state.phase, state.offer, called(workers, 'purifyPlan')], ['answered', null, 0]);
});

test('the_restored_image_is_shown_first_and_then_sent_and_recorded', async () => {
  const { state, workers, purification, news, decisions, records } = await flagged();
  await purification.start(here);
  assert.deepEqual([state.phase, called(workers, 'proceed'), decisions], ['purified', 0, []]);
  assert.deepEqual(records(), [['undecided', null, null]]);
  assert.deepEqual(
    news.map(({ where, t, steps, verdict, ...rest }) => [where, t, steps, verdict?.flagged, 'after' in rest]),
    [['device', 120, 1, false, false]],
    'a page hears how and with what verdict, and gets no pixel',
  );
  await purification.send();
  await soon();
  assert.deepEqual([state.phase, state.answer?.purified, decisions], ['answered', FACTS, [true]]);
  assert.deepEqual([called(workers, 'examine'), called(workers, 'purify'), called(workers, 'proceed')], [1, 1, 1]);
  assert.deepEqual(records(), [['send-purified', FACTS, 'yes']]);
});

test('going_back_drops_the_restored_image_and_asks_about_the_original_again', async () => {
  const { controller, state, workers, purification, records } = await flagged();
  await purification.start(here);
  purification.discard();
  await soon();
  assert.deepEqual([state.phase, state.purified, called(workers, 'discardPurified')], ['flagged', null, 1]);
  await controller.decide(true);
  await soon();
  assert.deepEqual([state.phase, called(workers, 'examine')], ['answered', 1], 'the original was kept');
  assert.deepEqual(records(), [['send-anyway', null, 'yes']]);
});

test('a_page_that_prevents_the_restored_image_stops_it', async () => {
  const { state, workers, purification, decisions, records } = await flagged(
    undefined,
    undefined,
    (what) => !('where' in what),
  );
  await purification.start(here);
  await soon();
  assert.deepEqual([state.phase, called(workers, 'proceed'), called(workers, 'forget')], ['withheld', 0, 1]);
  assert.deepEqual([decisions, records()], [[false], [['stopped', null, null]]]);
});

test('a_cancelled_restoration_leaves_the_question_open_and_the_original_kept', async () => {
  const { controller, state, workers, purification, faults } = await flagged(() =>
    life({
      purify: (_order, { signal }) =>
        new Promise((_done, fail) => signal.addEventListener('abort', () => fail(fault('cancelled')))),
    }),
  );
  const run = purification.start(here);
  await soon();
  assert.deepEqual([state.phase, controller.busy], ['purifying', true]);
  controller.cancel();
  await run;
  assert.deepEqual(
    [state.phase, state.fault?.code, state.purified, faults],
    ['flagged', 'cancelled', null, ['cancelled']],
  );
  await controller.decide(false);
  await soon();
  assert.deepEqual([state.phase, state.fault, called(workers, 'forget')], ['withheld', null, 1]);
});

test('a_restoration_that_ends_after_it_was_cancelled_is_dropped', async () => {
  let end: () => void = () => undefined;
  const { controller, state, workers, purification, news } = await flagged(() =>
    life({
      purify: async (order) => {
        await new Promise<void>((done) => {
          end = done;
        });
        return purifiedBy(order);
      },
    }),
  );
  const run = purification.start(here);
  await soon();
  controller.cancel();
  end();
  await run;
  await soon();
  assert.deepEqual([state.phase, state.purified, news, called(workers, 'discardPurified')], ['flagged', null, [], 1]);
});

test('relays_that_fail_altogether_are_told_and_the_device_can_be_tried_instead', async () => {
  const purify: Handlers['purify'] = (order) =>
    order.where === 'relays' ? Promise.reject(fault('busy')) : Promise.resolve(purifiedBy(order));
  const { state, purification, workers } = await flagged(() => life({ purify }));
  await purification.start(there);
  assert.deepEqual([state.phase, state.fault?.code, state.exposed], ['flagged', 'busy', true]);
  await purification.start(here);
  assert.deepEqual([state.phase, state.fault, state.purified?.where], ['purified', null, 'device']);
  assert.equal(called(workers, 'examine'), 1);
});

test('that_tiles_have_left_is_remembered_until_another_image_comes', async () => {
  const { controller, state, purification } = await flagged();
  assert.equal(state.exposed, false);
  await purification.start(here);
  assert.equal(state.exposed, false, 'on the device nothing leaves');
  purification.discard();
  await purification.start(there);
  purification.discard();
  await controller.scan();
  assert.equal(state.exposed, true, 'another scan of the same image does not undo it');
  await controller.choose({ ...chosen(), name: 'b.png' });
  assert.equal(state.exposed, false);
});

test('a_relay_that_failed_and_tiles_of_the_device_stand_in_what_is_shown', async () => {
  const one = { url: 'https://two.test', tiles: 0, share: 0.3, state: 'failed', error: 'It timed out.' } as const;
  const { state, purification, news } = await flagged(() =>
    life({ purify: async (order) => ({ ...purifiedBy(order), relays: [one], localTiles: 2 }) }),
  );
  await purification.start(there);
  assert.deepEqual([state.purified?.relays, state.purified?.localTiles], [[one], 2]);
  assert.deepEqual([news[0]?.relays, news[0]?.localTiles], [[one], 2]);
});

test('a_worker_that_dies_in_a_restoration_is_restarted_and_the_image_examined_anew', async () => {
  const lives = (n: number) => life(n === 0 ? { purify: () => new Promise(() => undefined) } : {});
  const { controller, state, workers, purification, verdicts } = await flagged(lives);
  const run = purification.start(here);
  await soon();
  workers[0]?.crash();
  await run;
  assert.deepEqual([state.phase, state.fault?.code], ['flagged', 'crashed']);
  await controller.retry();
  assert.deepEqual([state.phase, verdicts.length], ['purified', 1]);
  assert.deepEqual([called(workers.slice(1), 'examine'), called(workers.slice(1), 'purify')], [1, 1]);
});

test('a_worker_that_dies_with_the_restored_image_loses_it_and_the_original_is_asked_about', async () => {
  const { state, workers, purification, decisions } = await flagged();
  await purification.start(here);
  workers[0]?.crash();
  await soon();
  assert.deepEqual([state.phase, state.purified], ['flagged', null]);
  assert.match(state.notice, /restored one was lost/);
  await purification.send();
  assert.deepEqual([state.phase, decisions], ['flagged', []]);
  await purification.start(here);
  assert.equal(state.phase, 'purified');
});

test('a_restored_image_that_could_not_be_sent_is_restored_and_shown_again_and_never_replaced_by_the_original', async () => {
  let tries = 0;
  const proceed = () => (tries++ === 0 ? Promise.reject(fault('busy')) : Promise.resolve(answer));
  const { controller, state, workers, purification, records } = await flagged(() => life({ proceed }));
  await purification.start(here);
  await purification.send();
  assert.deepEqual([state.phase, state.fault?.code], ['failed', 'busy']);
  await controller.retry();
  assert.deepEqual([state.phase, called(workers, 'proceed'), called(workers, 'purify')], ['purified', 1, 2]);
  await purification.send();
  await soon();
  assert.equal(state.phase, 'answered');
  assert.deepEqual(records(), [['send-purified', FACTS, 'yes']]);
});

test('a_gpu_build_that_dies_in_sending_a_restored_image_sends_nothing_else_instead', async () => {
  const open = async () => ({ card: { ...card, detector, purifier }, backend: 'webgpu', why: '' });
  const lives = (n: number) => life(n === 0 ? { open, proceed: () => new Promise(() => undefined) } : {});
  const { state, workers, purification } = await flagged(lives);
  await purification.start(here);
  const sending = purification.send();
  await soon();
  workers[0]?.crash();
  await sending;
  assert.deepEqual([state.phase, called(workers.slice(1), 'proceed')], ['purified', 0]);
});

test('another_image_another_scan_and_another_model_put_the_restored_image_away', async () => {
  for (const leave of ['choose', 'scan', 'clear', 'useModel'] as const) {
    const { controller, state, workers, purification } = await flagged();
    await purification.start(here);
    if (leave === 'choose') await controller.choose({ ...chosen(), name: 'b.png' });
    else if (leave === 'clear') controller.clear();
    else if (leave === 'scan') await controller.scan();
    else await controller.useModel('other');
    await soon();
    assert.deepEqual([state.purified, called(workers, 'forget'), called(workers, 'proceed')], [null, 1, 0], leave);
  }
});

test('the_noise_level_follows_the_score', () => {
  assert.deepEqual(
    [1, 1.5, 2.9, 3, 99].map((score) => levelOf(purifier, score)),
    [null, 60, 60, 120, 120],
  );
});

test('what_a_page_writes_in_the_attribute_is_read_and_all_else_asks', () => {
  assert.deepEqual(['ask', 'device', 'off', '', 'OFF', null].map(parsePurifyWish), [
    'ask',
    'device',
    'off',
    'ask',
    'ask',
    'ask',
  ]);
});

test('what_relays_see_is_said_without_calling_noise_encryption', () => {
  assert.match(relaysWords(0.36), /at most 36 % of the image/);
  assert.match(relaysWords(0.361), /at most 37 %/, 'a bound is never rounded down');
  for (const words of [relaysWords(0.4), aloneWords('https://one.test:81/')]) {
    assert.match(words, /noise is not encryption/i);
    assert.doesNotMatch(words.replace(/not encryption/i, ''), /encrypt|sealed|cipher/i);
  }
  assert.match(aloneWords('https://one.test:81/'), /one\.test:81.*all pieces/);
});

test('what_each_relay_did_is_told_in_words', () => {
  const base = { url: 'https://one.test', tiles: 4, share: 0.305, state: 'used' } as const;
  assert.equal(relayDid(base), 'saw noised tiles of 30.5 % of the image and restored 4 tiles');
  assert.equal(
    relayDid({ ...base, state: 'failed', tiles: 1, error: 'It timed out.' }),
    'saw noised tiles of 30.5 % of the image and restored 1 tile, then failed: It timed out',
  );
  assert.equal(relayDid({ ...base, state: 'failed', tiles: 0 }), 'saw noised tiles of 30.5 % of the image and failed');
  assert.match(relayDid({ ...base, state: 'spare', share: 0, tiles: 0 }), /got nothing/);
  assert.deepEqual(
    [deviceDid(1), deviceDid(3)].map((words) => words.slice(0, 7)),
    ['1 tile ', '3 tiles'],
  );
  assert.equal(
    restoredHow({ where: 'relays', t: 120, steps: 10 }),
    'restored on relays, noise level 120 of 1,000, 10 steps',
  );
  assert.deepEqual([0, 100].map(lineWords), ['the restored image alone', 'the original alone']);
});
