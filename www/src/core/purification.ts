/** The life of one purification: offered for a flagged image, under way, shown, then sent or put back. */

import { purifyingRelays } from './catalogue.ts';
import type { Purified, PurifierCard, PurifyFacts, PurifyOptions, PurifyPlan } from './client-types.ts';
import { type Judgement, judge } from './detection.ts';
import { fault } from './fault.ts';
import type { Decision } from './history.ts';
import type { Ledger } from './ledger.ts';
import type { ScanCalls } from './protocol.ts';
import type { ControllerHooks, Phase, State, Surroundings } from './scan-state.ts';

/** What the embedding page allows: `ask` offers every place, `device` this device alone, `off` none. */
export type PurifyWish = 'ask' | 'device' | 'off';

export const parsePurifyWish = (text: string | null): PurifyWish =>
  text === 'device' || text === 'off' ? text : 'ask';

/** Steps of the thorough way. */
export const THOROUGH = 10;

/** Where the image in question can be purified. */
export interface PurifyOffer {
  /** Steps of the quick way. */
  steps: number;
  /** Relays that can be asked; empty: this device alone. */
  relays: string[];
  /** What they would see; null where there are none. */
  plan: PurifyPlan | null;
}

/** `detail` of `veilsight-purified`: all that a page is told, and no pixel. */
export type PurifiedNews = Omit<Purified, 'before' | 'after' | 'difference' | 'verdict'> & {
  verdict: Judgement | null;
};

/** What a purification needs of the scan that it is part of. */
export interface PurifyScene {
  readonly state: State;
  readonly around: Pick<Surroundings, 'relay' | 'purify' | 'purifyRelays'>;
  readonly hooks: Pick<ControllerHooks, 'onPurified' | 'onDecision'>;
  readonly ledger: Ledger;
  set(change: Partial<State>): void;
  /** Runs one piece of work; where it fails, the phase is `ifFailed`. */
  run(phase: Phase, work: (signal: AbortSignal) => Promise<void>, ifFailed: 'flagged' | 'failed'): Promise<void>;
  call<M extends keyof ScanCalls>(
    method: M,
    args: ScanCalls[M]['args'],
    signal?: AbortSignal,
  ): Promise<ScanCalls[M]['value']>;
  /** Whether the worker still keeps a token of the image. */
  holds(): boolean;
  /** Has the worker examine the image again where it has lost that token. */
  hold(signal: AbortSignal): Promise<void>;
  /** Sends the token that is kept. */
  proceed(signal: AbortSignal): Promise<void>;
  settle(decision: Decision, purified?: PurifyFacts): void;
  withhold(decision: 'stopped'): void;
}

/** The noise level for a score; null where the purifier leaves the image alone. */
export const levelOf = ({ levels }: PurifierCard, score: number): number | null =>
  levels.findLast(({ from_score: from }) => score >= from)?.t ?? null;

export class Purification {
  readonly #scene: PurifyScene;
  /** What was asked for last. */
  #order: PurifyOptions | null = null;

  constructor(scene: PurifyScene) {
    this.#scene = scene;
  }

  /** Finds out where the flagged image can be purified: here at once, on relays once they are known. */
  async offer(): Promise<void> {
    const { state, around } = this.#scene;
    const { verdict, card } = state;
    const purifier = card?.purifier;
    if (around.purify === 'off' || !card || !purifier || !verdict) return;
    if (levelOf(purifier, verdict.score) === null) return;
    const here: PurifyOffer = { steps: purifier.steps, relays: [], plan: null };
    this.#scene.set({ offer: here });
    if (around.purify === 'device') return;
    const relays = await this.#relays(card.id);
    const plan = relays.length > 0 ? await this.#plan(relays.length) : null;
    if (plan && state.offer === here) this.#scene.set({ offer: { ...here, relays, plan } });
  }

  /** Purifies the flagged image and shows what came of it. Where that fails the question is open as before. */
  async start(order: PurifyOptions): Promise<void> {
    if (this.#scene.state.phase !== 'flagged' || !this.#scene.state.offer) return;
    await this.#scene.run('purifying', (signal) => this.#purify(order, signal), 'flagged');
  }

  /** Sends the purified image: the one that was shown. Lost with its worker, it is made anew and shown again before it is sent. */
  async send(): Promise<void> {
    const { state, hooks } = this.#scene;
    const order = this.#order;
    if (state.phase !== 'purified' || !state.purified || !order) return;
    const { where, t, steps } = state.purified;
    this.#scene.settle('send-purified', { where, t, steps });
    hooks.onDecision(true);
    const work = (signal: AbortSignal) =>
      this.#scene.holds() ? this.#scene.proceed(signal) : this.#purify(order, signal);
    await this.#scene.run('scanning', work, 'failed');
  }

  /** Back to the question about the original, whose token has been kept. */
  discard(): void {
    if (this.#scene.state.phase !== 'purified') return;
    this.#drop();
    this.#scene.set({ purified: null, phase: 'flagged' });
    this.#scene.settle('undecided');
  }

  /** The worker that kept the purified image is gone, and the question about the original is open again. */
  lost(): void {
    if (this.#scene.state.phase === 'purified') this.#scene.set({ purified: null, phase: 'flagged' });
  }

  async #purify(order: PurifyOptions, signal: AbortSignal): Promise<void> {
    const { state, hooks } = this.#scene;
    this.#order = order;
    state.steps.delete('purify');
    this.#scene.set({ phase: 'purifying', purifyingOn: order.where, purified: null });
    await this.#scene.hold(signal);
    if (order.where === 'relays') this.#scene.set({ exposed: true });
    const purified = await this.#scene.call('purify', order, signal);
    if (signal.aborted) {
      // It had ended before it heard of that: what it made must not wait for another question.
      this.#drop();
      throw fault('cancelled');
    }
    this.#scene.set({ purified, phase: 'purified' });
    const { before: _before, after: _after, difference: _difference, verdict, ...facts } = purified;
    const judgement = judge(state.card, verdict, state.threshold);
    if (!hooks.onPurified({ ...facts, verdict: judgement })) this.#scene.withhold('stopped');
  }

  #relays(model: string): Promise<string[]> {
    const { around, ledger } = this.#scene;
    return around.purifyRelays.length > 0
      ? Promise.resolve(around.purifyRelays)
      : purifyingRelays(around.relay, model, ledger);
  }

  /** What so many relays would see; null where tiles cannot be dealt to them. */
  #plan(relays: number): Promise<PurifyPlan | null> {
    return this.#scene.call('purifyPlan', { relays }).catch(() => null);
  }

  #drop(): void {
    this.#scene.call('discardPurified', null).catch(() => undefined);
  }
}
