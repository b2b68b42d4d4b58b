import { html, nothing, type TemplateResult } from 'lit';
import { clock } from '../../../core/format.ts';
import type { SiteState } from '../../../core/site/site-controller.ts';
import type { Round, RoundState, SiteView } from '../../../core/site/site-types.ts';
import { currentRound, listed, siteName } from '../../../core/site/todo.ts';
import { icon } from '../icons.ts';
import { type NoiseActions, noiseView, seenView, spentView } from './statistics.ts';

export interface RoundActions extends NoiseActions {
  contribute: (round: number) => void;
}

export const STATE_WORDS: Record<RoundState, string> = {
  contributing: 'Sites contribute',
  confirming: 'Members confirm the set',
  opening: 'Members open the sum',
  opened: 'Open',
  expired: 'Ended without a sum',
  failed: 'Failed',
};

const PATH: RoundState[] = ['contributing', 'confirming', 'opening', 'opened'];

/** How far a round that ended early had come, by what its sites had sent. */
const reached = (round: Round): number => {
  const place = PATH.indexOf(round.state);
  if (place >= 0) return place;
  if (round.answered.length > 0) return 2;
  return round.confirmed.length > 0 ? 1 : 0;
};

function pathView(round: Round): TemplateResult {
  const at = reached(round);
  const over = round.state === 'expired' || round.state === 'failed';
  return html`
    <ol class="path-line" aria-label="States of the round">
      ${PATH.map((state, i) => {
        const kind = i < at || round.state === 'opened' ? 'done' : i === at ? (over ? 'broken' : 'running') : 'waiting';
        return html`<li class=${kind} aria-current=${i === at ? 'step' : nothing}><span class="dot">${kind === 'done' ? icon('check') : nothing}</span>${STATE_WORDS[state]}</li>`;
      })}
    </ol>
  `;
}

const mark = (has: boolean, missed: boolean): TemplateResult =>
  has
    ? html`<span class="yes">${icon('check')}<span class="hidden">yes</span></span>`
    : html`<span class=${missed ? 'missed' : 'muted'}>${missed ? 'missed' : '–'}</span>`;

/** Who has done what. Whoever is missing after a state has ended is named as missing. */
function membersView(view: SiteView, round: Round): TemplateResult {
  const at = reached(round);
  const over = round.state === 'opened' || round.state === 'expired' || round.state === 'failed';
  const named = new Set(round.failure?.sites ?? []);
  return html`
    <div class="scroll" role="region" aria-label="Parts of the sites" tabindex="0">
      <table class="table members">
        <caption class="hidden">Who has done what in round ${round.number}</caption>
        <thead>
          <tr><th scope="col">Site</th><th scope="col">Contributed</th><th scope="col">Confirmed</th><th scope="col">Answered</th></tr>
        </thead>
        <tbody>
          ${view.consortium.sites.map(
            ({ index, name }) => html`
              <tr class=${named.has(index) ? 'named' : ''}>
                <th scope="row">${name}${index === view.site ? html` <span class="tag key">this site</span>` : nothing}</th>
                <td>${mark(round.contributed.includes(index), at > 0 || over)}</td>
                <td>${mark(round.confirmed.includes(index), at > 1 || (over && at >= 1))}</td>
                <td>${mark(round.answered.includes(index), over && at >= 2)}</td>
              </tr>
            `,
          )}
        </tbody>
      </table>
    </div>
  `;
}

function failureView(view: SiteView, round: Round): TemplateResult | typeof nothing {
  const { failure } = round;
  if (!failure) return nothing;
  const names = listed(failure.sites.map((index) => siteName(view, index)));
  const [what, whom] =
    round.state === 'expired' ? ['The round ended without a sum', 'missing'] : ['The round failed', 'named'];
  const title = names ? `${what}; ${whom}: ${names}` : what;
  return html`
    <div class="fault" role="alert" data-code=${failure.code} id="round-failure">
      ${icon('alert')}
      <div>
        <h3>${title}</h3>
        <p>${failure.detail}</p>
        <p class="do">Nothing of any site was opened. The administrator can open another round; statistics that were made stay here.</p>
      </div>
    </div>
  `;
}

function contributeView(
  state: SiteState,
  view: SiteView,
  round: Round,
  actions: RoundActions,
): TemplateResult | typeof nothing {
  if (round.duty !== 'contribute' || state.work?.kind === 'contribute') return nothing;
  if (!view.prepared)
    return html`<p class="check calm">${icon('info')} Choose and encode this site's images first.</p>`;
  return html`
    <div class="sending">
      ${seenView(view)} ${noiseView(state, actions)}
      <button class="primary" id="contribute" ?disabled=${state.work !== null} @click=${() => actions.contribute(round.number)}>
        ${icon('lock')} Encrypt and contribute to round ${round.number}
      </button>
      <p class="muted small">A contribution cannot be taken back or changed.</p>
    </div>
  `;
}

const pastView = (rounds: Round[]): TemplateResult | typeof nothing =>
  rounds.length === 0
    ? nothing
    : html`
        <details class="more">
          <summary>Earlier rounds</summary>
          <ul class="plain">${rounds.map((round) => html`<li>Round ${round.number}: ${STATE_WORDS[round.state].toLowerCase()}</li>`)}</ul>
        </details>
      `;

/** The newest round: its state, who has done what, and what this site may still do. */
export function roundView(state: SiteState, actions: RoundActions): TemplateResult {
  const { view } = state;
  const round = view ? currentRound(view) : null;
  if (!view || !round) return html``;
  const running = PATH.slice(0, 3).includes(round.state);
  return html`
    ${failureView(view, round)}
    ${view.remark ? html`<p class="check calm">${icon('info')} No head can be compared: ${view.remark}</p>` : nothing}
    ${contributeView(state, view, round, actions)}
    <section aria-labelledby="round-title">
      <h4 id="round-title">Round ${round.number}${running ? html` <span class="muted">this state ends at ${clock(round.deadline * 1000)}</span>` : nothing}</h4>
      ${pathView(round)} ${membersView(view, round)}
    </section>
    ${
      running && round.duty !== 'contribute'
        ? html`<p class="muted small">This page confirms and answers by itself while it is open. Members that are away at the opening are waited for until the deadline.</p>`
        : nothing
    }
    ${spentView(view)} ${pastView(view.rounds.slice(1))}
  `;
}
