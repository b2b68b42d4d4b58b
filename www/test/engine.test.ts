import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Client, ClientModule, WebGpuReport } from '../src/core/client-types.ts';
import { fault } from '../src/core/fault.ts';
import type { CallEvent } from '../src/core/protocol.ts';
import { Engine } from '../src/worker/engine.ts';

const hardware: WebGpuReport = { available: true, software: false, adapter: 'acme', reason: '' };

const never = () => Promise.reject(new Error('not expected here'));

const client = (name: string) =>
  ({
    card: () => ({ id: 'm', title: 'M', version: '1', task: '', classes: [] }),
    backend: () => name,
  }) as unknown as Client;

function engineWith(gpuOpen: () => Promise<Client>, fetchGpu = async () => new Response()) {
  const fetched: string[] = [];
  const module = (open: () => Promise<Client>) =>
    ({
      default: async () => undefined,
      detect_webgpu: async () => hardware,
      phantom_png: (seed: number) => Uint8Array.of(seed),
      Client: { open },
      Site: { enrol: never, restore: never },
    }) satisfies ClientModule;
  const watch = (name: string, fetch: () => Promise<Response>) => () => {
    fetched.push(name);
    return fetch();
  };
  const engine = new Engine({
    cpu: { module: module(async () => client('cpu')), fetchWasm: watch('cpu', async () => new Response()) },
    webgpu: { module: module(gpuOpen), fetchWasm: watch('webgpu', fetchGpu) },
  });
  const events: CallEvent[] = [];
  const context = { emit: (event: CallEvent) => events.push(event), signal: new AbortController().signal };
  return { engine, fetched, events, context };
}

test('a_token_is_kept_by_the_client_between_the_check_and_the_request', async () => {
  const calls: string[] = [];
  const kept = {
    ...client('cpu'),
    examine: async () => {
      calls.push('examine');
      return null;
    },
    proceed: async () => {
      calls.push('proceed');
      return {};
    },
    forget: () => calls.push('forget'),
    purify_plan: (relays: number) => {
      calls.push(`plan for ${relays}`);
      return {};
    },
    purify: async ({ where }: { where: string }) => {
      calls.push(`purify ${where}`);
      return {};
    },
    discard_purified: () => calls.push('discard'),
  } as unknown as Client;
  const { engine, context } = engineWith(async () => kept);
  await engine.start({ assets: '/', wish: 'auto' }, context);
  await engine.forget();
  await engine.discardPurified();
  await assert.rejects(engine.proceed(null, context), { code: 'internal' });
  await engine.open(place, context);
  await engine.examine({ bytes: new Uint8Array() }, context);
  await engine.purifyPlan({ relays: 3 });
  await engine.purify({ where: 'device', steps: 1 }, context);
  await engine.discardPurified();
  await engine.proceed(null, context);
  await engine.forget();
  assert.deepEqual(calls, ['examine', 'plan for 3', 'purify device', 'discard', 'proceed', 'forget']);
});

const place = { relay: 'http://relay.test', model: 'm' };

test('the_gpu_build_is_loaded_after_the_small_one_that_looks_for_it', async () => {
  const { engine, fetched, context } = engineWith(async () => client('webgpu'));
  await engine.start({ assets: '/', wish: 'auto' }, context);
  assert.deepEqual(fetched, ['cpu', 'webgpu']);
  assert.equal((await engine.open(place, context)).backend, 'webgpu');
});

test('on_the_cpu_the_gpu_build_is_never_downloaded', async () => {
  const { engine, fetched, context } = engineWith(async () => client('webgpu'));
  await engine.start({ assets: '/', wish: 'cpu' }, context);
  assert.equal((await engine.open(place, context)).backend, 'cpu');
  assert.deepEqual(fetched, ['cpu']);
});

test('a_gpu_build_that_cannot_be_loaded_is_replaced_and_said', async () => {
  const { engine, context } = engineWith(
    async () => client('webgpu'),
    async () => Promise.reject(new Error('integrity mismatch')),
  );
  const { why } = await engine.start({ assets: '/', wish: 'auto' }, context);
  assert.match(why, /WebGPU build did not start.*integrity mismatch/);
  assert.equal((await engine.open(place, context)).backend, 'cpu');
});

test('a_gpu_build_that_cannot_open_is_replaced_and_said', async () => {
  const { engine, events, context } = engineWith(() => Promise.reject(fault('internal', 'WebGPU gave no device')));
  await engine.start({ assets: '/', wish: 'auto' }, context);
  const opened = await engine.open(place, context);
  assert.equal(opened.backend, 'cpu');
  assert.match(opened.why, /no device/);
  assert.ok(events.some((event) => event.type === 'notice'));
});

test('a_relay_that_is_down_is_no_reason_to_leave_the_gpu', async () => {
  const { engine, context } = engineWith(() => Promise.reject(fault('no-relay')));
  await engine.start({ assets: '/', wish: 'auto' }, context);
  await assert.rejects(engine.open(place, context), { code: 'no-relay' });
});
