/** What surrounds a scan in a browser, as the element's attributes say it. */

import { parseWish } from '../core/backend-choice.ts';
import { relayAddresses } from '../core/catalogue.ts';
import { StoredBook } from '../core/history.ts';
import { probe } from '../core/probe.ts';
import { parsePurifyWish } from '../core/purification.ts';
import type { Surroundings } from '../core/scan-state.ts';
import { spawnWorker } from '../core/spawn.ts';
import { Thresholds } from '../core/thresholds.ts';
import { ownAssets, WORKER } from './assets.ts';
import { isCodeOf } from './code-files.ts';

export type Attributes = Record<'relay' | 'model' | 'backend' | 'assets' | 'purify' | 'purifyRelays', string>;

const withoutSlash = (address: string): string => address.replace(/\/+$/, '');

/** Addresses are taken from the page's own where they are relative, and from this module's where they are not given. */
export function surroundingsOf(given: Attributes): Surroundings {
  const stated = given.relay ? new URL(given.relay, document.baseURI).href : '';
  const build = given.assets ? new URL(given.assets, document.baseURI).href : stated || ownAssets();
  const assets = `${withoutSlash(build)}/`;
  const relay = withoutSlash(stated || new URL(ownAssets()).origin);
  return {
    relay,
    assets,
    model: given.model,
    wish: parseWish(given.backend),
    pageOrigin: location.origin,
    spawn: () => spawnWorker(assets, WORKER, location.origin),
    isOnline: () => navigator.onLine,
    relayAnswersAtAll: (ledger) => probe(relay, ledger),
    isCode: isCodeOf(assets),
    book: new StoredBook(),
    thresholds: new Thresholds(),
    purify: parsePurifyWish(given.purify),
    purifyRelays: relayAddresses(given.purifyRelays.split(/\s+/).filter(Boolean), document.baseURI),
  };
}
