/** Where things lie. */

import { join, resolve } from 'node:path';

export const WWW = resolve(import.meta.dirname, '../..');
export const ROOT = resolve(WWW, '..');
export const DIST = process.env.VEILSIGHT_DIST ?? join(WWW, 'dist');
export const RESULTS = join(WWW, 'test-results');
