/** The page's side of the calls to one worker: time limits, cancelling, and noticing that the worker has died. */

import type { RequestRecord } from './client-types.ts';
import { type Fault, fault } from './fault.ts';
import type { Sighting } from './ledger.ts';
import type { CallEvent, Calls, FromWorker, Method, Port, ToWorker } from './protocol.ts';

export interface WorkerLike extends Port<FromWorker, ToWorker> {
  addEventListener(type: 'message', listener: (event: { data: FromWorker }) => void): void;
  addEventListener(type: 'error' | 'messageerror', listener: (event: { message?: string }) => void): void;
  terminate(): void;
}

export interface Limits {
  /** A call may be this long without an event. */
  quietMs: number;
  /** A cancelled call must end within this time, or the worker is terminated. */
  cancelMs: number;
  /** How often a busy worker is asked for a sign of life. */
  pingMs: number;
  /** A worker silent for this long is taken for dead. */
  silentMs: number;
}

export const LIMITS: Limits = { quietMs: 90_000, cancelMs: 2_000, pingMs: 3_000, silentMs: 45_000 };

export interface CallOptions {
  signal?: AbortSignal | undefined;
  onEvent?: ((event: CallEvent) => void) | undefined;
  transfer?: Transferable[];
}

export interface RemoteHooks {
  onDeath: (why: Fault) => void;
  onSightings: (sightings: Sighting[]) => void;
  /** A request that was told of after the call that made it had ended, such as one that clears up. */
  onLateRequest: (request: RequestRecord) => void;
}

interface Pending {
  settle: (outcome: { value: unknown } | { fault: Fault }) => void;
  onEvent: ((event: CallEvent) => void) | undefined;
  restartClock: () => void;
}

export class Remote {
  readonly #worker: WorkerLike;
  readonly #limits: Limits;
  readonly #pending = new Map<number, Pending>();
  readonly #hooks: RemoteHooks;
  #lastId = 0;
  #dead = false;
  #heard = Date.now();
  #heartbeat: ReturnType<typeof setInterval> | undefined;

  constructor(worker: WorkerLike, hooks: RemoteHooks, limits: Limits = LIMITS) {
    this.#worker = worker;
    this.#limits = limits;
    this.#hooks = hooks;
    worker.addEventListener('message', ({ data }) => this.#receive(data));
    worker.addEventListener('error', (event) => this.#die(fault('crashed', described(event.message))));
    worker.addEventListener('messageerror', () => this.#die(fault('crashed')));
  }

  get dead(): boolean {
    return this.#dead;
  }

  call<M extends Method>(method: M, args: Calls[M]['args'], options: CallOptions = {}): Promise<Calls[M]['value']> {
    if (this.#dead) return Promise.reject(fault('crashed'));
    if (options.signal?.aborted) return Promise.reject(fault('cancelled'));
    const id = ++this.#lastId;
    return new Promise((resolve, reject) => {
      this.#track(id, options, (outcome) =>
        'fault' in outcome ? reject(outcome.fault) : resolve(outcome.value as Calls[M]['value']),
      );
      this.#worker.postMessage({ kind: 'call', id, method, args }, options.transfer ?? []);
    });
  }

  /** Ends the worker; calls still under way end as cancelled. */
  close(): void {
    this.#end(fault('cancelled'));
  }

  #track(id: number, { signal, onEvent }: CallOptions, settle: Pending['settle']): void {
    let quiet: ReturnType<typeof setTimeout>;
    let grace: ReturnType<typeof setTimeout> | undefined;
    const restartClock = () => {
      clearTimeout(quiet);
      quiet = setTimeout(() => this.#die(fault('timeout')), this.#limits.quietMs);
    };
    const cancel = () => {
      this.#worker.postMessage({ kind: 'cancel', id });
      grace = setTimeout(() => this.#die(fault('cancelled')), this.#limits.cancelMs);
    };
    restartClock();
    signal?.addEventListener('abort', cancel, { once: true });
    this.#pending.set(id, {
      onEvent,
      restartClock,
      settle: (outcome) => {
        clearTimeout(quiet);
        clearTimeout(grace);
        signal?.removeEventListener('abort', cancel);
        this.#pending.delete(id);
        if (this.#pending.size === 0) this.#listenForHeart(false);
        settle(outcome);
      },
    });
    this.#listenForHeart(true);
  }

  #receive(message: FromWorker): void {
    if (this.#dead) return;
    this.#heard = Date.now();
    if (message.kind === 'sightings') this.#hooks.onSightings(message.sightings);
    else if (message.kind === 'dead') this.#die(fault('crashed', described(message.message)));
    else if (message.kind !== 'pong') this.#answer(message);
  }

  #answer(message: Extract<FromWorker, { id: number }>): void {
    const pending = this.#pending.get(message.id);
    if (message.kind === 'event') {
      pending?.restartClock();
      pending?.onEvent?.(message.event);
      if (!pending && message.event.type === 'request') this.#hooks.onLateRequest(message.event.request);
    } else pending?.settle(message.kind === 'value' ? { value: message.value } : { fault: message.fault });
  }

  #listenForHeart(on: boolean): void {
    if (!on) {
      clearInterval(this.#heartbeat);
      this.#heartbeat = undefined;
      return;
    }
    if (this.#heartbeat !== undefined) return;
    this.#heard = Date.now();
    this.#heartbeat = setInterval(() => {
      if (Date.now() - this.#heard > this.#limits.silentMs) this.#die(fault('timeout'));
      else this.#worker.postMessage({ kind: 'ping' });
    }, this.#limits.pingMs);
  }

  #die(why: Fault): void {
    if (this.#dead) return;
    this.#end(why);
    this.#hooks.onDeath(why);
  }

  #end(why: Fault): void {
    this.#dead = true;
    this.#listenForHeart(false);
    this.#worker.terminate();
    for (const pending of [...this.#pending.values()]) pending.settle({ fault: why });
  }
}

const described = (message: string | undefined): string | undefined =>
  message ? `The part of this page that computes stopped (${message}) and was started again.` : undefined;
