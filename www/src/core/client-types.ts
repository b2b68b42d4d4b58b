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
