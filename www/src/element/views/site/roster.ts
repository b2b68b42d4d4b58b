import { html, nothing, type TemplateResult } from 'lit';
import { spoken } from '../../../core/site/fingerprint.ts';
import type { SiteState } from '../../../core/site/site-controller.ts';
import type { SiteView } from '../../../core/site/site-types.ts';
import { icon } from '../icons.ts';

export interface RosterActions {
  trust: (fingerprint: string) => void;
}

const rosterList = ({ consortium, site }: SiteView): TemplateResult => html`
  <ol class="roster" aria-label="Sites of the consortium">
    ${Array.from({ length: consortium.rules.sites }, (_, index) => {
      const entry = consortium.sites.find((known) => known.index === index);
      return html`
        <li class=${entry ? 'here' : 'missing'}>
          <span class="dot">${entry ? icon('check') : nothing}</span>
          <span>${entry?.name ?? 'Not enrolled yet'}${index === site ? html` <span class="tag key">this site</span>` : nothing}</span>
        </li>
      `;
    })}
  </ol>
`;

const rulesView = ({ consortium: { rules } }: SiteView): TemplateResult => html`
  <ul class="plain">
    <li>A sum opens only when ${rules.threshold} of the ${rules.sites} sites answer for it, after ${rules.quorum} have confirmed whose contributions it holds.</li>
    <li>It holds the contributions of at least ${rules.cohort} sites.</li>
    <li>Up to ${rules.collusion} ${rules.collusion === 1 ? 'site that works' : 'sites that work'} together with the relay ${rules.collusion === 1 ? 'learns' : 'learn'} nothing of a single contribution.</li>
  </ul>
`;

function fingerprintView(view: SiteView, busy: boolean, actions: RosterActions): TemplateResult | typeof nothing {
  const { fingerprint } = view.consortium;
  if (!fingerprint) return nothing;
  return html`
    <div class="fingerprint">
      <p id="fingerprint-title"><strong>Fingerprint of the roster</strong></p>
      <p class="groups" id="fingerprint" aria-labelledby="fingerprint-title">
        ${spoken(fingerprint).map((group) => html`<code>${group}</code> `)}
      </p>
      ${
        view.trust === 'compared'
          ? html`<p class="check good">${icon('check')} Compared with the other sites.</p>`
          : html`
              <p class="muted">
                Computed on this device from the identities of all sites. Read it to the other sites over the telephone, or in person, not
                through the relay. If it is the same everywhere, nobody can have put a false site among you.
              </p>
              <button class="primary" id="trust" ?disabled=${busy} @click=${() => actions.trust(fingerprint)}>
                It is the same at all sites
              </button>
            `
      }
    </div>
  `;
}

const changedView = html`
  <div class="fault" role="alert" data-code="roster-changed">
    ${icon('alert')}
    <div>
      <h3>The roster has changed</h3>
      <p>The relay now names other identities than those that were compared. This site confirms and answers nothing.</p>
      <p class="do">Speak with the other sites and the administrator; do not contribute.</p>
    </div>
  </div>
`;

/** The consortium: who is in it, by which rules, and the fingerprint that people compare. */
export function rosterView(state: SiteState, actions: RosterActions): TemplateResult {
  const { view } = state;
  if (!view) return html``;
  return html`
    ${view.trust === 'changed' ? changedView : nothing}
    <div class="two">
      <section><h4>Sites</h4>${rosterList(view)}</section>
      <section><h4>Rules</h4>${rulesView(view)}</section>
    </div>
    ${view.trust === 'changed' ? nothing : fingerprintView(view, state.work !== null, actions)}
  `;
}
