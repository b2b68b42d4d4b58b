/** A site as client-wasm would show it, of which a test changes what it needs. */

import type { Prepared, Round, SiteView } from '../../src/core/site/site-types.ts';

export const prepared: Prepared = {
  classes: [
    { id: 'no', label: 'No tumour visible', images: 8, held_out: 2 },
    { id: 'yes', label: 'Tumour visible', images: 8, held_out: 2 },
  ],
  clipped: 1,
  norm: 1234.5,
  length: 18_914,
  bytes: 125_000,
};

export const round = (change: Partial<Round> = {}): Round => ({
  number: 1,
  purpose: 'statistics',
  state: 'contributing',
  length: 18_914,
  deadline: 2_000_000_000,
  contributed: [],
  confirmed: [],
  answered: [],
  failure: null,
  published: null,
  duty: 'contribute',
  refusal: null,
  ...change,
});

export const siteView = (change: Partial<SiteView> = {}): SiteView => ({
  relay: 'http://relay.test',
  site: 1,
  consortium: {
    id: 'c',
    title: 'Three hospitals',
    model: 'brain-mri',
    classes: ['no', 'yes'],
    rules: { sites: 3, threshold: 2, collusion: 1, cohort: 3, quorum: 3 },
    clip_norm: 2000,
    state: 'ready',
    sites: ['North', 'East', 'South'].map((name, index) => ({ index, name })),
    fingerprint: '0123 4567 89ab cdef 0123 4567 89ab cdef',
  },
  trust: 'compared',
  prepared,
  rounds: [],
  evaluation: null,
  remark: null,
  spent: null,
  ...change,
});
