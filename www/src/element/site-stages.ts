/** The five steps of a site, each with its line and its content. */

import { html, nothing } from 'lit';
import { count } from '../core/format.ts';
import type { SiteState, WorkKind } from '../core/site/site-controller.ts';
import type { SiteView } from '../core/site/site-types.ts';
import type { Sample } from '../core/site/split.ts';
import { currentRound, siteName } from '../core/site/todo.ts';
import { type EnrolActions, type EnrolledActions, enrolForm, enrolledView } from './views/site/enrol.ts';
import { type FolderActions, folderDrop, folderView } from './views/site/folder.ts';
import { resultView } from './views/site/result.ts';
import { type RosterActions, rosterView } from './views/site/roster.ts';
import { type RoundActions, roundView, STATE_WORDS } from './views/site/round.ts';
import type { Stage } from './views/site/stage.ts';
import { type StatisticsActions, statisticsView } from './views/site/statistics.ts';
import { workView } from './views/site/work.ts';

export interface Around {
  relay: string;
  /** Whether the embedding page names the relay. */
  fixed: boolean;
  dragging: boolean;
  asked: boolean;
  again: boolean;
  samples: () => Sample[];
}

export type SiteActions = EnrolActions &
  EnrolledActions &
  RosterActions &
  FolderActions &
  StatisticsActions &
  RoundActions & { cancel: () => void };

export const stagesOf = (state: SiteState, around: Around, actions: SiteActions): Stage[] => [
  enrolStage(state, around, actions),
  rosterStage(state, actions),
  imagesStage(state, around, actions),
  roundStage(state, actions),
  resultStage(state.view),
];

const enrolStage = (state: SiteState, around: Around, actions: SiteActions): Stage => ({
  key: 'enrol',
  title: 'Enrol',
  summary: state.view
    ? `${siteName(state.view, state.view.site)} in ${state.view.consortium.title}`
    : 'With the one-time invitation of the administrator',
  body: state.view ? enrolledView(state, around.asked, actions) : enrolForm(state, around.relay, around.fixed, actions),
  open: around.asked,
});

function rosterSummary(view: SiteView | null): string {
  if (!view) return 'Who takes part, by which rules, and the fingerprint to compare';
  const { sites, rules } = view.consortium;
  if (sites.length < rules.sites) return `${sites.length} of ${rules.sites} sites have enrolled`;
  return view.trust === 'compared'
    ? `${rules.sites} sites, fingerprint compared`
    : `${rules.sites} sites; compare the fingerprint`;
}

const rosterStage = (state: SiteState, actions: SiteActions): Stage => ({
  key: 'compare',
  title: 'Compare the roster',
  summary: rosterSummary(state.view),
  body: rosterView(state, actions),
  open: false,
});

function imagesStage(state: SiteState, around: Around, actions: SiteActions): Stage {
  const { view } = state;
  const prepared = view?.prepared;
  const images = prepared?.classes.reduce((total, { images: n }) => total + n, 0) ?? 0;
  return {
    key: 'images',
    title: 'Encode the images',
    summary: prepared
      ? `Statistics of ${count(images)} images, on this device`
      : 'Choose a folder; the browser encodes it here',
    body: view ? imagesBody(state, view, around, actions) : nothing,
    open: around.again || !view || (currentRound(view)?.duty !== 'wait' && !view.evaluation),
  };
}

/** Work that takes the place of the folder while it lasts. */
const IN_HAND = new Set<WorkKind>(['read', 'load', 'encode']);

function imagesBody(state: SiteState, view: SiteView, around: Around, actions: SiteActions): unknown {
  const { folder, work } = state;
  if (work && IN_HAND.has(work.kind)) return workView(work, actions.cancel);
  if (folder) return folderView(state, folder, around.samples(), actions);
  const drop = () => folderDrop(view.consortium.classes, around.dragging, work !== null, actions);
  if (!view.prepared) return drop();
  return around.again ? drop() : statisticsView(state, view.prepared, actions);
}

function roundSummary(view: SiteView | null): string {
  const round = view ? currentRound(view) : null;
  if (!round) return 'The administrator opens a round; this page asks for it by itself';
  return `Round ${round.number}: ${STATE_WORDS[round.state].toLowerCase()}`;
}

const roundStage = (state: SiteState, actions: SiteActions): Stage => ({
  key: 'round',
  title: 'Contribute and open',
  summary: roundSummary(state.view),
  body: html`${state.work?.kind === 'contribute' ? workView(state.work, actions.cancel) : nothing} ${roundView(state, actions)}`,
  open: true,
});

const resultStage = (view: SiteView | null): Stage => ({
  key: 'result',
  title: 'The new head',
  summary: view?.evaluation
    ? `From the opened sum of ${view.evaluation.cohort.length} sites`
    : 'Its accuracy here, beside a head of this site alone',
  body: view ? resultView(view) : nothing,
  open: true,
});
