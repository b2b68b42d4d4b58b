import { html, nothing, svg, type TemplateResult } from 'lit';
import type { DetectorCard } from '../../core/client-types.ts';
import type { Judgement } from '../../core/detection.ts';
import { percent, score } from '../../core/format.ts';
import type { PurifyOffer } from '../../core/purification.ts';
import type { State } from '../../core/scan-state.ts';
import { icon } from './icons.ts';
import { offerView, type RestoreActions, type RestoreWish, restoringView } from './restore.ts';

export interface VerdictActions extends RestoreActions {
  send: () => void;
  withhold: () => void;
}

/** How rare a score is among clean images, in words. */
export function rarity(cleanShare: number): string {
  if (cleanShare <= 0) return 'None of the clean images that it was calibrated on looks this unusual.';
  if (cleanShare < 0.001) return 'Fewer than 0.1 % of clean images look this unusual.';
  if (cleanShare < 0.1) return `Only ${percent(cleanShare)} of clean images look this unusual.`;
  return `${Math.round(cleanShare * 100)} % of clean images look at least this unusual.`;
}

export const verdictTitle = ({ flagged }: Pick<Judgement, 'flagged'>): string =>
  flagged ? 'This image looks tampered with' : 'No sign of tampering';

/** The verdict of the detector, or that there was none; and the question, where one is open. */
export function verdictView(
  state: State,
  judgement: Judgement | null,
  wish: RestoreWish,
  actions: VerdictActions,
): TemplateResult | typeof nothing {
  if (!state.card || !state.image) return nothing;
  if (!state.card.detector) return uncheckedView();
  if (!judgement) return nothing;
  const { flagged } = judgement;
  return html`
    <section class="tamper ${flagged ? 'flagged' : 'clean'}" data-verdict=${flagged ? 'flagged' : 'clean'} aria-labelledby="tamper-title">
      ${icon(flagged ? 'alert' : 'shield')}
      <div>
        <h3 id="tamper-title">${verdictTitle(judgement)}</h3>
        <p>${rarity(judgement.cleanShare)}</p>
        ${scaleView(judgement, state.card.detector)}
        ${state.phase === 'flagged' ? questionView(state, flagged, wish, actions) : nothing}
        ${state.phase === 'purifying' ? restoringView(state, actions) : nothing}
        ${state.phase === 'withheld' ? withheldView(state) : nothing}
      </div>
    </section>
  `;
}

const uncheckedView = (): TemplateResult => html`
  <p class="unchecked" data-verdict="unchecked">
    ${icon('info')} <span>Not checked for tampering: this model has no detector.</span>
  </p>
`;

const questionView = (
  { offer, exposed }: State,
  flagged: boolean,
  wish: RestoreWish,
  actions: VerdictActions,
): TemplateResult => html`
  <p class="question" id="question">
    ${flagged ? 'An altered image can be answered wrongly, and with confidence.' : 'At the new threshold it is no longer flagged.'}
    <strong>${exposed ? 'Nothing of it has been sent but noised tiles.' : 'Nothing of it has been sent.'}</strong>
  </p>
  ${offer ? waysView(offer, wish, actions) : choiceView(actions)}
`;

const choiceView = (actions: VerdictActions): TemplateResult => html`
  <div class="row" role="group" aria-describedby="question">
    <button class="primary" id="withhold" @click=${actions.withhold}>Do not send</button>
    <button id="send-anyway" @click=${actions.send}>Send anyway</button>
  </div>
`;

/** Every way on, where the image can be restored: the first is the one to try. */
const waysView = (offer: PurifyOffer, wish: RestoreWish, actions: VerdictActions): TemplateResult => html`
  <div class="ways" role="group" aria-describedby="question">
    ${offerView(offer, wish, actions)}
    <div class="row">
      <button id="send-anyway" @click=${actions.send}>Send as it is</button>
      <button id="withhold" @click=${actions.withhold}>Do not send</button>
    </div>
  </div>
`;

const withheldView = ({ decision, exposed }: State): TemplateResult => html`
  <p class="question">
    <strong>Not sent.</strong>
    ${decision === 'stopped' ? 'The surrounding page has decided so.' : nothing}
    ${exposed ? 'Noised tiles of this image went to relays, and nothing else of it.' : 'Nothing of this image has left this device.'}
    ${decision === 'stopped' ? nothing : 'The decision is in the history below.'}
  </p>
`;

const WIDTH = 320;

/** Where a score lies on the scale of the card: the middle 90 % of clean images as a band, the threshold as a line. */
function scaleView(
  { score: found, threshold }: Judgement,
  { clean_quantiles: quantiles }: DetectorCard,
): TemplateResult {
  const at = (share: number) => quantiles[Math.round(share * (quantiles.length - 1))] ?? 0;
  const least = Math.min(at(0), threshold);
  const most = Math.max(at(1), threshold);
  // A tampered image can lie far out: the scale ends a little beyond what is known, and the mark stays at its end.
  const [from, to] = [least - 0.05 * (most - least), most + 0.45 * (most - least)];
  const x = (value: number) => Math.min(WIDTH - 6, Math.max(6, ((value - from) / (to - from || 1)) * WIDTH));
  const beyond = found > to;
  return html`
    <div class="scale">
      <svg viewBox="0 0 ${WIDTH} 26" role="img" aria-label=${`Score ${score(found)}, threshold ${score(threshold)}`}>
        ${svg`
          <rect class="scale-line" x="0" y="12" width=${WIDTH} height="2" rx="1" />
          <rect class="scale-clean" x=${x(at(0.05))} y="8" width=${Math.max(2, x(at(0.95)) - x(at(0.05)))} height="10" rx="5" />
          <rect class="scale-threshold" x=${x(threshold) - 1} y="2" width="2" height="22" />
          ${
            beyond
              ? svg`<path class="scale-mark" d="M${WIDTH - 15} 5l12 8-12 8z" />`
              : svg`<circle class="scale-mark" cx=${x(found)} cy="13" r="6" />`
          }
        `}
      </svg>
      <ul class="legend">
        <li><span class="key mark"></span>This image: ${score(found)}</li>
        <li><span class="key line"></span>Threshold: ${score(threshold)}</li>
        <li><span class="key band"></span>90 % of clean images</li>
      </ul>
    </div>
  `;
}
