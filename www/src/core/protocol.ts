/** The messages between the page and its worker, and the calls they carry. */

import type { BackendWish } from './backend-choice.ts';
import type {
  Answer,
  ClientEvent,
  ModelCard,
  Picture,
  Purified,
  PurifyOptions,
  PurifyPlan,
  Verdict,
} from './client-types.ts';
import type { Fault } from './fault.ts';
import type { Sighting } from './ledger.ts';
import type { Noise, NoiseOffer, SiteView } from './site/site-types.ts';

export interface StartOptions {
  /** Directory of the build, with a slash at its end. */
  assets: string;
  wish: BackendWish;
  /** Why `wish` is not what the page asked for, after the GPU build stopped. */
  fallback?: string;
}

export interface Opened {
  card: ModelCard;
  /** `cpu` or `webgpu`. */
  backend: string;
  why: string;
}

/** Loading the program counts as a step of its own, before those of client-wasm. */
export interface CodeEvent {
  type: 'step';
  step: 'code';
  done: number;
  total: number;
  ms?: number;
}

export interface NoticeEvent {
  type: 'notice';
  text: string;
}

export type CallEvent = ClientEvent | CodeEvent | NoticeEvent;

/** The calls of a scan. Image bytes go in; no key and no CLS token comes back: between `examine` and `proceed` it stays in the module. */
export interface ScanCalls {
  open: { args: { relay: string; model: string }; value: Opened };
  preview: { args: { bytes: Uint8Array }; value: Picture };
  examine: { args: { bytes: Uint8Array }; value: Verdict | null };
  proceed: { args: null; value: Answer };
  forget: { args: null; value: null };
  purifyPlan: { args: { relays: number }; value: PurifyPlan };
  purify: { args: PurifyOptions; value: Purified };
  discardPurified: { args: null; value: null };
  phantom: { args: { seed: number; lesion: boolean }; value: Uint8Array };
}

/** The calls of a site. Images go in; no key, no token and no statistics come back, only what a person is shown. */
export interface SiteCalls {
  /** The site that an earlier visit left in this browser, if any. */
  siteRestore: { args: null; value: SiteView | null };
  siteEnrol: { args: { relay: string; invitation: string }; value: SiteView };
  siteRefresh: { args: null; value: SiteView };
  siteTrust: { args: { fingerprint: string }; value: SiteView };
  siteBegin: { args: null; value: null };
  siteAdd: { args: { image: Blob; label: number; heldOut: boolean }; value: null };
  siteFinish: { args: null; value: SiteView };
  siteNoise: { args: Noise; value: NoiseOffer };
  siteContribute: { args: { round: number; noise: Noise | null }; value: SiteView };
  /** Destroys the identity, the token and the statistics in this browser. */
  siteForget: { args: null; value: null };
}

export interface Calls extends ScanCalls, SiteCalls {
  start: { args: StartOptions; value: { build: 'cpu' | 'webgpu'; why: string } };
}

export type Method = keyof Calls;

export type ToWorker =
  | { kind: 'call'; id: number; method: Method; args: Calls[Method]['args'] }
  | { kind: 'cancel'; id: number }
  | { kind: 'ping' };

export type FromWorker =
  | { kind: 'value'; id: number; value: Calls[Method]['value'] }
  | { kind: 'fault'; id: number; fault: Fault }
  | { kind: 'event'; id: number; event: CallEvent }
  | { kind: 'sightings'; sightings: Sighting[] }
  | { kind: 'dead'; message: string }
  | { kind: 'pong' };

/** A worker, or the worker's own side: whatever posts and receives messages. */
export interface Port<In, Out> {
  postMessage(message: Out, transfer?: Transferable[]): void;
  addEventListener(type: 'message', listener: (event: { data: In }) => void): void;
}
