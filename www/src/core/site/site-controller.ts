/** The life of a site on this page, without any markup: enrol, compare, read, encode, contribute, and follow the round. */

import type { BackendWish } from '../backend-choice.ts';
import { explainFault, type Whereabouts } from '../explain.ts';
import { type Fault, type FaultCode, fault, toFault } from '../fault.ts';
import { Ledger, type Sighting } from '../ledger.ts';
import type { CallEvent, Calls, Method } from '../protocol.ts';
import { LIMITS, type Limits, type WorkerLike } from '../remote.ts';
import { Supervisor } from '../supervisor.ts';
import { type Found, fromDrop } from './collect.ts';
import { type Group, groupPictures, labelFiles, type Problem, readPictures } from './reading.ts';
import type { Noise, NoiseOffer, SiteView } from './site-types.ts';
import { DEFAULT_SHARE, type Sample, split } from './split.ts';

export type WorkKind = 'restore' | 'enrol' | 'trust' | 'read' | 'load' | 'encode' | 'contribute' | 'forget';

export interface Work {
  kind: WorkKind;
  done: number;
  total: number;
  /** Unix milliseconds. */
  since: number;
}

export interface Folder {
  /** `folders`, or the name of the CSV that gave the labels. */
  source: string;
  groups: Group[];
  problems: Problem[];
}

export interface SiteState {
  /** False until it is known whether this browser holds a site. */
  known: boolean;
  view: SiteView | null;
  work: Work | null;
  folder: Folder | null;
  share: number;
  noise: Noise | null;
  offer: NoiseOffer | null;
  fault: Fault | null;
  notice: string;
  /** Why the relay is not heard at the moment; empty when it is. */
  silence: string;
}

export interface SiteSurroundings extends Whereabouts {
  wish: BackendWish;
  /** Directory of the build, with a slash at its end. */
  assets: string;
  spawn: () => Promise<WorkerLike>;
  isCode: (url: string) => boolean;
  limits?: Limits;
  /** Milliseconds between two questions while a round runs, and while none does. */
  pace?: { busy: number; calm: number };
}

export interface SiteHooks {
  onChange: () => void;
  onFault: (fault: Fault) => void;
}

const PACE = { busy: 2_000, calm: 5_000 };

/** Faults of one picture: the others go on without it. */
const OF_ONE_PICTURE = new Set<FaultCode>(['wrong-file', 'too-large']);

/** Faults that pass by themselves: the page keeps asking and says so. */
const PASSING = new Set<FaultCode>(['no-relay', 'busy', 'offline', 'timeout', 'crashed']);

export class SiteController {
  readonly state: SiteState = {
    known: false,
    view: null,
    work: null,
    folder: null,
    share: DEFAULT_SHARE,
    noise: null,
    offer: null,
    fault: null,
    notice: '',
    silence: '',
  };
  readonly ledger: Ledger;
  readonly #around: SiteSurroundings;
  readonly #hooks: SiteHooks;
  readonly #worker: Supervisor;
  #restoredIn = -1;
  #abort: AbortController | null = null;
  #again: (() => Promise<void>) | null = null;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #closed = false;

  constructor(around: SiteSurroundings, hooks: SiteHooks) {
    this.#around = around;
    this.#hooks = hooks;
    this.ledger = new Ledger(around.relay, around.isCode);
    this.#worker = new Supervisor(
      around.spawn,
      { assets: around.assets, wish: around.wish },
      {
        onSightings: (s) => this.sight(s),
        onLateRequest: (request) => this.ledger.record(request),
        onDeath: () => this.#workerDied(),
      },
      around.limits ?? LIMITS,
    );
  }

  get busy(): boolean {
    return this.state.work !== null;
  }

  sight(sightings: Sighting[]): void {
    for (const sighting of sightings) this.ledger.sight(sighting);
    this.#hooks.onChange();
  }

  /** Takes up what an earlier visit left in this browser. */
  start(): Promise<void> {
    return this.#run('restore', async (signal) => {
      await this.#restored(signal);
      this.#set({ known: true });
      this.#watch(0);
    });
  }

  enrol(relay: string, invitation: string): Promise<void> {
    return this.#run('enrol', async (signal) => {
      const view = await this.#call('siteEnrol', { relay, invitation: invitation.trim() }, signal);
      this.#restoredIn = this.#worker.generation;
      this.#set({ known: true, view });
      this.#watch(0);
    });
  }

  /** A person has compared this fingerprint with the other sites. */
  trust(fingerprint: string): Promise<void> {
    return this.#onSite('trust', async (signal) => {
      this.#set({ view: await this.#call('siteTrust', { fingerprint }, signal) });
    });
  }

  /** Takes the dropped files; the entries must be asked for at once. */
  drop(items: Iterable<DataTransferItem>): Promise<void> {
    const found = fromDrop(items);
    return this.#read(() => found);
  }

  choose(found: Found[]): Promise<void> {
    return this.#read(async () => found);
  }

  /** A folder or label stands for another class, or for none (-1). */
  assign(group: Group, label: number): void {
    const { folder } = this.state;
    if (!folder) return;
    const groups = folder.groups.map((known) => (known === group ? { ...known, label } : known));
    this.#set({ folder: { ...folder, groups } });
  }

  holdOut(share: number): void {
    this.#set({ share });
  }

  putAway(): void {
    this.#set({ folder: null, fault: null });
  }

  /** The pictures as they would be encoded: each with its class, held out or not. */
  samples(): Sample[] {
    return split(this.state.folder?.groups ?? [], this.state.share);
  }

  /** Encodes every picture here, in the worker. What the decoder refuses is named and left out. */
  encode(): Promise<void> {
    return this.#onSite('load', async (signal) => {
      const samples = this.samples();
      await this.#call('siteBegin', null, signal);
      this.#set({ work: { kind: 'encode', done: 0, total: samples.length, since: Date.now() } });
      for (const [done, sample] of samples.entries()) {
        await this.#encodeOne(sample, signal);
        this.#progress(done + 1, samples.length);
      }
      this.#set({ view: await this.#call('siteFinish', null, signal), folder: null });
    });
  }

  /** What noise of this (ε, δ) would mean; null for none. */
  async wishNoise(noise: Noise | null): Promise<void> {
    this.#set({ noise, offer: null });
    if (!noise) return;
    const offer = await this.#call('siteNoise', noise).catch((thrown) => this.#fail(toFault(thrown)));
    if (offer && this.state.noise === noise) this.#set({ offer });
  }

  contribute(round: number): Promise<void> {
    const { noise } = this.state;
    return this.#onSite('contribute', async (signal) => {
      this.#set({ view: await this.#call('siteContribute', { round, noise }, signal) });
    });
  }

  /** Destroys the identity in this browser. The site's place in the consortium stays empty from then on. */
  forget(): Promise<void> {
    clearTimeout(this.#timer);
    return this.#run('forget', async (signal) => {
      await this.#call('siteForget', null, signal);
      this.#set({ view: null, folder: null, noise: null, offer: null, silence: '' });
    });
  }

  cancel(): void {
    this.#abort?.abort();
  }

  async retry(): Promise<void> {
    await this.#again?.();
  }

  close(): void {
    this.#closed = true;
    clearTimeout(this.#timer);
    this.#abort?.abort();
    this.#worker.close();
  }

  #read(collect: () => Promise<Found[]>): Promise<void> {
    return this.#run('read', async (signal) => {
      const classes = (this.state.view?.consortium.classes ?? []).map((id) => ({ id, label: id }));
      const labelled = await labelFiles(await collect(), classes);
      const onProgress = (done: number, total: number) => this.#progress(done, total);
      const { pictures, problems } = await readPictures(labelled.files, { onProgress, signal });
      if (pictures.length === 0) throw noPictures(labelled.problems.length + problems.length);
      const groups = groupPictures(pictures, classes);
      this.#set({ folder: { source: labelled.source, groups, problems: [...labelled.problems, ...problems] } });
    });
  }

  async #encodeOne({ picture, label, heldOut }: Sample, signal: AbortSignal): Promise<void> {
    try {
      await this.#call('siteAdd', { image: picture.file, label, heldOut }, signal);
    } catch (thrown) {
      const why = toFault(thrown);
      if (!OF_ONE_PICTURE.has(why.code) || signal.aborted) throw thrown;
      this.state.folder?.problems.push({ path: picture.path, reason: why.message });
    }
  }

  /** Asks the relay again and again how things stand; the site answers what it owes by itself. */
  #watch(wait: number): void {
    clearTimeout(this.#timer);
    if (this.#closed || !this.state.view) return;
    this.#timer = setTimeout(() => void this.#look(), wait);
  }

  async #look(): Promise<void> {
    // Between two pictures there is time to answer; other work is short.
    const free = !this.state.work || this.state.work.kind === 'encode';
    if (free) await this.#refresh();
    const { busy, calm } = this.#around.pace ?? PACE;
    this.#watch(isRunning(this.state.view) ? busy : calm);
  }

  async #refresh(): Promise<void> {
    try {
      await this.#restored();
      if (this.state.view) this.#set({ view: await this.#call('siteRefresh', null), silence: '' });
    } catch (thrown) {
      const why = toFault(thrown);
      if (this.#closed) return;
      if (PASSING.has(why.code)) this.#set({ silence: why.message });
      else this.#fail(why);
    }
  }

  /** A worker that was started anew takes the site from the vault. */
  async #restored(signal?: AbortSignal): Promise<void> {
    if (this.#restoredIn === this.#worker.generation) return;
    const view = await this.#call('siteRestore', null, signal);
    this.#restoredIn = this.#worker.generation;
    this.#set({ view });
  }

  #onSite(kind: WorkKind, work: (signal: AbortSignal) => Promise<void>): Promise<void> {
    return this.#run(kind, async (signal) => {
      await this.#restored(signal);
      await work(signal);
    });
  }

  #call<M extends Method>(method: M, args: Calls[M]['args'], signal?: AbortSignal): Promise<Calls[M]['value']> {
    return this.#worker.call(method, args, { signal, onEvent: (event) => this.#take(event) });
  }

  #take(event: CallEvent): void {
    if (event.type === 'request') this.ledger.record(event.request);
    else if (event.type === 'notice') this.state.notice = event.text;
    else if (event.step === 'encoder' && this.state.work?.kind === 'load') this.#progress(event.done, event.total);
    this.#hooks.onChange();
  }

  /** Runs one piece of work at a time. What failed can be repeated with `retry`. */
  async #run(kind: WorkKind, work: (signal: AbortSignal) => Promise<void>): Promise<void> {
    if (this.busy) return;
    const abort = new AbortController();
    this.#abort = abort;
    this.#again = () => this.#run(kind, work);
    this.#set({ work: { kind, done: 0, total: 0, since: Date.now() }, fault: null, notice: '' });
    try {
      await this.#withGpuFallback(work, abort.signal);
    } catch (thrown) {
      this.#set({ work: null, known: true });
      if (!this.#closed) await this.#explain(abort.signal.aborted ? cancelled() : toFault(thrown));
    } finally {
      this.#abort = null;
      this.#set({ work: null });
    }
  }

  async #withGpuFallback(work: (signal: AbortSignal) => Promise<void>, signal: AbortSignal): Promise<void> {
    try {
      await work(signal);
    } catch (thrown) {
      const why = toFault(thrown);
      const encoding = this.state.work?.kind === 'load' || this.state.work?.kind === 'encode';
      const died = why.code === 'crashed' || why.code === 'timeout' || why.code === 'internal';
      if (!encoding || !died || signal.aborted || !this.#worker.onGpu) throw thrown;
      this.#worker.leaveGpu(`The WebGPU build stopped: ${why.message}`);
      this.#worker.restart();
      this.#set({ notice: 'The WebGPU build stopped. The encoder was started again on the CPU.' });
      await work(signal);
    }
  }

  async #explain(failed: Fault): Promise<void> {
    const relay = this.state.view?.relay ?? this.#around.relay;
    this.#fail(await explainFault(failed, { ...this.#around, relay }, this.ledger));
  }

  #fail(failed: Fault): void {
    this.#set({ fault: failed });
    this.#hooks.onFault(failed);
  }

  #workerDied(): void {
    if (this.busy || this.#closed) return;
    this.#set({
      notice: 'The worker stopped unexpectedly and was started again. The site and its statistics are safe.',
    });
    this.#watch(0);
  }

  #progress(done: number, total: number): void {
    if (this.state.work) this.#set({ work: { ...this.state.work, done, total } });
  }

  #set(change: Partial<SiteState>): void {
    Object.assign(this.state, change);
    this.#hooks.onChange();
  }
}

/** Whether a round needs this page's attention soon. */
const isRunning = (view: SiteView | null): boolean =>
  view?.rounds.some(({ state }) => state === 'contributing' || state === 'confirming' || state === 'opening') ?? false;

const cancelled = (): Fault =>
  fault('cancelled', 'You stopped this step; nothing of it was kept or sent.', 'Start it again whenever you like.');

const noPictures = (problems: number): Fault =>
  fault(
    'wrong-file',
    problems > 0
      ? `None of the ${problems} files of this folder is a labelled picture.`
      : 'This folder holds no files that could be read.',
    'Choose a folder with one sub-folder of PNG or JPEG pictures for each class, or with a CSV of the columns file and label.',
  );
