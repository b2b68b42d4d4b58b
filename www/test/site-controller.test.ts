import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fault } from '../src/core/fault.ts';
import type { StartOptions } from '../src/core/protocol.ts';
import { LIMITS } from '../src/core/remote.ts';
import { SiteController, type SiteSurroundings } from '../src/core/site/site-controller.ts';
import type { Handlers } from '../src/worker/serve.ts';
import { FakeWorker, handlers, soon } from './support/fake-worker.ts';
import { greyPng } from './support/pictures.ts';
import { round, siteView } from './support/site.ts';

/** A controller whose workers live in this thread; `life` says how the n-th worker behaves. */
function setUp(life: (n: number) => Partial<Handlers>, around: Partial<SiteSurroundings> = {}) {
  const workers: FakeWorker[] = [];
  const starts: StartOptions[] = [];
  const faults: string[] = [];
  const spawn = async () => {
    const usual: Partial<Handlers> = {
      start: async (options) => {
        starts.push(options);
        return { build: 'cpu', why: '' };
      },
      siteRestore: async () => siteView({ prepared: null }),
      siteRefresh: async () => siteView({ prepared: null }),
      siteBegin: async () => null,
      siteAdd: async () => null,
      siteFinish: async () => siteView(),
    };
    const worker = new FakeWorker(handlers({ ...usual, ...life(workers.length) }));
    workers.push(worker);
    return worker;
  };
  const controller = new SiteController(
    {
      relay: 'http://relay.test',
      wish: 'auto',
      assets: 'http://relay.test/',
      pageOrigin: 'http://relay.test',
      spawn,
      isOnline: () => true,
      relayAnswersAtAll: async () => false,
      isCode: () => false,
      limits: { ...LIMITS, cancelMs: 20 },
      pace: { busy: 10, calm: 10 },
      ...around,
    },
    { onChange: () => undefined, onFault: (f) => faults.push(f.code) },
  );
  return { controller, workers, starts, faults, state: controller.state };
}

const picture = (path: string, value: number) => ({
  path,
  file: new File([greyPng(Uint8Array.of(value), 1, 1)], path.split('/').at(-1) ?? ''),
});

const folder = () =>
  ['no', 'yes'].flatMap((name, label) =>
    Array.from({ length: 5 }, (_, i) => picture(`d/${name}/${i}.png`, 10 * label + i)),
  );

test('a_browser_without_a_site_asks_for_an_invitation', async () => {
  const { controller, state } = setUp(() => ({ siteRestore: async () => null }));
  await controller.start();
  assert.deepEqual([state.known, state.view, state.fault], [true, null, null]);
  controller.close();
});

test('a_site_of_an_earlier_visit_is_taken_up_and_followed', async () => {
  let asked = 0;
  const { controller, state } = setUp(() => ({
    siteRefresh: async () => siteView({ rounds: [round({ number: ++asked })] }),
  }));
  await controller.start();
  assert.equal(state.view?.site, 1);
  await soon(60);
  assert.ok(asked > 1, 'it asks again and again');
  assert.equal(state.view?.rounds[0]?.number, asked);
  controller.close();
  const last = asked;
  await soon(40);
  assert.equal(asked, last, 'and stops when the element is gone');
});

test('a_used_invitation_is_told_and_another_one_works', async () => {
  const { controller, state, faults } = setUp(() => ({
    siteRestore: async () => null,
    siteEnrol: async ({ invitation }) => {
      if (invitation === 'vsi_used') throw fault('invitation');
      return siteView();
    },
  }));
  await controller.start();
  await controller.enrol('http://relay.test', ' vsi_used ');
  assert.deepEqual([state.fault?.code, state.view, faults], ['invitation', null, ['invitation']]);
  await controller.enrol('http://relay.test', 'vsi_fresh');
  assert.deepEqual([state.fault, state.view?.site], [null, 1]);
  controller.close();
});

test('every_picture_is_encoded_once_with_its_class_and_its_side_of_the_split', async () => {
  const added: { label: number; heldOut: boolean; size: number }[] = [];
  const { controller, state } = setUp(() => ({
    siteAdd: async ({ image, label, heldOut }) => {
      added.push({ label, heldOut, size: image.size });
      return null;
    },
  }));
  await controller.start();
  await controller.choose(folder());
  assert.deepEqual(
    state.folder?.groups.map(({ name, label, pictures }) => [name, label, pictures.length]),
    [
      ['no', 0, 5],
      ['yes', 1, 5],
    ],
  );
  await controller.encode();
  assert.equal(added.length, 10);
  assert.deepEqual(
    [0, 1].map((label) => added.filter((a) => a.label === label && a.heldOut).length),
    [1, 1],
  );
  assert.ok(added.every(({ size }) => size > 0));
  assert.deepEqual([state.folder, state.view?.prepared?.length, state.work], [null, 18_914, null]);
  controller.close();
});

test('a_folder_can_stand_for_another_class_or_be_left_out', async () => {
  const { controller, state } = setUp(() => ({}));
  await controller.start();
  await controller.choose([...folder(), picture('d/unknown/1.png', 99)]);
  const group = () => state.folder?.groups.find(({ name }) => name === 'unknown');
  assert.equal(controller.samples().length, 10);
  const unknown = group();
  assert.ok(unknown);
  controller.assign(unknown, 1);
  assert.equal(controller.samples().filter(({ label }) => label === 1).length, 6);
  controller.close();
});

test('a_picture_that_the_decoder_refuses_is_named_and_the_others_go_on', async () => {
  let calls = 0;
  const { controller, state } = setUp(() => ({
    siteAdd: () => (calls++ === 3 ? Promise.reject(fault('wrong-file', 'Damaged.')) : Promise.resolve(null)),
  }));
  await controller.start();
  await controller.choose(folder());
  const problems = state.folder?.problems;
  await controller.encode();
  assert.deepEqual([calls, state.fault, problems?.map(({ reason }) => reason)], [10, null, ['Damaged.']]);
  controller.close();
});

test('encoding_can_be_stopped_and_keeps_the_folder', async () => {
  const { controller, state } = setUp(() => ({ siteAdd: () => soon(10).then(() => null) }));
  await controller.start();
  await controller.choose(folder());
  const encoding = controller.encode();
  await soon(25);
  controller.cancel();
  await encoding;
  assert.deepEqual([state.fault?.code, state.work, state.folder?.groups.length], ['cancelled', null, 2]);
  controller.close();
});

test('the_round_is_followed_while_images_are_encoded', async () => {
  let asked = 0;
  const { controller } = setUp(() => ({
    siteAdd: () => soon(15).then(() => null),
    siteRefresh: async () => {
      asked++;
      return siteView({ rounds: [round({ state: 'confirming', duty: 'wait' })] });
    },
  }));
  await controller.start();
  await controller.choose(folder());
  const before = asked;
  await controller.encode();
  assert.ok(asked - before >= 2, `asked ${asked - before} times`);
  controller.close();
});

test('a_relay_that_is_silent_is_asked_again_and_said_calmly', async () => {
  let asked = 0;
  const { controller, state, faults } = setUp(() => ({
    siteRefresh: () => (asked++ < 2 ? Promise.reject(fault('no-relay')) : Promise.resolve(siteView())),
  }));
  await controller.start();
  await soon(15);
  assert.match(state.silence, /relay/);
  await soon(60);
  assert.deepEqual([state.silence, faults], ['', []]);
  controller.close();
});

test('a_worker_that_dies_is_replaced_and_takes_the_site_from_the_vault', async () => {
  let restored = 0;
  const { controller, state, workers } = setUp(() => ({
    siteRestore: async () => {
      restored++;
      return siteView();
    },
    siteRefresh: async () => siteView(),
  }));
  await controller.start();
  workers[0]?.crash();
  await soon(60);
  assert.deepEqual([workers.length, restored], [2, 2]);
  assert.match(state.notice, /started again/);
  assert.equal(state.view?.site, 1);
  controller.close();
});

test('a_gpu_build_that_dies_while_encoding_is_left_for_the_cpu_and_every_picture_is_encoded_there', async () => {
  let onCpu = 0;
  const { controller, state, starts } = setUp((n) => ({
    start: async (options) => {
      starts.push(options);
      return { build: n === 0 ? 'webgpu' : 'cpu', why: '' };
    },
    siteAdd: () => (n === 0 ? Promise.reject(fault('internal', 'device lost')) : Promise.resolve(null)),
    siteFinish: async () => {
      onCpu = n;
      return siteView();
    },
  }));
  await controller.start();
  await controller.choose(folder());
  await controller.encode();
  assert.deepEqual([state.fault, onCpu], [null, 1]);
  assert.match(starts[1]?.fallback ?? '', /device lost/);
  controller.close();
});

test('noise_is_offered_and_sent_with_the_contribution', async () => {
  const sent: unknown[] = [];
  const offer = { epsilon: 3.9, delta: 1e-5, alone_epsilon: 6, count_deviation: 5, sum_deviation: 900 };
  const { controller, state } = setUp(() => ({
    siteRestore: async () => siteView({ rounds: [round()] }),
    siteNoise: async () => offer,
    siteContribute: async (args) => {
      sent.push(args);
      return siteView({ rounds: [round({ duty: 'wait', contributed: [1] })] });
    },
  }));
  await controller.start();
  const noise = { epsilon: 4, delta: 1e-5 };
  await controller.wishNoise(noise);
  assert.deepEqual(state.offer, offer);
  await controller.contribute(1);
  assert.deepEqual(sent, [{ round: 1, noise }]);
  assert.equal(state.view?.rounds[0]?.duty, 'wait');
  controller.close();
});

test('a_folder_without_labelled_pictures_is_refused_with_advice', async () => {
  const { controller, state } = setUp(() => ({}));
  await controller.start();
  await controller.choose([{ path: 'd/yes/notes.txt', file: new File(['words'], 'notes.txt') }]);
  assert.equal(state.fault?.code, 'wrong-file');
  assert.match(state.fault?.action ?? '', /sub-folder/);
  controller.close();
});

test('a_site_that_is_removed_leaves_nothing_to_follow', async () => {
  let asked = 0;
  const { controller, state } = setUp(() => ({
    siteForget: async () => null,
    siteRefresh: async () => {
      asked++;
      return siteView();
    },
  }));
  await controller.start();
  await soon(15);
  await controller.forget();
  const last = asked;
  await soon(40);
  assert.deepEqual([state.view, asked], [null, last]);
  controller.close();
});
