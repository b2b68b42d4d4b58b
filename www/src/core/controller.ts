/** The life of one scan, without any markup: choose, prepare, check, decide, send, cancel, retry. The element shows its state. */

import type { PurifyFacts } from './client-types.ts';
import { type Judgement, judge } from './detection.ts';
import { explainFault } from './explain.ts';
import { type Fault, fault, toFault } from './fault.ts';
import { checkFile, checkSize } from './file-check.ts';
import type { Decision, ScanRecord } from './history.ts';
import { Ledger, type Sighting } from './ledger.ts';
import { Logbook, recordOf, topOf } from './logbook.ts';
import type { CallEvent, Opened } from './protocol.ts';
import { Purification } from './purification.ts';
import { LIMITS } from './remote.ts';
import {
  type Chosen,
  type ControllerHooks,
  freshState,
  NO_IMAGE,
  NOTHING_FOUND,
  type Phase,
  type State,
  type StepKey,
  type Surroundings,
} from './scan-state.ts';
import { Supervisor } from './supervisor.ts';

const PER_IMAGE: StepKey[] = ['decode', 'detect', 'encode', 'purify', 'seal', 'send', 'open'];

/** Asked for by name, the GPU may be a software one: it takes a minute, and blocks the worker meanwhile. */
const GPU_PATIENCE_MS = 600_000;

/** What a worker that dies between two calls leaves behind. */
const KEPT = 'Your image and your answer are still here.';
const LOST = 'Your image is still here; the restored one was lost, and you can restore it again.';

export class Controller {
  readonly state: State = freshState();
  readonly ledger: Ledger;
  readonly logbook: Logbook;
  readonly purification: Purification;
  /** Unix milliseconds of the first image; before it, no request can have carried anything of one. */
  firstImageAt = Number.POSITIVE_INFINITY;
  readonly #around: Surroundings;
  readonly #hooks: ControllerHooks;
  readonly #worker: Supervisor;
  #model: string;
  #openedIn = -1;
  /** The worker's life in which the token of this image is kept. */
  #heldIn = -1;
  #record: ScanRecord | null = null;
  #abort: AbortController | null = null;
  #again: (() => Promise<void>) | null = null;

  constructor(around: Surroundings, hooks: ControllerHooks) {
    this.#around = around;
    this.#hooks = hooks;
    this.#model = around.model;
    this.ledger = new Ledger(around.relay, around.isCode);
    this.logbook = new Logbook(around.book, hooks.onChange);
    void this.logbook.load();
    const limits =
      around.limits ??
      (around.wish === 'webgpu' ? { ...LIMITS, quietMs: GPU_PATIENCE_MS, silentMs: GPU_PATIENCE_MS } : LIMITS);
    this.#worker = new Supervisor(
      around.spawn,
      { assets: around.assets, wish: around.wish },
      {
        onSightings: (s) => this.sight(s),
        onLateRequest: (request) => this.#take({ type: 'request', request }),
        onDeath: (why) => this.#workerDied(why),
      },
      limits,
    );
    this.purification = new Purification({
      state: this.state,
      around,
      hooks,
      ledger: this.ledger,
      set: (change) => this.#set(change),
      run: (phase, work, ifFailed) => this.#run(phase, work, ifFailed),
      call: (method, args, signal) => this.#worker.call(method, args, signal ? this.#callOptions(signal) : {}),
      holds: () => this.#holds,
      hold: (signal) => this.#hold(signal),
      proceed: (signal) => this.#proceed(signal),
      settle: (decision, purified) => this.#settle(decision, purified),
      withhold: (decision) => this.#withhold(decision),
    });
  }

  get busy(): boolean {
    return ['preparing', 'scanning', 'purifying'].includes(this.state.phase);
  }

  /** The verdict at the threshold in force; null where there is none. */
  get judgement(): Judgement | null {
    return judge(this.state.card, this.state.verdict, this.state.threshold);
  }

  get #settled(): boolean {
    const { decision } = this.state;
    return decision !== null && decision !== 'undecided';
  }

  get #holds(): boolean {
    return this.#heldIn === this.#worker.generation;
  }

  sight(sightings: Sighting[]): void {
    for (const sighting of sightings) this.ledger.sight(sighting);
    this.#hooks.onChange();
  }

  /** Takes a file: checks it, gets the model where needed, and shows what the encoder will see. */
  async choose(chosen: Chosen): Promise<void> {
    this.#putAway();
    this.firstImageAt = Math.min(this.firstImageAt, Date.now());
    const refused = checkSize(chosen.blob.size, chosen.name) ?? checkFile(await bytesOf(chosen.blob), chosen.name);
    if (refused) return this.#refuse(refused);
    this.#set({ ...NO_IMAGE, image: chosen, notice: '', steps: this.#keptSteps() });
    await this.#prepare();
  }

  /** Draws one of our phantoms and takes it as the image. */
  async choosePhantom(seed: number, lesion: boolean): Promise<void> {
    this.#putAway();
    this.firstImageAt = Math.min(this.firstImageAt, Date.now());
    await this.#run('preparing', async (signal) => {
      const png = await this.#worker.call('phantom', { seed, lesion }, this.#callOptions(signal));
      const blob = new Blob([new Uint8Array(png)], { type: 'image/png' });
      const name = lesion ? 'Phantom with lesion (a drawing)' : 'Phantom without lesion (a drawing)';
      const image = { blob, name, phantom: true };
      this.#set({ ...NO_IMAGE, image, steps: this.#keptSteps() });
      await this.#preview(signal);
    });
  }

  /** Another model from now on. The image stays, and is prepared anew for it. */
  async useModel(model: string): Promise<void> {
    if (model === this.#model) return;
    this.#putAway();
    this.#again = null;
    this.#model = model;
    this.#openedIn = -1;
    const code = this.state.steps.get('code');
    const steps: State['steps'] = code ? new Map([['code', code]]) : new Map();
    this.#set({ phase: 'idle', card: null, picture: null, ...NOTHING_FOUND, fault: null, notice: '', steps });
    if (this.state.image) await this.#prepare();
  }

  /** Encode and check here; then, unless that is to be decided first, seal, ask the relay, open the answer. */
  async scan(): Promise<void> {
    if (!this.state.image || this.busy) return;
    this.#forget();
    this.#record = null;
    this.#set({ ...NOTHING_FOUND, notice: '', steps: this.#keptSteps() });
    await this.#scan();
  }

  /** What a person has decided about a flagged image. */
  async decide(send: boolean): Promise<void> {
    if (this.state.phase !== 'flagged') return;
    if (!send) return this.#withhold('do-not-send');
    this.#settle('send-anyway');
    this.#hooks.onDecision(true);
    await this.#scan();
  }

  /** Another threshold for this model, or the card's own (null). What has been sent stays sent. */
  setThreshold(threshold: number | null): void {
    if (!this.state.card) return;
    this.#around.thresholds.write(this.state.card, threshold);
    this.#set({ threshold });
  }

  cancel(): void {
    this.#abort?.abort();
  }

  async retry(): Promise<void> {
    await this.#again?.();
  }

  /** Puts the image away; the model stays open. */
  clear(): void {
    this.#putAway();
    this.#again = null;
    const steps = this.#keptSteps();
    this.#set({ phase: 'idle', ...NO_IMAGE, fault: null, notice: '', steps });
  }

  close(): void {
    this.#supersede();
    this.#worker.close();
  }

  #prepare(): Promise<void> {
    return this.#run('preparing', (signal) => this.#preview(signal));
  }

  async #preview(signal: AbortSignal): Promise<void> {
    await this.#open(signal);
    const bytes = await this.#imageBytes();
    const picture = await this.#worker.call('preview', { bytes }, this.#callOptions(signal, [bytes.buffer]));
    this.#set({ picture, phase: 'ready' });
  }

  async #open(signal: AbortSignal): Promise<void> {
    if (this.#openedIn === this.#worker.generation && this.state.card) return;
    const model = this.#model;
    const opened: Opened = await this.#worker.call(
      'open',
      { relay: this.#around.relay, model },
      this.#callOptions(signal),
    );
    this.#openedIn = this.#worker.generation;
    const threshold = this.#around.thresholds.read(opened.card);
    this.#set({ card: opened.card, threshold, backend: { name: opened.backend, why: opened.why } });
  }

  #scan(): Promise<void> {
    return this.#run('scanning', async (signal) => {
      await this.#hold(signal);
      if (this.#settled || this.#mayPass()) await this.#proceed(signal);
    });
  }

  /** Has the worker keep a token of the image, unless it does already. */
  async #hold(signal: AbortSignal): Promise<void> {
    await this.#open(signal);
    if (!this.state.picture) await this.#preview(signal);
    if (!this.#holds) await this.#examine(signal);
  }

  /** Sends the token that is kept: it serves once. */
  async #proceed(signal: AbortSignal): Promise<void> {
    this.#heldIn = -1;
    const answer = await this.#worker.call('proceed', null, this.#callOptions(signal));
    this.#set({ answer, phase: 'answered' });
    if (this.#record) this.#note({ ...this.#record, answer: topOf(answer) });
    this.#hooks.onAnswer(answer);
  }

  async #examine(signal: AbortSignal): Promise<void> {
    const bytes = await this.#imageBytes();
    const verdict = await this.#worker.call('examine', { bytes }, this.#callOptions(signal, [bytes.buffer]));
    this.#heldIn = this.#worker.generation;
    if (signal.aborted) {
      // The check had ended before it heard of that: its token must not wait for another image.
      this.#forget();
      throw fault('cancelled');
    }
    this.#set({ verdict });
  }

  /** Settles whether the image is sent, or leaves that to a person. */
  #mayPass(): boolean {
    const { judgement } = this;
    if (judgement && !this.#hooks.onVerdict(judgement)) this.#withhold('stopped');
    else if (judgement?.flagged) {
      this.#settle('undecided');
      this.#set({ phase: 'flagged' });
      void this.purification.offer();
    } else {
      this.#settle('send');
      return true;
    }
    return false;
  }

  #withhold(decision: 'do-not-send' | 'stopped'): void {
    this.#forget();
    this.#settle(decision);
    this.#set({ phase: 'withheld', fault: null });
    this.#hooks.onDecision(false);
  }

  #settle(decision: Decision, purified: PurifyFacts | null = null): void {
    const { card, image } = this.state;
    this.#set({ decision });
    if (!card || !image) return;
    this.#note({ ...(this.#record ?? recordOf(card, image.name, this.judgement, decision)), decision, purified });
  }

  #note(record: ScanRecord): void {
    this.#record = record;
    void this.logbook.note(record);
  }

  /** The worker overwrites the token that it keeps, if it keeps one. */
  #forget(): void {
    if (this.#holds) this.#worker.call('forget', null).catch(() => undefined);
    this.#heldIn = -1;
  }

  async #imageBytes(): Promise<Uint8Array<ArrayBuffer>> {
    if (!this.state.image) throw fault('internal', 'No image is chosen.');
    return bytesOf(this.state.image.blob);
  }

  #callOptions(signal: AbortSignal, transfer: Transferable[] = []) {
    return { signal, transfer, onEvent: (event: CallEvent) => this.#take(event) };
  }

  #take(event: CallEvent): void {
    if (event.type === 'request') this.ledger.record(event.request);
    else if (event.type === 'notice') this.state.notice = event.text;
    else {
      const { done, total, ms } = event;
      this.state.steps.set(event.step, { done, total, ...(ms === undefined ? {} : { ms }) });
    }
    this.#hooks.onProgress(event);
    this.#hooks.onChange();
  }

  /** Ends what runs without a word: something else takes its place. */
  #supersede(): void {
    this.#abort?.abort();
    this.#abort = null;
  }

  /** The image gives way to another, or to none. */
  #putAway(): void {
    this.#supersede();
    this.#forget();
  }

  /** Runs one piece of work; a later one takes its place. What failed can be repeated with `retry`. */
  async #run(
    phase: Phase,
    work: (signal: AbortSignal) => Promise<void>,
    ifFailed: 'flagged' | 'failed' = 'failed',
  ): Promise<void> {
    this.#supersede();
    const abort = new AbortController();
    this.#abort = abort;
    this.#again = () => this.#run(phase, work, ifFailed);
    this.#set({ phase, fault: null });
    try {
      await this.#withGpuFallback(work, abort.signal);
    } catch (thrown) {
      if (this.#abort === abort) await this.#fail(toFault(thrown), ifFailed);
    } finally {
      if (this.#abort === abort) this.#abort = null;
    }
  }

  async #withGpuFallback(work: (signal: AbortSignal) => Promise<void>, signal: AbortSignal): Promise<void> {
    try {
      await work(signal);
    } catch (thrown) {
      const why = toFault(thrown);
      const died = why.code === 'crashed' || why.code === 'timeout' || why.code === 'internal';
      if (!died || this.state.backend?.name !== 'webgpu') throw thrown;
      this.#leaveGpu(why);
      await work(signal);
    }
  }

  #leaveGpu(why: Fault): void {
    const reason = `The WebGPU build stopped: ${why.message}`;
    this.#worker.leaveGpu(reason);
    if (this.#openedIn === this.#worker.generation) this.#worker.restart();
    this.#set({ notice: `The WebGPU build stopped. The worker was restarted on the CPU.`, backend: null });
  }

  async #fail(failed: Fault, phase: 'flagged' | 'failed'): Promise<void> {
    // A question that stays open keeps what it is about.
    if (phase === 'failed') this.#forget();
    const refined = await explainFault(failed, this.#around, this.ledger);
    this.#set({ phase, fault: refined });
    this.#hooks.onFault(refined);
    this.#worker.revive();
  }

  #refuse(refused: Fault): void {
    this.#again = null;
    this.#set({ phase: 'failed', fault: refused });
    this.#hooks.onFault(refused);
  }

  #workerDied(why: Fault): void {
    if (this.busy || why.code === 'cancelled') return;
    const restored = this.state.phase === 'purified';
    this.purification.lost();
    this.#set({ notice: `The worker stopped unexpectedly and was restarted. ${restored ? LOST : KEPT}` });
    this.#worker.revive();
  }

  #keptSteps(): State['steps'] {
    return new Map([...this.state.steps].filter(([key]) => !PER_IMAGE.includes(key)));
  }

  #set(change: Partial<State>): void {
    Object.assign(this.state, change);
    this.#hooks.onChange();
  }
}

const bytesOf = async (blob: Blob): Promise<Uint8Array<ArrayBuffer>> => new Uint8Array(await blob.arrayBuffer());
