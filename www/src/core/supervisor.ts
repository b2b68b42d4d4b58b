/** Keeps a worker running: starts it, starts it again when it dies, and leaves the GPU build after it died on one. */

import type { BackendWish } from './backend-choice.ts';
import { type Fault, fault } from './fault.ts';
import type { Calls, Method } from './protocol.ts';
import { type CallOptions, LIMITS, type Limits, Remote, type RemoteHooks, type WorkerLike } from './remote.ts';

/** A worker whose death is told had started; what it had opened must be opened again. */
export type SupervisorHooks = RemoteHooks;

/** A worker that dies right after its start is not started again until it is needed. */
const REVIVAL_PAUSE_MS = 5_000;

export class Supervisor {
  readonly #spawn: () => Promise<WorkerLike>;
  readonly #hooks: SupervisorHooks;
  readonly #options: { assets: string; wish: BackendWish };
  readonly #limits: Limits;
  #remote: Remote | null = null;
  #started: Promise<Remote> | null = null;
  #fallback: string | undefined;
  #build = 'cpu';
  #closed = false;
  #revivedAt = 0;

  constructor(
    spawn: () => Promise<WorkerLike>,
    options: { assets: string; wish: BackendWish },
    hooks: SupervisorHooks,
    limits: Limits = LIMITS,
  ) {
    this.#spawn = spawn;
    this.#options = options;
    this.#hooks = hooks;
    this.#limits = limits;
  }

  /** Counts the lives of the worker: a client opened in an earlier one is gone. */
  generation = 0;

  /** From now on the CPU build only; `why` is shown. Takes effect with the next worker. */
  leaveGpu(why: string): void {
    this.#fallback = why;
  }

  /** Whether the GPU build runs, or ran last. */
  get onGpu(): boolean {
    return this.#build === 'webgpu';
  }

  async call<M extends Method>(
    method: M,
    args: Calls[M]['args'],
    options: CallOptions = {},
  ): Promise<Calls[M]['value']> {
    const remote = await this.#ready(options);
    return remote.call(method, args, options);
  }

  /** Ends a living worker; the next call starts another. */
  restart(): void {
    this.#remote?.close();
    this.#started = null;
    this.generation++;
  }

  /** Starts a dead worker again right away, but not over and over. */
  revive(): void {
    const now = Date.now();
    if (!this.#remote?.dead || now - this.#revivedAt < REVIVAL_PAUSE_MS) return;
    this.#revivedAt = now;
    this.#ready({}).catch(() => undefined);
  }

  close(): void {
    this.#closed = true;
    this.#remote?.close();
  }

  async #ready(options: CallOptions): Promise<Remote> {
    if (this.#closed) throw fault('cancelled');
    if (this.#remote?.dead) this.#started = null;
    this.#started ??= this.#start(options).catch((thrown) => {
      this.#started = null;
      throw thrown;
    });
    return this.#started;
  }

  async #start(options: CallOptions): Promise<Remote> {
    const worker = await this.#spawn();
    let alive = false;
    const remote = new Remote(
      worker,
      {
        ...this.#hooks,
        onDeath: (why) => {
          this.generation++;
          this.#started = null;
          if (alive) this.#hooks.onDeath(why);
        },
      },
      this.#limits,
    );
    this.#remote = remote;
    try {
      const started = await remote.call(
        'start',
        { ...this.#options, ...(this.#fallback ? { fallback: this.#fallback } : {}) },
        options,
      );
      this.#build = started.build;
    } catch (thrown) {
      remote.close();
      this.#remote = null;
      // Before it had started, a crash means that its code did not load.
      throw (thrown as Fault).code === 'crashed' ? fault('no-code') : thrown;
    }
    alive = true;
    return remote;
  }
}
