/** The hold-out: pictures that are not contributed, on which the heads are compared. */

import type { Group, LabelledPicture } from './reading.ts';

export const SHARES = [0, 0.1, 0.2, 0.3, 0.5] as const;
export const DEFAULT_SHARE = 0.2;

export interface Sample {
  picture: LabelledPicture;
  label: number;
  heldOut: boolean;
}

/**
 * Takes the same share of every class: those pictures whose SHA-256 comes first. The same folder gives the same hold-out on every
 * device and in every order. A class with one picture holds none out.
 */
export function split(groups: Group[], share: number): Sample[] {
  const labels = [...new Set(groups.map(({ label }) => label))].filter((label) => label >= 0).sort((a, b) => a - b);
  return labels.flatMap((label) => {
    const pictures = groups.filter((group) => group.label === label).flatMap((group) => group.pictures);
    const ordered = [...pictures].sort((a, b) => (a.hash < b.hash ? -1 : 1));
    const held = Math.min(Math.round(share * ordered.length), ordered.length - 1);
    return ordered.map((picture, i) => ({ picture, label, heldOut: i < held }));
  });
}

export interface Count {
  images: number;
  heldOut: number;
}

/** Pictures of each class, and how many of them are held out. */
export function countClasses(samples: Sample[], classes: number): Count[] {
  const counts = Array.from({ length: classes }, () => ({ images: 0, heldOut: 0 }));
  for (const { label, heldOut } of samples) {
    const count = counts[label];
    if (!count) continue;
    count.images++;
    if (heldOut) count.heldOut++;
  }
  return counts;
}
