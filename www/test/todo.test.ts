import assert from 'node:assert/strict';
import { test } from 'node:test';
import { spoken } from '../src/core/site/fingerprint.ts';
import type { SiteState } from '../src/core/site/site-controller.ts';
import type { SiteView } from '../src/core/site/site-types.ts';
import { listed, stageStatus, todo } from '../src/core/site/todo.ts';
import { uncertainty } from '../src/element/views/site/result.ts';
import { remaining } from '../src/element/views/site/work.ts';
import { round, siteView } from './support/site.ts';

const state = (view: SiteView | null): SiteState => ({
  known: true,
  view,
  work: null,
  folder: null,
  share: 0.2,
  noise: null,
  offer: null,
  fault: null,
  notice: '',
  silence: '',
});

const inRound = (change: Parameters<typeof round>[0]) => todo(state(siteView({ rounds: [round(change)] })));

test('each_state_of_a_site_says_what_it_has_to_do', () => {
  const enrolling = siteView({ prepared: null, trust: 'none' });
  enrolling.consortium = { ...enrolling.consortium, state: 'enrolling', sites: enrolling.consortium.sites.slice(0, 2) };
  const cases: [SiteView | null, string, RegExp][] = [
    [null, 'act', /Enrol/],
    [enrolling, 'act', /Choose the folder.*1 more site has/],
    [{ ...enrolling, prepared: siteView().prepared }, 'wait', /1 more of 3 sites/],
    [siteView({ trust: 'none' }), 'act', /Compare the fingerprint/],
    [siteView({ trust: 'changed' }), 'bad', /Stop/],
    [siteView({ prepared: null }), 'act', /Choose the folder/],
    [siteView(), 'wait', /administrator/],
  ];
  for (const [view, tone, text] of cases) {
    const told = todo(state(view));
    assert.equal(told.tone, tone, told.text);
    assert.match(told.text, text);
  }
});

test('a_round_names_the_sites_it_waits_for', () => {
  assert.equal(inRound({}).tone, 'act');
  assert.match(inRound({ duty: 'wait', contributed: [1] }).text, /waits for North and South.*may be closed/);
  assert.match(inRound({ state: 'confirming', duty: 'wait', confirmed: [0, 1] }).text, /confirmations of South/);
  assert.match(inRound({ state: 'opening', duty: 'wait', answered: [0] }).text, /East and South still to answer/);
  assert.equal(inRound({ state: 'opened', duty: 'none' }).tone, 'good');
  assert.match(inRound({ state: 'expired', duty: 'none' }).text, /Nothing of any site was opened/);
  assert.equal(inRound({ state: 'failed', duty: 'none' }).tone, 'bad');
  assert.match(inRound({ refusal: 'its own contribution is missing.' }).text, /takes no further part.*missing/);
});

test('the_steps_follow_each_other', () => {
  const status = (view: SiteView | null) => Object.values(stageStatus(state(view))).join(' ');
  assert.equal(status(null), 'now later later later later');
  assert.equal(status(siteView({ prepared: null, trust: 'none' })), 'done now now later later');
  assert.equal(status(siteView({ rounds: [round()] })), 'done done done now later');
  const evaluation = {
    round: 1,
    head: 'lda',
    cohort: [],
    images: [],
    federated: { correct: 0, total: 0, classes: [] },
  };
  const opened = siteView({
    rounds: [round({ state: 'opened', duty: 'none' })],
    evaluation: { ...evaluation, local: null },
  });
  assert.equal(status(opened), 'done done done done done');
});

test('lists_fingerprints_and_remaining_times_are_readable', () => {
  assert.deepEqual([listed([]), listed(['A']), listed(['A', 'B', 'C'])], ['', 'A', 'A, B and C']);
  assert.deepEqual(spoken('0123 4567'), ['0123', '4567']);
  assert.deepEqual(spoken('0123456789'), ['0123', '4567', '89']);
  const work = (done: number) => ({ kind: 'encode' as const, done, total: 100, since: 0 });
  assert.equal(remaining(work(0), 1000), '');
  assert.equal(remaining(work(50), 10_000), 'about 10 seconds left');
  assert.equal(remaining(work(10), 60_000), 'about 9 minutes left');
  assert.equal(remaining(work(99), 60_000), 'a few seconds left');
});

test('a_small_hold_out_is_told_to_say_little', () => {
  assert.ok(uncertainty({ correct: 4, total: 4 }) > 0.2);
  assert.ok(uncertainty({ correct: 900, total: 1000 }) < 0.02);
});
