/** Restoring flagged images: on the device, and on three relays that each see a part of it under noise. */

import { after, before } from 'node:test';
import { purifyCases } from './cases/purify.ts';
import { purifyLooksCases } from './cases/purify-looks.ts';
import { purifyRelaysCases } from './cases/purify-relays.ts';
import { guardedPacks } from './support/packs.ts';
import { Stage } from './support/stage.ts';

let stage: Stage;
before(async () => {
  stage = await Stage.set(guardedPacks, 2);
});
after(() => stage?.strike());

for (const cases of [purifyCases, purifyLooksCases, purifyRelaysCases]) cases(() => stage);
