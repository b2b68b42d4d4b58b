/** The check for tampering: what becomes of an image between its verdict and the relay. */

import { after, before } from 'node:test';
import { attackedCases } from './cases/attacked.ts';
import { detectorCases } from './cases/detector.ts';
import { detectorLooksCases } from './cases/detector-looks.ts';
import { guardedPacks } from './support/packs.ts';
import { Stage } from './support/stage.ts';

let stage: Stage;
before(async () => {
  stage = await Stage.set(guardedPacks);
});
after(() => stage?.strike());

for (const cases of [detectorCases, detectorLooksCases, attackedCases]) cases(() => stage);
