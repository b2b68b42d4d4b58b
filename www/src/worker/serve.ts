/** The worker's side of the calls: one answer per call, events in between, cancelling by AbortSignal. */

import { toFault } from '../core/fault.ts';
import type { CallEvent, Calls, FromWorker, Method, Port, ToWorker } from '../core/protocol.ts';

export interface CallContext {
  emit: (event: CallEvent) => void;
  signal: AbortSignal;
}

export type Handlers = {
  [M in Method]: (args: Calls[M]['args'], context: CallContext) => Promise<Calls[M]['value']>;
};

export function serve(port: Port<ToWorker, FromWorker>, handlers: Handlers): void {
  const running = new Map<number, AbortController>();

  const controllerOf = (id: number): AbortController => {
    const controller = running.get(id) ?? new AbortController();
    running.set(id, controller);
    return controller;
  };

  const call = async (message: Extract<ToWorker, { kind: 'call' }>) => {
    const { id, method, args } = message;
    const { signal } = controllerOf(id);
    const emit = (event: CallEvent) => port.postMessage({ kind: 'event', id, event });
    try {
      const handler = handlers[method] as (args: unknown, context: CallContext) => Promise<Calls[Method]['value']>;
      port.postMessage({ kind: 'value', id, value: await handler(args, { emit, signal }) });
    } catch (thrown) {
      port.postMessage({ kind: 'fault', id, fault: toFault(thrown) });
    } finally {
      running.delete(id);
    }
  };

  // The client of client-wasm does one thing at a time: a call waits for the one before it.
  let last: Promise<void> = Promise.resolve();
  port.addEventListener('message', ({ data }) => {
    if (data.kind === 'ping') port.postMessage({ kind: 'pong' });
    else if (data.kind === 'cancel') running.get(data.id)?.abort();
    else {
      controllerOf(data.id);
      last = last.then(() => call(data));
    }
  });
}
