import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { RequestRecord } from '../src/core/client-types.ts';
import { fault } from '../src/core/fault.ts';
import type { CallEvent } from '../src/core/protocol.ts';
import { LIMITS, type Limits, Remote } from '../src/core/remote.ts';
import { FakeWorker, handlers, soon } from './support/fake-worker.ts';

const phantom = { seed: 1, lesion: true };

function remoteOf(worker: FakeWorker, limits: Partial<Limits> = {}) {
  const deaths: string[] = [];
  const late: string[] = [];
  const remote = new Remote(
    worker,
    {
      onDeath: (why) => deaths.push(why.code),
      onSightings: () => undefined,
      onLateRequest: ({ url }) => late.push(url),
    },
    { ...LIMITS, ...limits },
  );
  return { remote, deaths, late };
}

test('a_call_gets_the_value_of_its_own_handler', async () => {
  const worker = new FakeWorker(handlers({ phantom: async ({ seed }) => Uint8Array.of(seed) }));
  const { remote } = remoteOf(worker);
  const values = await Promise.all([1, 2, 3].map((seed) => remote.call('phantom', { seed, lesion: false })));
  assert.deepEqual(values, [Uint8Array.of(1), Uint8Array.of(2), Uint8Array.of(3)]);
});

test('events_of_a_call_arrive_before_its_value', async () => {
  const step: CallEvent = { type: 'step', step: 'decode', done: 1, total: 2 };
  const worker = new FakeWorker(
    handlers({
      phantom: async (_args, { emit }) => {
        emit(step);
        return new Uint8Array();
      },
    }),
  );
  const events: CallEvent[] = [];
  await remoteOf(worker).remote.call('phantom', phantom, { onEvent: (event) => events.push(event) });
  assert.deepEqual(events, [step]);
});

test('a_request_that_is_told_after_its_call_has_ended_is_not_lost', async () => {
  const request = { url: 'http://relay.test/v1/purifications/ab' } as RequestRecord;
  const worker = new FakeWorker(
    handlers({
      phantom: async (_args, { emit }) => {
        void soon().then(() => emit({ type: 'request', request }));
        void soon().then(() => emit({ type: 'notice', text: 'of no use any more' }));
        return new Uint8Array();
      },
    }),
  );
  const { remote, late } = remoteOf(worker);
  const events: CallEvent[] = [];
  await remote.call('phantom', phantom, { onEvent: (event) => events.push(event) });
  while (late.length === 0) await soon();
  assert.deepEqual([late, events], [[request.url], []]);
});

test('a_thrown_fault_keeps_its_code_message_and_action', async () => {
  const thrown = { code: 'budget', message: 'No questions left.', action: 'Wait until tomorrow.' };
  const worker = new FakeWorker(handlers({ phantom: () => Promise.reject(thrown) }));
  await assert.rejects(remoteOf(worker).remote.call('phantom', phantom), thrown);
});

test('calls_run_one_after_the_other', async () => {
  const order: string[] = [];
  const worker = new FakeWorker(
    handlers({
      phantom: async ({ seed }) => {
        order.push(`begin ${seed}`);
        await soon();
        order.push(`end ${seed}`);
        return new Uint8Array();
      },
    }),
  );
  const { remote } = remoteOf(worker);
  await Promise.all([1, 2].map((seed) => remote.call('phantom', { seed, lesion: false })));
  assert.deepEqual(order, ['begin 1', 'end 1', 'begin 2', 'end 2']);
});

test('a_cancelled_call_that_reacts_leaves_the_worker_alive', async () => {
  const worker = new FakeWorker(
    handlers({
      phantom: (_args, { signal }) =>
        new Promise((_resolve, reject) => signal.addEventListener('abort', () => reject(fault('cancelled')))),
    }),
  );
  const { remote, deaths } = remoteOf(worker, { cancelMs: 200 });
  const abort = new AbortController();
  const call = remote.call('phantom', phantom, { signal: abort.signal });
  await soon();
  abort.abort();
  await assert.rejects(call, { code: 'cancelled' });
  await soon(250);
  assert.deepEqual([remote.dead, deaths, worker.terminated], [false, [], false]);
});

test('a_cancelled_call_that_does_not_react_ends_the_worker', async () => {
  const worker = new FakeWorker();
  const { remote, deaths } = remoteOf(worker, { cancelMs: 20 });
  const abort = new AbortController();
  const call = remote.call('phantom', phantom, { signal: abort.signal });
  abort.abort();
  await assert.rejects(call, { code: 'cancelled' });
  assert.deepEqual([remote.dead, deaths, worker.terminated], [true, ['cancelled'], true]);
});

test('a_crash_rejects_every_pending_call', async () => {
  const worker = new FakeWorker();
  const { remote, deaths } = remoteOf(worker);
  const calls = [remote.call('phantom', phantom), remote.call('phantom', phantom)];
  worker.crash('unreachable');
  for (const call of calls) await assert.rejects(call, { code: 'crashed', message: /unreachable/ });
  assert.deepEqual(deaths, ['crashed']);
  await assert.rejects(remote.call('phantom', phantom), { code: 'crashed' });
});

test('a_panic_that_the_worker_reports_counts_as_a_crash', async () => {
  const worker = new FakeWorker();
  const { remote } = remoteOf(worker);
  const call = remote.call('phantom', phantom);
  worker.say({ kind: 'dead', message: 'panicked' });
  await assert.rejects(call, { code: 'crashed', message: /panicked/ });
});

test('a_promise_left_pending_ends_by_the_time_limit', async () => {
  const worker = new FakeWorker(handlers({ phantom: () => new Promise(() => undefined) }));
  const { remote, deaths } = remoteOf(worker, { quietMs: 30 });
  await assert.rejects(remote.call('phantom', phantom), { code: 'timeout' });
  assert.deepEqual(deaths, ['timeout']);
});

test('progress_holds_the_time_limit_off', async () => {
  const worker = new FakeWorker(
    handlers({
      phantom: async (_args, { emit }) => {
        for (let done = 0; done < 5; done++) {
          emit({ type: 'step', step: 'encode', done, total: 5 });
          await soon(20);
        }
        return Uint8Array.of(7);
      },
    }),
  );
  assert.deepEqual(await remoteOf(worker, { quietMs: 60 }).remote.call('phantom', phantom), Uint8Array.of(7));
});

test('a_worker_without_a_heartbeat_is_taken_for_dead', async () => {
  const worker = new FakeWorker();
  const { remote } = remoteOf(worker, { pingMs: 5, silentMs: 30 });
  await assert.rejects(remote.call('phantom', phantom), { code: 'timeout' });
  assert.ok(worker.sent.some((message) => message.kind === 'ping'));
});

test('a_living_worker_answers_pings_while_it_works', async () => {
  const slow = handlers({ phantom: () => soon(80).then(() => new Uint8Array()) });
  const { deaths, remote } = remoteOf(new FakeWorker(slow), { pingMs: 5, silentMs: 40 });
  await remote.call('phantom', phantom);
  assert.deepEqual(deaths, []);
});
