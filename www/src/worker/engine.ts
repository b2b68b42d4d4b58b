/** What the worker does with the two builds: load, choose, open, and fall back to the CPU where the GPU build fails. */

import { type BackendChoice, chooseBackend } from '../core/backend-choice.ts';
import type { Client, ClientModule, PurifyOptions } from '../core/client-types.ts';
import { type FaultCode, fault, toFault } from '../core/fault.ts';
import type { Opened, ScanCalls, StartOptions } from '../core/protocol.ts';
import type { CallContext, Handlers } from './serve.ts';

export interface Build {
  module: ClientModule;
  /** Fetches the WASM file, its SHA-384 checked by the browser. */
  fetchWasm: (assets: string, signal: AbortSignal) => Promise<Response>;
}

export type Builds = Record<BackendChoice['build'], Build>;

/** Faults of the relay, the model or the person: another backend would meet them as well. */
const NOT_THE_BACKEND = new Set<FaultCode>([
  'no-relay',
  'wrong-version',
  'no-model',
  'corrupt-pack',
  'budget',
  'busy',
  'cancelled',
  'wrong-file',
  'too-large',
]);

export class Engine implements Pick<Handlers, 'start' | keyof ScanCalls> {
  readonly #builds: Builds;
  readonly #loaded = new Map<BackendChoice['build'], Promise<ClientModule>>();
  #assets = '';
  #choice: BackendChoice = { build: 'cpu', why: '' };
  #client: Client | null = null;

  constructor(builds: Builds) {
    this.#builds = builds;
  }

  /** Loads the CPU build, which is small and also looks for WebGPU, then the GPU build if that is chosen. */
  start = async (options: StartOptions, { emit, signal }: CallContext): Promise<BackendChoice> => {
    const began = performance.now();
    emit({ type: 'step', step: 'code', done: 0, total: 2 });
    this.#assets = options.assets;
    const cpu = await this.#load('cpu', signal);
    emit({ type: 'step', step: 'code', done: 1, total: 2 });
    this.#choice = chooseBackend(options.wish, await cpu.detect_webgpu());
    if (options.fallback) this.#choice = { build: 'cpu', why: options.fallback };
    if (this.#choice.build === 'webgpu') await this.#loadGpu(signal);
    emit({ type: 'step', step: 'code', done: 2, total: 2, ms: performance.now() - began });
    return this.#choice;
  };

  open = async (args: { relay: string; model: string }, context: CallContext): Promise<Opened> => {
    this.#close();
    const client = await this.#openOrFallBack(args, context);
    this.#client = client;
    return { card: client.card(), backend: client.backend(), why: this.#choice.why };
  };

  preview = async ({ bytes }: { bytes: Uint8Array }) => this.#opened().preview(bytes);

  examine = async ({ bytes }: { bytes: Uint8Array }, { emit, signal }: CallContext) =>
    this.#opened().examine(bytes, emit, signal);

  proceed = async (_args: null, { emit, signal }: CallContext) => this.#opened().proceed(emit, signal);

  forget = async (): Promise<null> => {
    this.#client?.forget();
    return null;
  };

  purifyPlan = async ({ relays }: { relays: number }) => this.#opened().purify_plan(relays);

  purify = async (options: PurifyOptions, { emit, signal }: CallContext) =>
    this.#opened().purify(options, emit, signal);

  discardPurified = async (): Promise<null> => {
    this.#client?.discard_purified();
    return null;
  };

  phantom = async ({ seed, lesion }: { seed: number; lesion: boolean }, { signal }: CallContext) =>
    (await this.#load('cpu', signal)).phantom_png(seed, lesion);

  /** The build that was chosen, for whatever else runs in this worker. */
  chosen = (signal: AbortSignal): Promise<ClientModule> => this.#load(this.#choice.build, signal);

  #opened(): Client {
    if (!this.#client) throw fault('internal', 'The model is not open yet.');
    return this.#client;
  }

  #close(): void {
    this.#client?.free?.();
    this.#client = null;
  }

  async #openOrFallBack(args: { relay: string; model: string }, { emit, signal }: CallContext): Promise<Client> {
    const build = await this.#load(this.#choice.build, signal);
    try {
      return await build.Client.open(args, emit, signal);
    } catch (thrown) {
      const why = toFault(thrown);
      if (this.#choice.build === 'cpu' || NOT_THE_BACKEND.has(why.code)) throw thrown;
      this.#fallBack(why.message);
      emit({ type: 'notice', text: this.#choice.why });
      return (await this.#load('cpu', signal)).Client.open(args, emit, signal);
    }
  }

  async #loadGpu(signal: AbortSignal): Promise<void> {
    try {
      await this.#load('webgpu', signal);
    } catch (thrown) {
      if (signal.aborted) throw thrown;
      this.#fallBack(toFault(thrown).message);
    }
  }

  #fallBack(reason: string): void {
    this.#choice = { build: 'cpu', why: `The WebGPU build did not start: ${reason}` };
  }

  #load(name: BackendChoice['build'], signal: AbortSignal): Promise<ClientModule> {
    const known = this.#loaded.get(name);
    if (known) return known;
    const { module, fetchWasm } = this.#builds[name];
    const loading = fetchWasm(this.#assets, signal)
      .then((response) => module.default({ module_or_path: response }))
      .then(() => module)
      .catch((thrown) => {
        this.#loaded.delete(name);
        throw signal.aborted
          ? fault('cancelled')
          : fault('no-code', `The program could not be loaded: ${toFault(thrown).message}`);
      });
    this.#loaded.set(name, loading);
    return loading;
  }
}
