/** A worker without a thread, for unit tests only: the real `serve` behind the interface of a Worker. */

import type { FromWorker, Port, ToWorker } from '../../src/core/protocol.ts';
import type { WorkerLike } from '../../src/core/remote.ts';
import { type Handlers, serve } from '../../src/worker/serve.ts';

type Listener = (event: { data: FromWorker; message?: string }) => void;

export class FakeWorker implements WorkerLike {
  readonly sent: ToWorker[] = [];
  terminated = false;
  readonly #listeners = new Map<string, Listener[]>();
  readonly #inside: ((event: { data: ToWorker }) => void)[] = [];

  constructor(handlers?: Handlers) {
    if (!handlers) return;
    const inside: Port<ToWorker, FromWorker> = {
      postMessage: (message) => queueMicrotask(() => this.say(message)),
      addEventListener: (_type, listener) => this.#inside.push(listener),
    };
    serve(inside, handlers);
  }

  postMessage(message: ToWorker): void {
    this.sent.push(message);
    for (const listener of this.#inside) queueMicrotask(() => listener({ data: message }));
  }

  addEventListener(type: string, listener: (event: never) => void): void {
    this.#listeners.set(type, [...(this.#listeners.get(type) ?? []), listener as Listener]);
  }

  terminate(): void {
    this.terminated = true;
  }

  /** The worker says something. */
  say(message: FromWorker): void {
    if (!this.terminated) for (const listener of this.#listeners.get('message') ?? []) listener({ data: message });
  }

  /** An uncaught error in the worker. */
  crash(message = 'unreachable'): void {
    for (const listener of this.#listeners.get('error') ?? []) listener({ data: { kind: 'pong' }, message });
  }
}

const never = () => Promise.reject(new Error('not expected here'));

/** Handlers of which a test replaces those it needs. */
export const handlers = (some: Partial<Handlers>): Handlers => ({
  start: async () => ({ build: 'cpu', why: 'CPU, in a test.' }),
  open: never,
  preview: never,
  examine: async () => null,
  proceed: never,
  forget: async () => null,
  purifyPlan: never,
  purify: never,
  discardPurified: async () => null,
  phantom: never,
  siteRestore: async () => null,
  siteEnrol: never,
  siteRefresh: never,
  siteTrust: never,
  siteBegin: never,
  siteAdd: never,
  siteFinish: never,
  siteNoise: never,
  siteContribute: never,
  siteForget: never,
  ...some,
});

export const soon = (ms = 5): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
