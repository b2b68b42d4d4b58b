/** The site's page: three browsers, one relay, whole rounds. */

import { after, before } from 'node:test';
import { siteCases } from './cases/site.ts';
import { Stage } from './support/stage.ts';

let stage: Stage;
before(async () => {
  stage = await Stage.set();
});
after(() => stage?.strike());

siteCases(() => stage);
