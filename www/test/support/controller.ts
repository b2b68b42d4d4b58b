/** A controller whose workers live in this thread, and a model and its detector for it. */

import type {
  Answer,
  DetectorCard,
  ModelCard,
  Purified,
  PurifierCard,
  PurifyOptions,
  Verdict,
} from '../../src/core/client-types.ts';
import { Controller } from '../../src/core/controller.ts';
import type { Judgement } from '../../src/core/detection.ts';
import type { Book, ScanRecord } from '../../src/core/history.ts';
import type { Method, StartOptions } from '../../src/core/protocol.ts';
import type { PurifiedNews } from '../../src/core/purification.ts';
import { LIMITS } from '../../src/core/remote.ts';
import type { Surroundings } from '../../src/core/scan-state.ts';
import { Thresholds } from '../../src/core/thresholds.ts';
import type { Handlers } from '../../src/worker/serve.ts';
import { FakeWorker, handlers } from './fake-worker.ts';
import { tinyPng } from './pictures.ts';

export const card = { id: 'm', title: 'M', version: '1', task: 't', classes: [] } satisfies ModelCard;

export const answer: Answer = {
  model: 'm',
  version: '1',
  classes: [{ id: 'yes', label: 'Yes', probability: 1, logit: 3 }],
  top: 0,
  backend: 'cpu',
  timings: { decode: 1, detect: 1, encode: 1, seal: 1, relay: 1, open: 1 },
  sealed_bytes: 4000,
  answer_bytes: 200,
  budget_left: null,
  purified: null,
};

export const detector: DetectorCard = {
  sha256: 'ab'.repeat(32),
  bytes: 1000,
  threshold: 2,
  false_positive_rate: 0.05,
  clean_quantiles: Array.from({ length: 101 }, (_, i) => i / 40),
  roc: [
    { threshold: 3, false_positive_rate: 0, true_positive_rate: 0.6 },
    { threshold: 2, false_positive_rate: 0.04, true_positive_rate: 0.9 },
    { threshold: 0, false_positive_rate: 1, true_positive_rate: 1 },
  ],
  attack: 'pgd-linf-0.015',
  features: [{ name: 'error', mean: 1, std: 0.5, weight: 1 }],
};

export const verdictOf = (score: number, clean_share = 0.003): Verdict => ({
  score,
  clean_share,
  features: [score],
  grid: 2,
  map: [0.1, 5.5, 2.5, -1],
  ms: 12,
});

export const purifier: PurifierCard = {
  sha256: 'cd'.repeat(32),
  bytes: 2000,
  levels: [
    { from_score: 1.5, t: 60 },
    { from_score: 3, t: 120 },
  ],
  steps: 1,
};

const picture = () => ({ width: 1, height: 1, rgba: new Uint8Array(4) });

/** What comes of purifying as was asked, with a verdict of this score. */
export const purifiedBy = (order: PurifyOptions, score = 0.5): Purified => ({
  where: order.where,
  t: 120,
  steps: order.steps,
  ms: 30,
  before: picture(),
  after: picture(),
  difference: picture(),
  verdict: verdictOf(score),
  change: { psnr: 31, max: 0.2 },
  relays: order.where === 'relays' ? order.relays.map((url) => ({ url, tiles: 4, share: 0.3, state: 'used' })) : [],
  localTiles: 0,
});

/** How often a call was made of these workers. */
export const called = (workers: FakeWorker[], method: Method): number =>
  workers.flatMap(({ sent }) => sent).filter((m) => m.kind === 'call' && m.method === method).length;

/** Storage that forgets with the test. */
export function memory(): Pick<Storage, 'getItem' | 'setItem' | 'removeItem'> {
  const kept = new Map<string, string>();
  return {
    getItem: (name) => kept.get(name) ?? null,
    setItem: (name, value) => void kept.set(name, value),
    removeItem: (name) => void kept.delete(name),
  };
}

export class MemoryBook implements Book {
  readonly kept = new Map<string, ScanRecord>();
  list = async () => [...this.kept.values()];
  put = async (record: ScanRecord) => void this.kept.set(record.id, record);
  clear = async () => this.kept.clear();
}

export interface Heard {
  faults: string[];
  verdicts: Judgement[];
  news: PurifiedNews[];
  decisions: boolean[];
}

/** `life` says how the n-th worker behaves. */
export function setUp(
  life: (n: number) => Partial<Handlers>,
  around: Partial<Surroundings> = {},
  mayPass: (what: Judgement | PurifiedNews) => boolean = () => true,
) {
  const workers: FakeWorker[] = [];
  const starts: StartOptions[] = [];
  const heard: Heard = { faults: [], verdicts: [], news: [], decisions: [] };
  const book = new MemoryBook();
  const store = memory();
  const spawn = async () => {
    const usual: Partial<Handlers> = {
      start: async (options) => {
        starts.push(options as StartOptions);
        return { build: 'cpu', why: '' };
      },
      open: async () => ({ card, backend: 'cpu', why: 'CPU.' }),
      preview: async () => ({ width: 1, height: 1, rgba: new Uint8Array(4) }),
      proceed: async () => answer,
    };
    const worker = new FakeWorker(handlers({ ...usual, ...life(workers.length) }));
    workers.push(worker);
    return worker;
  };
  const controller = new Controller(
    {
      relay: 'http://relay.test',
      model: 'm',
      wish: 'auto',
      assets: 'http://relay.test/',
      pageOrigin: 'http://relay.test',
      spawn,
      isOnline: () => true,
      relayAnswersAtAll: async () => false,
      isCode: () => false,
      book,
      thresholds: new Thresholds(() => store),
      purify: 'ask',
      purifyRelays: [],
      limits: { ...LIMITS, cancelMs: 20 },
      ...around,
    },
    {
      onChange: () => undefined,
      onProgress: () => undefined,
      onVerdict: (judgement) => {
        heard.verdicts.push(judgement);
        return mayPass(judgement);
      },
      onPurified: (news) => {
        heard.news.push(news);
        return mayPass(news);
      },
      onDecision: (sent) => heard.decisions.push(sent),
      onAnswer: () => undefined,
      onFault: (f) => heard.faults.push(f.code),
    },
  );
  return { controller, workers, starts, ...heard, book, store, state: controller.state };
}

export const chosen = () => ({ blob: new Blob([tinyPng()]), name: 'a.png', phantom: false });
