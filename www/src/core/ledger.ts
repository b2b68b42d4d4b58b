/** The egress ledger: every request, told by whoever made it, checked against what the browser itself saw on the network. */

import type { RequestRecord } from './client-types.ts';

/**
 * What a request carries out: ciphertext, noised tiles of an image, a public key, a site's signed part in a round (checks and sums of
 * shares), a question with a token of its own (a site's, a job's), or nothing but a question for public bytes.
 */
export type Nature = 'ciphertext' | 'tiles' | 'key' | 'part' | 'question' | 'public' | 'code';

export interface Entry extends RequestRecord {
  /** Unix milliseconds. */
  time: number;
  path: string;
  /** The host it went to, where that is not the element's own relay; else empty. */
  elsewhere: string;
  nature: Nature;
}

/** What the browser's resource timing says about one request. */
export interface Sighting {
  url: string;
  /** Unix milliseconds. */
  time: number;
  ms: number;
  bytes: number;
  status: number;
  /** `page` for the main thread, `worker` for ours. */
  seenBy: 'page' | 'worker';
}

/** Requests that differ in time alone, such as those that ask again how a round or a job stands. */
export interface Repeated {
  entry: Entry;
  times: number;
  /** Unix milliseconds of the last one. */
  last: number;
}

export interface Totals {
  requests: number;
  bytesOut: number;
  bytesIn: number;
  ciphertextOut: number;
  tilesOut: number;
}

const NATURES: [RegExp, Nature][] = [
  [/^POST \/v1\/models\/[^/]+\/infer$/, 'ciphertext'],
  [/^PUT \/v1\/consortia\/.+\/contribution$/, 'ciphertext'],
  [/^POST \/v1\/(?:sessions|enrolments)$/, 'key'],
  [/^POST \/v1\/consortia\/.+\/(?:confirmation|answer)$/, 'part'],
  [/^GET \/v1\/consortia\//, 'question'],
  [/^POST \/v1\/purifications$/, 'tiles'],
  [/^(?:GET|DELETE) \/v1\/purifications\//, 'question'],
];

const natureOf = ({ method }: RequestRecord, path: string): Nature => {
  const request = `${method} ${path.slice(Math.max(path.indexOf('/v1/'), 0))}`;
  return NATURES.find(([pattern]) => pattern.test(request))?.[1] ?? 'public';
};

export class Ledger {
  readonly #entries: Entry[] = [];
  readonly #sightings: Sighting[] = [];
  readonly #isCode: (url: string) => boolean;
  readonly #base: string;

  /**
   * `base` resolves relative addresses; `isCode` tells the files of Veilsight's own build, which the browser loads by itself:
   * these enter the ledger on sight.
   */
  constructor(base: string, isCode: (url: string) => boolean) {
    this.#base = base;
    this.#isCode = isCode;
  }

  record(request: RequestRecord, now = Date.now()): void {
    const url = new URL(request.url, this.#base);
    const path = url.pathname + url.search;
    const elsewhere = url.origin === new URL(this.#base).origin ? '' : url.host;
    const nature = natureOf(request, path);
    this.#entries.push({ ...request, url: url.href, path, elsewhere, time: now - request.ms, nature });
    this.#sort();
  }

  sight(sighting: Sighting): void {
    this.#sightings.push(sighting);
    if (!this.#isCode(sighting.url)) return;
    const url = new URL(sighting.url);
    this.#entries.push({
      id: -this.#entries.length - 1,
      method: 'GET',
      url: url.href,
      path: url.pathname + url.search,
      elsewhere: '',
      purpose: "Load Veilsight's program",
      bytes_out: 0,
      bytes_in: sighting.bytes,
      status: sighting.status,
      ms: sighting.ms,
      preview_out: '',
      preview_in: '',
      content: 'Public program code, the same for everybody',
      cached: false,
      time: sighting.time,
      nature: 'code',
    });
    this.#sort();
  }

  get entries(): readonly Entry[] {
    return this.#entries;
  }

  /** The entries in order, the repeated questions of a site or a job each in one. */
  folded(): Repeated[] {
    const questions = new Map<string, Repeated>();
    const folded: Repeated[] = [];
    for (const entry of this.#entries) {
      const name = `${entry.method} ${entry.url} ${entry.status}`;
      const known = entry.nature === 'question' ? questions.get(name) : undefined;
      if (known) {
        known.times++;
        known.last = entry.time;
        continue;
      }
      const repeated = { entry, times: 1, last: entry.time };
      if (entry.nature === 'question') questions.set(name, repeated);
      folded.push(repeated);
    }
    return folded;
  }

  /** Requests that the browser saw and nobody told of. There should be none. */
  unexplained(): Sighting[] {
    const told = new Map<string, number>();
    for (const entry of this.#entries) {
      if (!entry.cached) told.set(entry.url, (told.get(entry.url) ?? 0) + 1);
    }
    return this.#sightings.filter((sighting) => {
      const left = told.get(sighting.url) ?? 0;
      if (left > 0) told.set(sighting.url, left - 1);
      return left === 0;
    });
  }

  totals(): Totals {
    const sent = this.#entries.filter((e) => !e.cached);
    const sum = (of: Entry[], key: 'bytes_out' | 'bytes_in') => of.reduce((total, e) => total + e[key], 0);
    const outAs = (nature: Nature) =>
      sum(
        sent.filter((e) => e.nature === nature),
        'bytes_out',
      );
    return {
      requests: sent.length,
      bytesOut: sum(sent, 'bytes_out'),
      bytesIn: sum(sent, 'bytes_in'),
      ciphertextOut: outAs('ciphertext'),
      tilesOut: outAs('tiles'),
    };
  }

  /** The last request whose ciphertext the relay took, if any. */
  lastCiphertext(): Entry | undefined {
    return this.#entries.findLast((e) => e.nature === 'ciphertext' && (e.status === 200 || e.status === 201));
  }

  #sort(): void {
    this.#entries.sort((a, b) => a.time - b.time);
  }
}
