/** The history as the page shows it: what the book holds, and whether this browser can keep one at all. */

import type { Answer, ModelCard } from './client-types.ts';
import type { Judgement } from './detection.ts';
import { type Book, type Decision, MAX_RECORDS, type ScanRecord } from './history.ts';

export class Logbook {
  records: ScanRecord[] = [];
  /** Why nothing can be kept; empty where it can. */
  trouble = '';
  readonly #book: Book;
  readonly #onChange: () => void;

  constructor(book: Book, onChange: () => void) {
    this.#book = book;
    this.#onChange = onChange;
  }

  async load(): Promise<void> {
    await this.#attempt(async () => {
      this.records = await this.#book.list();
    });
  }

  /** Keeps a record, in the place of an earlier one of the same scan. */
  async note(record: ScanRecord): Promise<void> {
    const others = this.records.filter(({ id }) => id !== record.id);
    this.records = [record, ...others].sort((a, b) => b.time - a.time).slice(0, MAX_RECORDS);
    await this.#attempt(() => this.#book.put(record));
  }

  async clear(): Promise<void> {
    this.records = [];
    await this.#attempt(() => this.#book.clear());
  }

  /** A browser without storage loses the history at the end of the visit, not the scan. */
  async #attempt(work: () => Promise<void>): Promise<void> {
    try {
      await work();
      this.trouble = '';
    } catch (why) {
      this.trouble = `This browser keeps no history: ${why instanceof Error ? why.message : String(why)}`;
    }
    this.#onChange();
  }
}

/** A new record of a scan that has come to its verdict. */
export function recordOf(
  card: ModelCard,
  image: string,
  judgement: Judgement | null,
  decision: Decision,
  now = Date.now(),
): ScanRecord {
  return {
    id: `${now}-${Math.random().toString(36).slice(2, 10)}`,
    time: now,
    image,
    model: card.id,
    version: card.version,
    verdict: judgement ? (judgement.flagged ? 'flagged' : 'clean') : 'unchecked',
    score: judgement?.score ?? null,
    threshold: judgement?.threshold ?? null,
    cleanShare: judgement?.cleanShare ?? null,
    decision,
    purified: null,
    answer: null,
  };
}

/** The top class of an answer, as a record keeps it. */
export function topOf(answer: Answer): ScanRecord['answer'] {
  const top = answer.classes[answer.top];
  return top ? { id: top.id, label: top.label } : null;
}
