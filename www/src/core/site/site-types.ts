/** The interface of client-wasm's `Site` as the worker uses it. Written by hand, for the reasons of `client-types.ts`. */

import type { ClientEvent } from '../client-types.ts';

/** Everything a call of `Site` needs besides its own arguments. */
export type OnEvent = (event: ClientEvent) => void;

/** A record of the vault: the site's secrets and journal, or its statistics and hold-out. Only sealed bytes leave the module. */
export type RecordName = 'site' | 'data';
export type Save = (name: RecordName, sealed: Uint8Array) => Promise<void>;

export interface Rules {
  sites: number;
  threshold: number;
  collusion: number;
  cohort: number;
  quorum: number;
}

export interface RosterEntry {
  /** Its place in the roster, from 0. */
  index: number;
  name: string;
}

export interface Consortium {
  id: string;
  title: string;
  model: string;
  classes: string[];
  rules: Rules;
  clip_norm: number;
  state: 'enrolling' | 'ready';
  /** The sites that have enrolled. */
  sites: RosterEntry[];
  /** Computed on this device from the roster, never taken from the relay; none until all sites are enrolled. */
  fingerprint: string | null;
}

export type RoundState = 'contributing' | 'confirming' | 'opening' | 'opened' | 'expired' | 'failed';

/** What this site has to do in a round. Everything but `contribute` happens by itself. */
export type Duty = 'contribute' | 'confirm' | 'answer' | 'read' | 'wait' | 'none';

export interface Failure {
  code: string;
  detail: string;
  sites: number[];
}

export interface Round {
  number: number;
  purpose: string;
  state: RoundState;
  length: number;
  /** Unix seconds. */
  deadline: number;
  contributed: number[];
  confirmed: number[];
  answered: number[];
  failure: Failure | null;
  /** Version of the model's head that came of it. */
  published: number | null;
  duty: Duty;
  /** Why this site refused to take part, where it did. */
  refusal: string | null;
}

export interface ClassCount {
  id: string;
  label: string;
  images: number;
  held_out: number;
}

export interface Noise {
  epsilon: number;
  delta: number;
}

/** The statistics that would be contributed, in numbers a person can check. They exist on this device only. */
export interface Prepared {
  classes: ClassCount[];
  /** Images whose CLS token was scaled down to the clip norm. */
  clipped: number;
  /** Euclidean norm of the per-class sums, in quantised steps. */
  norm: number;
  /** Number of integers in a contribution. */
  length: number;
  /** Bytes of a contribution as it will leave this device; known once all sites have enrolled. */
  bytes: number | null;
}

/** What noise means for a wish (ε, δ): the loss it really gives, and how much this site would add. */
export interface NoiseOffer extends Noise {
  /** ε where no other site adds its part. */
  alone_epsilon: number;
  /** Standard deviation of this site's part on a count of images. */
  count_deviation: number;
  /** The same on one entry of a per-class sum, in quantised steps. */
  sum_deviation: number;
}

export interface Accuracy {
  correct: number;
  total: number;
  classes: { correct: number; total: number }[];
}

/** The head of the opened sum beside the head of this site's own statistics, on this site's own hold-out. */
export interface Evaluation {
  round: number;
  head: string;
  /** Indices of the sites whose contributions are in the sum. */
  cohort: number[];
  /** Images in the sum, by class. */
  images: number[];
  federated: Accuracy;
  /** None where this site's own statistics give no head, for example when it has images of one class only. */
  local: Accuracy | null;
}

export interface SiteView {
  relay: string;
  /** This site's place in the roster. */
  site: number;
  consortium: Consortium;
  /** Whether a person compared the fingerprint, and whether it is still that one. */
  trust: 'none' | 'compared' | 'changed';
  prepared: Prepared | null;
  /** Newest first. */
  rounds: Round[];
  /** Of the newest opened round. */
  evaluation: Evaluation | null;
  /** Why there is no comparison of heads. */
  remark: string | null;
  /** What all rounds with noise have cost together; none without such a round. */
  spent: Noise | null;
}

export interface Site {
  view(): SiteView;
  /** Asks how things stand and does what this site owes: confirm, answer, read the result. */
  refresh(on_event: OnEvent, signal: AbortSignal): Promise<SiteView>;
  /** Records that a person compared this fingerprint with the other sites. */
  trust(fingerprint: string, on_event: OnEvent, signal: AbortSignal): Promise<SiteView>;
  /** Loads the encoder and begins new statistics. */
  begin(on_event: OnEvent, signal: AbortSignal): Promise<void>;
  /** Encodes one image into the statistics, or into the hold-out. */
  add(bytes: Uint8Array, label: number, held_out: boolean, on_event: OnEvent, signal: AbortSignal): Promise<void>;
  /** Ends the statistics and keeps them, sealed. */
  finish(): Promise<SiteView>;
  offer_noise(epsilon: number, delta: number): NoiseOffer;
  contribute(round: number, noise: Noise | null, on_event: OnEvent, signal: AbortSignal): Promise<SiteView>;
  free?(): void;
}

export interface SiteClass {
  /** Enrols with a one-time invitation and seals the new identity and token before anything else happens. */
  enrol(
    options: { relay: string; invitation: string },
    key: CryptoKey,
    save: Save,
    on_event: OnEvent,
    signal: AbortSignal,
  ): Promise<Site>;
  /** Unseals what an earlier visit kept. */
  restore(
    options: { relay: string; records: Partial<Record<RecordName, Uint8Array>> },
    key: CryptoKey,
    save: Save,
    on_event: OnEvent,
  ): Promise<Site>;
}
