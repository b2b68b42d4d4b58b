/** The threshold that an expert has chosen for a model, kept on this device until it is reset or the detector changes. */

import type { ModelCard } from './client-types.ts';

type Store = Pick<Storage, 'getItem' | 'setItem' | 'removeItem'>;

const nameOf = (model: string): string => `veilsight-threshold-${model}`;

export class Thresholds {
  readonly #store: () => Store;

  /** `store` may throw: a browser can forbid storage. */
  constructor(store: () => Store = () => localStorage) {
    this.#store = store;
  }

  /** The chosen threshold; null for the card's own, and where the choice was made for another detector. */
  read(card: ModelCard): number | null {
    try {
      const kept: unknown = JSON.parse(this.#store().getItem(nameOf(card.id)) ?? 'null');
      const { detector, threshold } = (kept ?? {}) as { detector?: unknown; threshold?: unknown };
      return detector === card.detector?.sha256 && Number.isFinite(threshold) ? (threshold as number) : null;
    } catch {
      return null;
    }
  }

  /** Keeps a choice, or forgets it (null). Where the browser forbids storage it lasts as long as the page. */
  write(card: ModelCard, threshold: number | null): void {
    try {
      if (threshold === null) this.#store().removeItem(nameOf(card.id));
      else this.#store().setItem(nameOf(card.id), JSON.stringify({ detector: card.detector?.sha256, threshold }));
    } catch {
      // Not kept, and still in force on this page.
    }
  }
}
