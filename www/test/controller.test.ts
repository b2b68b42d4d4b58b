import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fault } from '../src/core/fault.ts';
import type { Handlers } from '../src/worker/serve.ts';
import { answer, card, chosen, setUp } from './support/controller.ts';
import { soon } from './support/fake-worker.ts';

test('a_chosen_file_is_shown_and_then_answered', async () => {
  const { controller, state } = setUp(() => ({}));
  await controller.choose(chosen());
  assert.equal(state.phase, 'ready');
  assert.equal(state.picture?.width, 1);
  await controller.scan();
  assert.deepEqual([state.phase, state.answer], ['answered', answer]);
});

test('a_wrong_file_never_reaches_the_worker', async () => {
  const { controller, state, workers } = setUp(() => ({}));
  await controller.choose({ blob: new Blob(['hello']), name: 'a.txt', phantom: false });
  assert.deepEqual([state.phase, state.fault?.code, workers.length], ['failed', 'wrong-file', 0]);
});

test('the_model_is_opened_once_for_many_scans', async () => {
  let opened = 0;
  const { controller } = setUp(() => ({
    open: async () => {
      opened++;
      return { card, backend: 'cpu', why: '' };
    },
  }));
  await controller.choose(chosen());
  await controller.scan();
  await controller.scan();
  assert.equal(opened, 1);
});

test('an_error_keeps_the_image_and_retry_finishes_the_scan', async () => {
  let tries = 0;
  const { controller, state } = setUp(() => ({
    proceed: () => (tries++ === 0 ? Promise.reject(fault('busy')) : Promise.resolve(answer)),
  }));
  await controller.choose(chosen());
  await controller.scan();
  assert.deepEqual([state.phase, state.fault?.code, state.image?.name], ['failed', 'busy', 'a.png']);
  await controller.retry();
  assert.deepEqual([state.phase, state.fault], ['answered', null]);
});

test('a_crash_in_a_scan_restarts_the_worker_and_retry_opens_the_model_again', async () => {
  const { controller, state, workers } = setUp((n) => (n === 0 ? { proceed: () => new Promise(() => undefined) } : {}));
  await controller.choose(chosen());
  const scan = controller.scan();
  await soon();
  workers[0]?.crash();
  await scan;
  assert.deepEqual([state.phase, state.fault?.code], ['failed', 'crashed']);
  await soon();
  assert.equal(workers.length, 2);
  await controller.retry();
  assert.equal(state.phase, 'answered');
});

test('a_crash_between_scans_is_told_and_mended', async () => {
  const { controller, state, workers } = setUp(() => ({}));
  await controller.choose(chosen());
  workers[0]?.crash();
  await soon();
  assert.match(state.notice, /restarted/);
  assert.equal(workers.length, 2);
  await controller.scan();
  assert.equal(state.phase, 'answered');
});

test('a_gpu_build_that_dies_in_a_scan_is_left_for_the_cpu', async () => {
  const gpu: Partial<Handlers> = {
    open: async () => ({ card, backend: 'webgpu', why: 'WebGPU.' }),
    proceed: () => new Promise(() => undefined),
  };
  const { controller, state, workers, starts } = setUp((n) => (n === 0 ? gpu : {}));
  await controller.choose(chosen());
  const scan = controller.scan();
  await soon();
  workers[0]?.crash();
  await scan;
  assert.equal(state.phase, 'answered');
  assert.match(state.notice, /CPU/);
  assert.match(starts[1]?.fallback ?? '', /WebGPU build stopped/);
});

test('a_cancelled_scan_keeps_the_image', async () => {
  const { controller, state, faults } = setUp((n) => (n === 0 ? { proceed: () => new Promise(() => undefined) } : {}));
  await controller.choose(chosen());
  const scan = controller.scan();
  await soon();
  controller.cancel();
  await scan;
  assert.deepEqual([state.fault?.code, state.image?.name, faults], ['cancelled', 'a.png', ['cancelled']]);
  await controller.retry();
  assert.equal(state.phase, 'answered');
});

test('another_file_takes_the_place_of_the_one_being_prepared', async () => {
  const { controller, state, faults } = setUp(() => ({
    preview: () => soon(15).then(() => ({ width: 1, height: 1, rgba: new Uint8Array(4) })),
  }));
  const first = controller.choose(chosen());
  await soon();
  await controller.choose({ ...chosen(), name: 'b.png' });
  await first;
  assert.deepEqual([state.phase, state.image?.name, faults], ['ready', 'b.png', []]);
});

test('a_refused_origin_is_told_from_a_relay_that_is_down', async () => {
  const life = () => ({ open: () => Promise.reject(fault('no-relay')) });
  const foreign = { pageOrigin: 'http://hospital.test', relayAnswersAtAll: async () => true };
  const refused = setUp(life, foreign);
  await refused.controller.choose(chosen());
  assert.equal(refused.state.fault?.code, 'not-allowed');
  assert.match(refused.state.fault?.action ?? '', /http:\/\/hospital\.test/);
  const down = setUp(life, { ...foreign, relayAnswersAtAll: async () => false });
  await down.controller.choose(chosen());
  assert.equal(down.state.fault?.code, 'no-relay');
  const offline = setUp(life, { isOnline: () => false });
  await offline.controller.choose(chosen());
  assert.equal(offline.state.fault?.code, 'offline');
});

test('a_worker_that_dies_before_it_started_is_a_program_that_did_not_load', async () => {
  const { controller, state, workers } = setUp(() => ({ start: () => new Promise(() => undefined) }));
  const choosing = controller.choose(chosen());
  await soon();
  workers[0]?.crash('');
  await choosing;
  assert.equal(state.fault?.code, 'no-code');
  await soon();
  assert.equal(workers.length, 1);
});

test('another_model_keeps_the_image_and_prepares_it_anew', async () => {
  const opened: string[] = [];
  const { controller, state } = setUp(() => ({
    open: async ({ model }) => {
      opened.push(model);
      return { card: { ...card, id: model }, backend: 'cpu', why: '' };
    },
  }));
  await controller.choose(chosen());
  await controller.scan();
  await controller.useModel('m');
  assert.deepEqual([opened, state.phase], [['m'], 'answered'], 'the same model changes nothing');
  await controller.useModel('other');
  assert.deepEqual([opened, state.phase, state.answer, state.card?.id], [['m', 'other'], 'ready', null, 'other']);
});

test('another_model_before_there_is_an_image_opens_nothing', async () => {
  const { controller, state, workers } = setUp(() => ({}));
  await controller.useModel('other');
  assert.deepEqual([state.phase, workers.length], ['idle', 0]);
});
