/** Reading a verdict: is it flagged at this threshold, how rare is its score, and what a threshold costs. */

import type { DetectorCard, ModelCard, RocPoint, Verdict } from './client-types.ts';

/** A verdict at the threshold in force: `detail` of `veilsight-verdict`. */
export interface Judgement {
  flagged: boolean;
  score: number;
  threshold: number;
  /** Share of clean images that look at least this unusual. */
  cleanShare: number;
  /** Share of clean images that this threshold flags. */
  falsePositiveRate: number;
  /** Id of the model whose detector this is. */
  model: string;
}

export interface Rates {
  falsePositive: number;
  detection: number;
}

const ascending = (roc: RocPoint[]): RocPoint[] => roc.toSorted((a, b) => a.threshold - b.threshold);

/** What a card's ROC says of a threshold, linear between its points; null for a card without points. */
export function ratesAt({ roc }: DetectorCard, threshold: number): Rates | null {
  const points = ascending(roc);
  const above = points.findIndex((p) => p.threshold >= threshold);
  const right = points[above < 0 ? points.length - 1 : above];
  if (!right) return null;
  const left = above > 0 ? (points[above - 1] ?? right) : right;
  const width = right.threshold - left.threshold;
  const share = above < 0 || width <= 0 ? 1 : (threshold - left.threshold) / width;
  const between = (key: 'false_positive_rate' | 'true_positive_rate') => left[key] + share * (right[key] - left[key]);
  return { falsePositive: between('false_positive_rate'), detection: between('true_positive_rate') };
}

/** The thresholds among which an expert can choose. */
export function thresholdRange(detector: DetectorCard): { least: number; most: number; step: number } {
  const all = [...detector.roc.map((p) => p.threshold), detector.threshold].filter(Number.isFinite);
  const [least, most] = [Math.min(...all), Math.max(...all)];
  return { least, most, step: (most - least) / 500 || 1e-3 };
}

/** The expected false positives of a threshold: the card's own figure at the default, else the ROC's. */
export const falsePositivesAt = (detector: DetectorCard, threshold: number): number =>
  threshold === detector.threshold
    ? detector.false_positive_rate
    : (ratesAt(detector, threshold)?.falsePositive ?? detector.false_positive_rate);

/** A verdict at a threshold; null where there is no verdict or no detector. */
export function judge(card: ModelCard | null, verdict: Verdict | null, threshold: number | null): Judgement | null {
  const detector = card?.detector;
  if (!card || !detector || !verdict) return null;
  const limit = threshold ?? detector.threshold;
  return {
    flagged: verdict.score >= limit,
    score: verdict.score,
    threshold: limit,
    cleanShare: verdict.clean_share,
    falsePositiveRate: falsePositivesAt(detector, limit),
    model: card.id,
  };
}

/** The patch with the largest error: which, and where a person would look for it. */
export function hottest({ map, grid }: Verdict): { sigma: number; row: number; column: number; where: string } {
  const at = map.reduce((best, value, i) => (value > (map[best] ?? Number.NEGATIVE_INFINITY) ? i : best), 0);
  const [row, column] = [Math.floor(at / grid), at % grid];
  const third = (place: number, names: readonly [string, string, string]) =>
    names[Math.min(2, Math.floor(((place + 0.5) * 3) / grid)) as 0 | 1 | 2];
  const [vertical, horizontal] = [third(row, ['upper', 'middle', 'lower']), third(column, ['left', 'centre', 'right'])];
  return {
    sigma: map[at] ?? 0,
    row: row + 1,
    column: column + 1,
    where: vertical === 'middle' && horizontal === 'centre' ? 'in the centre' : `${vertical} ${horizontal}`,
  };
}
