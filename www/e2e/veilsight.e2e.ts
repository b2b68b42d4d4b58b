/** Every end-to-end case, on one relay and in one Chromium. */

import { after, before } from 'node:test';
import { answerCases } from './cases/answer.ts';
import { egressCases, otherHostCases } from './cases/egress.ts';
import { embedCases } from './cases/embed.ts';
import { errorCases } from './cases/errors.ts';
import { looksCases } from './cases/looks.ts';
import { sizeCases } from './cases/sizes.ts';
import { webgpuCases } from './cases/webgpu.ts';
import { Stage } from './support/stage.ts';

let stage: Stage;
before(async () => {
  stage = await Stage.set();
});
after(() => stage?.strike());

for (const cases of [
  answerCases,
  egressCases,
  embedCases,
  errorCases,
  looksCases,
  sizeCases,
  webgpuCases,
  otherHostCases,
])
  cases(() => stage);
