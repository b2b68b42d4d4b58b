/** Where a site stands and what it has to do next, in one sentence. */

import { clock } from '../format.ts';
import type { SiteState } from './site-controller.ts';
import type { Round, SiteView } from './site-types.ts';

export type StageKey = 'enrol' | 'compare' | 'images' | 'round' | 'result';
export type StageStatus = 'done' | 'now' | 'later';

export const siteName = (view: SiteView, index: number): string =>
  view.consortium.sites.find((site) => site.index === index)?.name ?? `Site ${index + 1}`;

/** `A`, `A and B`, `A, B and C`. */
export const listed = (names: string[]): string =>
  names.length < 2 ? (names[0] ?? '') : `${names.slice(0, -1).join(', ')} and ${names.at(-1)}`;

export const currentRound = (view: SiteView): Round | null => view.rounds[0] ?? null;

/** Whether another round could still take this site's statistics. */
const mayContribute = (round: Round | null): boolean => round?.state === 'contributing' && round.duty === 'contribute';

export function stageStatus({ view, folder, work }: SiteState): Record<StageKey, StageStatus> {
  if (!view) return { enrol: 'now', compare: 'later', images: 'later', round: 'later', result: 'later' };
  const round = currentRound(view);
  const preparing = !view.prepared || folder !== null || work?.kind === 'encode' || work?.kind === 'load';
  const compared = view.trust === 'compared';
  return {
    enrol: 'done',
    compare: compared ? 'done' : 'now',
    images: preparing ? 'now' : 'done',
    round: compared && round ? (round.state === 'opened' ? 'done' : 'now') : 'later',
    result: view.evaluation ? 'done' : 'later',
  };
}

export interface Todo {
  text: string;
  /** `act`: a person has to do something; `wait`: the page does it by itself; `good`, `bad`: how it ended. */
  tone: 'act' | 'wait' | 'good' | 'bad';
}

const act = (text: string): Todo => ({ text, tone: 'act' });
const wait = (text: string): Todo => ({ text, tone: 'wait' });

/** What this site has to do now. */
export function todo(state: SiteState): Todo {
  const { view } = state;
  if (!state.known) return wait('Looking whether this browser holds a site.');
  if (!view) return act('Enrol this site with the invitation you were given.');
  if (view.trust === 'changed') {
    return {
      text: 'Stop: the roster is not the one that was compared. Ask the other sites before anything else.',
      tone: 'bad',
    };
  }
  if (view.consortium.state === 'ready' && view.trust === 'none') {
    return act('Compare the fingerprint with the other sites, over the telephone for example.');
  }
  return view.prepared ? ofRound(state, view) : beforeImages(view);
}

function beforeImages(view: SiteView): Todo {
  const missing = view.consortium.rules.sites - view.consortium.sites.length;
  const waiting =
    missing > 0 ? ` Meanwhile ${missing} more ${missing === 1 ? 'site has' : 'sites have'} to enrol.` : '';
  return act(`Choose the folder with this site's labelled images.${waiting}`);
}

function ofRound(state: SiteState, view: SiteView): Todo {
  const { consortium } = view;
  const missing = consortium.rules.sites - consortium.sites.length;
  if (missing > 0) return wait(`Waiting for ${missing} more of ${consortium.rules.sites} sites to enrol.`);
  const round = currentRound(view);
  if (!round) return wait('Waiting for the administrator to open a round.');
  if (round.refusal)
    return { text: `This site takes no further part in round ${round.number}: ${round.refusal}`, tone: 'bad' };
  if (state.work?.kind === 'contribute') return wait('Encrypting the statistics and sending them.');
  if (mayContribute(round)) {
    return act(`Contribute to round ${round.number} before ${clock(round.deadline * 1000)}.`);
  }
  return inRound(view, round);
}

function inRound(view: SiteView, round: Round): Todo {
  const absent = (present: number[]) =>
    listed(view.consortium.sites.filter(({ index }) => !present.includes(index)).map(({ name }) => name));
  const until = clock(round.deadline * 1000);
  switch (round.state) {
    case 'contributing':
      return wait(
        `Round ${round.number} waits for ${absent(round.contributed)}, until ${until}. This tab may be closed meanwhile.`,
      );
    case 'confirming':
      return wait(
        `Round ${round.number} waits for confirmations of ${absent(round.confirmed) || 'nobody'}, until ${until}.`,
      );
    case 'opening':
      return wait(`The sum is being opened; ${absent(round.answered) || 'nobody'} still to answer, until ${until}.`);
    case 'opened':
      return { text: `Round ${round.number} is open. The new head is compared with your own below.`, tone: 'good' };
    case 'expired':
      return { text: `Round ${round.number} ended without a sum. Nothing of any site was opened.`, tone: 'bad' };
    case 'failed':
      return { text: `Round ${round.number} failed. Nothing of any site was opened.`, tone: 'bad' };
  }
}
