/**
 * The interface of client-wasm as the worker uses it. Written by hand: the generated `client_wasm.d.ts` types every structured
 * value as `any`, and it does not exist before the WASM build.
 */

import type { SiteClass } from './site/site-types.ts';

export type StepName =
  | 'models'
  | 'card'
  | 'encoder'
  | 'detector'
  | 'key'
  | 'session'
  | 'decode'
  | 'detect'
  | 'encode'
  | 'purifier'
  | 'purify'
  | 'seal'
  | 'send'
  | 'open';

export interface StepEvent {
  type: 'step';
  step: StepName;
  done: number;
  total: number;
  /** Milliseconds the step took; present when it has ended. */
  ms?: number;
}

export interface RequestRecord {
  id: number;
  method: string;
  url: string;
  purpose: string;
  bytes_out: number;
  bytes_in: number;
  status: number;
  ms: number;
  /** Hex of the first bytes that left. */
  preview_out: string;
  /** Hex of the first bytes that came back. */
  preview_in: string;
  /** What the bytes are, in words. */
  content: string;
  /** True when the browser's cache answered and nothing was sent. */
  cached: boolean;
}

export interface RequestEvent {
  type: 'request';
  request: RequestRecord;
}

export type ClientEvent = StepEvent | RequestEvent;

export interface ClassProbability {
  id: string;
  label: string;
  probability: number;
  logit: number;
}

export interface Timings {
  decode: number;
  /** 0 for a model without a detector. */
  detect: number;
  encode: number;
  seal: number;
  relay: number;
  open: number;
}

export interface Answer {
  model: string;
  version: string;
  classes: ClassProbability[];
  /** Index of the most probable class. */
  top: number;
  backend: string;
  timings: Timings;
  sealed_bytes: number;
  answer_bytes: number;
  budget_left: number | null;
  /** How the image was purified that this answer was computed from; null for an image as it was chosen. */
  purified: PurifyFacts | null;
}

/** What the detector found in one image, before anything of it was sent. */
export interface Verdict {
  score: number;
  /** Share of clean validation images with at least this score. */
  clean_share: number;
  /** Values of the card's features, in its order, not yet standardised. */
  features: number[];
  /** Patches of a side. */
  grid: number;
  /** Error of each patch in standard deviations of clean images, row by row: `grid` × `grid` numbers. */
  map: number[];
  /** Milliseconds of the check. */
  ms: number;
}

export interface RocPoint {
  threshold: number;
  false_positive_rate: number;
  true_positive_rate: number;
}

/** The part of a card that tells of its detector. */
export interface DetectorCard {
  sha256: string;
  bytes: number;
  /** Images of at least this score are flagged. */
  threshold: number;
  false_positive_rate: number;
  /** Quantiles 0 %, 1 % … 100 % of the scores of clean validation images. */
  clean_quantiles: number[];
  roc: RocPoint[];
  /** What `roc` was measured on. */
  attack: string;
  features: { name: string; mean: number; std: number; weight: number }[];
  training?: Record<string, unknown>;
}

/** The part of a card that tells of its purifier. */
export interface PurifierCard {
  sha256: string;
  bytes: number;
  /** The noise level for scores from `from_score` on, ascending; below the first an image is not purified. */
  levels: { from_score: number; t: number }[];
  /** Steps by default, 1 to 20. */
  steps: number;
  training?: Record<string, unknown>;
}

/** Where and how an image was purified. */
export interface PurifyFacts {
  where: 'device' | 'relays';
  /** Noise level, 1 to 1000. */
  t: number;
  /** Steps of denoising, 1 to 20. */
  steps: number;
}

export type PurifyOptions =
  | { where: 'device'; steps: number }
  | {
      where: 'relays';
      steps: number;
      /** Addresses without a slash at their end. */
      relays: string[];
      /** That a person has agreed to one relay holding all tiles; without it a single relay is refused. */
      one_relay_holds_all: boolean;
    };

/** What would be shown to whom, told before anything is sent. */
export interface PurifyPlan {
  /** Relays that get tiles; those beyond them step in where one fails. */
  relays: number;
  /** Largest share of the image's area that one relay may see under noise, 0 to 1. */
  share: number;
  tiles: number;
}

/** What one relay did. */
export interface PurifyRelay {
  url: string;
  /** Tiles that it gave back. */
  tiles: number;
  /** Share of the image's area that it was sent under noise, 0 to 1. */
  share: number;
  /** `spare` got nothing; a `failed` one was lost, or its result was refused. */
  state: 'spare' | 'used' | 'failed';
  error?: string | null;
}

/** A purified image, whose token is kept in the place of the original's. */
export interface Purified extends PurifyFacts {
  /** Milliseconds that it took. */
  ms: number;
  before: Picture;
  after: Picture;
  /** The change of each pixel, eight-fold. */
  difference: Picture;
  /** The detector's verdict on the purified image. */
  verdict: Verdict | null;
  /** PSNR in dB, null for an image that did not change; the largest change of a pixel, 0 to 1. */
  change: { psnr: number | null; max: number };
  relays: PurifyRelay[];
  /** Tiles that no relay gave back and this device purified itself. */
  localTiles: number;
}

export interface ModelCard {
  id: string;
  title: string;
  version: string;
  task: string;
  classes: { id: string; label: string }[];
  cls?: { dim?: number };
  encoder?: { bytes?: number; storage?: string; architecture?: Record<string, unknown> };
  /** Absent from packs that have none, and from cards of earlier versions. */
  detector?: DetectorCard | null;
  purifier?: PurifierCard | null;
  he_parameters?: string;
  training?: Record<string, unknown>;
  metrics?: Record<string, unknown>;
  limits?: string[];
  licence?: string;
  provenance?: unknown;
}

/** The letterboxed picture that the encoder sees. */
export interface Picture {
  width: number;
  height: number;
  rgba: Uint8Array;
}

export interface WebGpuReport {
  available: boolean;
  /** True for a software adapter such as SwiftShader. */
  software: boolean;
  adapter: string;
  reason: string;
}

export interface Client {
  card(): ModelCard;
  /** `cpu` or `webgpu`. */
  backend(): string;
  preview(bytes: Uint8Array): Picture;
  /** Encodes the picture and keeps its token inside the module; null where the model has no detector. Nothing is sent. */
  examine(bytes: Uint8Array, on_event: (event: ClientEvent) => void, signal: AbortSignal): Promise<Verdict | null>;
  /** Seals the kept token, sends it and opens the answer. The token serves once. */
  proceed(on_event: (event: ClientEvent) => void, signal: AbortSignal): Promise<Answer>;
  /** Overwrites the kept token. */
  forget(): void;
  /** What `purify` with so many relays would show to each; throws where tiles cannot be dealt to them. */
  purify_plan(relays: number): PurifyPlan;
  /** Purifies the image whose token is kept, and keeps the purified image's token beside it. A failure leaves the original's. */
  purify(options: PurifyOptions, on_event: (event: ClientEvent) => void, signal: AbortSignal): Promise<Purified>;
  /** Overwrites the purified image's token; the original's is the one that is kept. */
  discard_purified(): void;
  free?(): void;
}

/** One of the two builds: the module that wasm-bindgen writes. */
export interface ClientModule {
  default(input: { module_or_path: Response | Promise<Response> }): Promise<unknown>;
  detect_webgpu(): Promise<WebGpuReport>;
  phantom_png(seed: number, lesion: boolean): Uint8Array;
  Client: {
    open(
      options: { relay: string; model: string },
      on_event: (event: ClientEvent) => void,
      signal: AbortSignal,
    ): Promise<Client>;
  };
  Site: SiteClass;
}
