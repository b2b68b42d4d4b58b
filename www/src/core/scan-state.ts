/** What one scan is made of: its state, what surrounds it, and who hears of it. */

import type { BackendWish } from './backend-choice.ts';
import type { Answer, ModelCard, Picture, Purified, PurifyFacts, StepName, Verdict } from './client-types.ts';
import type { Judgement } from './detection.ts';
import type { Whereabouts } from './explain.ts';
import type { Fault } from './fault.ts';
import type { Book, Decision } from './history.ts';
import type { CallEvent } from './protocol.ts';
import type { PurifiedNews, PurifyOffer, PurifyWish } from './purification.ts';
import type { Limits, WorkerLike } from './remote.ts';
import type { Thresholds } from './thresholds.ts';

/** `flagged` and `purified` wait for a person's decision; `withheld` was not sent, by decision. */
export type Phase =
  | 'idle'
  | 'preparing'
  | 'ready'
  | 'scanning'
  | 'flagged'
  | 'purifying'
  | 'purified'
  | 'withheld'
  | 'answered'
  | 'failed';

export interface Chosen {
  blob: Blob;
  name: string;
  /** True for a picture drawn by Veilsight itself. */
  phantom: boolean;
}

export interface StepState {
  done: number;
  total: number;
  ms?: number;
}

export type StepKey = StepName | 'code';

export interface State {
  phase: Phase;
  image: Chosen | null;
  picture: Picture | null;
  steps: Map<StepKey, StepState>;
  /** What the detector found in this image; null before the check, and where the model has none. */
  verdict: Verdict | null;
  /** Whether this image may be sent, once that is settled. */
  decision: Decision | null;
  /** The threshold that an expert has chosen for this model; null: the card's. */
  threshold: number | null;
  /** Where this flagged image can be purified; null where it cannot. */
  offer: PurifyOffer | null;
  /** Where this image is being purified, or was. */
  purifyingOn: PurifyFacts['where'] | null;
  /** The purified image that waits beside the original, or has been answered. */
  purified: Purified | null;
  /** Whether noised tiles of this image may have left the device. */
  exposed: boolean;
  answer: Answer | null;
  fault: Fault | null;
  notice: string;
  card: ModelCard | null;
  backend: { name: string; why: string } | null;
}

export interface Surroundings extends Whereabouts {
  model: string;
  wish: BackendWish;
  /** Directory of the build, with a slash at its end. */
  assets: string;
  spawn: () => Promise<WorkerLike>;
  isCode: (url: string) => boolean;
  book: Book;
  thresholds: Thresholds;
  /** Where images may be purified, as far as the page that shows the element is asked. */
  purify: PurifyWish;
  /** The relays that may get noised tiles; empty: those that `relay` names. */
  purifyRelays: string[];
  limits?: Limits;
}

export interface ControllerHooks {
  onChange: () => void;
  onProgress: (event: CallEvent) => void;
  /** Hears the verdict before anything is sent; false stops the image. */
  onVerdict: (judgement: Judgement) => boolean;
  /** Hears that an image was purified, before anything of that is sent; false stops it. */
  onPurified: (news: PurifiedNews) => boolean;
  /** A flagged or stopped image will be sent, or will not. */
  onDecision: (sent: boolean) => void;
  onAnswer: (answer: Answer) => void;
  onFault: (fault: Fault) => void;
}

/** What is known of an image before it is scanned. */
export const NOTHING_FOUND = {
  verdict: null,
  decision: null,
  offer: null,
  purifyingOn: null,
  purified: null,
  answer: null,
} as const;

/** What is known without an image. */
export const NO_IMAGE = { ...NOTHING_FOUND, image: null, picture: null, exposed: false } as const;

/** The state before anything was chosen. */
export const freshState = (): State => ({
  ...NO_IMAGE,
  phase: 'idle',
  steps: new Map(),
  threshold: null,
  fault: null,
  notice: '',
  card: null,
  backend: null,
});
