/** The words for restored images. In code an image is purified; a person is told that it was restored. */

import type { PurifyFacts, PurifyRelay } from '../core/client-types.ts';
import { count, percent } from '../core/format.ts';

export const stepsOf = (steps: number): string => (steps === 1 ? 'one step' : `${count(steps)} steps`);

const PLACES: Record<PurifyFacts['where'], string> = { device: 'on this device', relays: 'on relays' };

/** Where and how an image was restored. */
export const restoredHow = ({ where, t, steps }: PurifyFacts): string =>
  `restored ${PLACES[where]}, noise level ${count(t)} of 1,000, ${stepsOf(steps)}`;

/** The host of an address, as a person tells relays apart. */
export const hostOf = (address: string): string => (URL.canParse(address) ? new URL(address).host : address);

/** What one relay got and did. */
export function relayDid({ tiles, share, state, error }: PurifyRelay): string {
  if (state === 'spare') return 'got nothing: it was not needed';
  const got = `saw noised tiles of ${percent(share)} of the image`;
  const gave = tiles === 1 ? '1 tile' : `${count(tiles)} tiles`;
  if (state === 'used') return `${got} and restored ${gave}`;
  const kept = tiles > 0 ? `restored ${gave}, then failed` : 'failed';
  return `${got} and ${kept}${error ? `: ${error.replace(/\.$/, '')}` : ''}`;
}

/** Tiles that this device restored because no relay could or should. */
export const deviceDid = (tiles: number): string =>
  tiles === 1 ? '1 tile was restored on this device.' : `${count(tiles)} tiles were restored on this device.`;
