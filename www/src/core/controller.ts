/** The life of one scan, without any markup: choose, prepare, scan, cancel, retry. The element shows its state. */

import type { BackendWish } from './backend-choice.ts';
import type { Answer, ModelCard, Picture, StepName } from './client-types.ts';
import { explainFault, type Whereabouts } from './explain.ts';
import { type Fault, fault, toFault } from './fault.ts';
import { checkFile, checkSize } from './file-check.ts';
import { Ledger, type Sighting } from './ledger.ts';
import type { CallEvent, Opened } from './protocol.ts';
import { LIMITS, type Limits, type WorkerLike } from './remote.ts';
import { Supervisor } from './supervisor.ts';

export type Phase = 'idle' | 'preparing' | 'ready' | 'scanning' | 'answered' | 'failed';

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
  limits?: Limits;
}

export interface ControllerHooks {
  onChange: () => void;
  onProgress: (event: CallEvent) => void;
  onAnswer: (answer: Answer) => void;
  onFault: (fault: Fault) => void;
}

const PER_IMAGE: StepKey[] = ['decode', 'encode', 'seal', 'send', 'open'];

/** Asked for by name, the GPU may be a software one: it takes a minute, and blocks the worker meanwhile. */
const GPU_PATIENCE_MS = 600_000;

export class Controller {
  readonly state: State = {
    phase: 'idle',
    image: null,
    picture: null,
    steps: new Map(),
    answer: null,
    fault: null,
    notice: '',
    card: null,
    backend: null,
  };
  readonly ledger: Ledger;
  /** Unix milliseconds of the first image; before it, no request can have carried anything of one. */
  firstImageAt = Number.POSITIVE_INFINITY;
  readonly #around: Surroundings;
  readonly #hooks: ControllerHooks;
  readonly #worker: Supervisor;
  #model: string;
  #openedIn = -1;
  #abort: AbortController | null = null;
  #again: (() => Promise<void>) | null = null;

  constructor(around: Surroundings, hooks: ControllerHooks) {
    this.#around = around;
    this.#hooks = hooks;
    this.#model = around.model;
    this.ledger = new Ledger(around.relay, around.isCode);
    const limits =
      around.limits ??
      (around.wish === 'webgpu' ? { ...LIMITS, quietMs: GPU_PATIENCE_MS, silentMs: GPU_PATIENCE_MS } : LIMITS);
    this.#worker = new Supervisor(
      around.spawn,
      { assets: around.assets, wish: around.wish },
      { onSightings: (s) => this.sight(s), onDeath: (why) => this.#workerDied(why) },
      limits,
    );
  }

  get assets(): string {
    return this.#around.assets;
  }

  get busy(): boolean {
    return this.state.phase === 'preparing' || this.state.phase === 'scanning';
  }

  sight(sightings: Sighting[]): void {
    for (const sighting of sightings) this.ledger.sight(sighting);
    this.#hooks.onChange();
  }

  /** Takes a file: checks it, gets the model where needed, and shows what the encoder will see. */
  async choose(chosen: Chosen): Promise<void> {
    this.#supersede();
    this.firstImageAt = Math.min(this.firstImageAt, Date.now());
    const refused = checkSize(chosen.blob.size, chosen.name) ?? checkFile(await bytesOf(chosen.blob), chosen.name);
    if (refused) return this.#refuse(refused);
    this.#set({ image: chosen, picture: null, answer: null, notice: '', steps: this.#keptSteps() });
    await this.#prepare();
  }

  /** Draws one of our phantoms and takes it as the image. */
  async choosePhantom(seed: number, lesion: boolean): Promise<void> {
    this.firstImageAt = Math.min(this.firstImageAt, Date.now());
    await this.#run('preparing', async (signal) => {
      const png = await this.#worker.call('phantom', { seed, lesion }, this.#callOptions(signal));
      const blob = new Blob([new Uint8Array(png)], { type: 'image/png' });
      const name = lesion ? 'Phantom with lesion (a drawing)' : 'Phantom without lesion (a drawing)';
      this.#set({ image: { blob, name, phantom: true }, picture: null, answer: null, steps: this.#keptSteps() });
      await this.#preview(signal);
    });
  }

  /** Another model from now on. The image stays, and is prepared anew for it. */
  async useModel(model: string): Promise<void> {
    if (model === this.#model) return;
    this.#supersede();
    this.#again = null;
    this.#model = model;
    this.#openedIn = -1;
    const code = this.state.steps.get('code');
    const steps: State['steps'] = code ? new Map([['code', code]]) : new Map();
    this.#set({ phase: 'idle', card: null, picture: null, answer: null, fault: null, notice: '', steps });
    if (this.state.image) await this.#prepare();
  }

  /** Encode, seal, ask the relay, open the answer. */
  async scan(): Promise<void> {
    if (!this.state.image || this.busy) return;
    this.#set({ answer: null, notice: '', steps: this.#keptSteps() });
    await this.#run('scanning', async (signal) => {
      await this.#open(signal);
      if (!this.state.picture) await this.#preview(signal);
      const bytes = await this.#imageBytes();
      const answer = await this.#worker.call('scan', { bytes }, this.#callOptions(signal, [bytes.buffer]));
      this.#set({ answer, phase: 'answered' });
      this.#hooks.onAnswer(answer);
    });
  }

  cancel(): void {
    this.#abort?.abort();
  }

  async retry(): Promise<void> {
    await this.#again?.();
  }

  /** Puts the image away; the model stays open. */
  clear(): void {
    this.#supersede();
    this.#again = null;
    const steps = this.#keptSteps();
    this.#set({ phase: 'idle', image: null, picture: null, answer: null, fault: null, notice: '', steps });
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
    this.#set({ card: opened.card, backend: { name: opened.backend, why: opened.why } });
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

  /** Runs one piece of work; a later one takes its place. What failed can be repeated with `retry`. */
  async #run(phase: Phase, work: (signal: AbortSignal) => Promise<void>): Promise<void> {
    this.#supersede();
    const abort = new AbortController();
    this.#abort = abort;
    this.#again = () => this.#run(phase, work);
    this.#set({ phase, fault: null });
    try {
      await this.#withGpuFallback(work, abort.signal);
    } catch (thrown) {
      if (this.#abort === abort) await this.#fail(toFault(thrown));
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

  async #fail(failed: Fault): Promise<void> {
    const refined = await explainFault(failed, this.#around, this.ledger);
    this.#set({ phase: 'failed', fault: refined });
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
    const notice = 'The worker stopped unexpectedly and was restarted. Your image and your answer are still here.';
    this.#set({ notice });
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
