import { html, nothing, svg, type TemplateResult } from 'lit';
import type { DetectorCard } from '../../core/client-types.ts';
import { ratesAt, thresholdRange } from '../../core/detection.ts';
import { percent, score } from '../../core/format.ts';
import type { State } from '../../core/scan-state.ts';

export interface DetectorActions {
  moveThreshold: (event: Event) => void;
  resetThreshold: () => void;
}

/** For experts: the threshold, what it costs and catches, and what the score is made of. */
export function detectorView(state: State, actions: DetectorActions): TemplateResult {
  const { card } = state;
  if (!card) return html`<p class="muted">The detector comes with the model: choose an image first.</p>`;
  const { detector } = card;
  if (!detector)
    return html`<p class="muted">This model has no detector, so its images are not checked for tampering.</p>`;
  const threshold = state.threshold ?? detector.threshold;
  return html`
    <p class="muted">
      Before anything is sealed, a second network on this device hides parts of the image and predicts them from the rest, and the encoder looks
      at a smoothed copy. Images for which both fit worse than for clean ones are flagged and wait for a decision.
    </p>
    <div class="two">
      <section>
        <h4>Threshold</h4>
        ${sliderView(detector, threshold, state.threshold !== null, actions)}
      </section>
      <section>
        <h4>What other thresholds would give</h4>
        ${rocView(detector, threshold)}
      </section>
    </div>
    ${state.verdict ? featuresView(detector, state.verdict.features) : nothing}
  `;
}

function sliderView(
  detector: DetectorCard,
  threshold: number,
  chosen: boolean,
  actions: DetectorActions,
): TemplateResult {
  const { least, most, step } = thresholdRange(detector);
  const rates = ratesAt(detector, threshold);
  return html`
    <label class="range">
      <span>Flag images of at least this score</span>
      <input id="threshold" type="range" min=${least} max=${most} step=${step} .value=${String(threshold)}
        aria-valuetext=${`Score ${score(threshold)}`} @input=${actions.moveThreshold} />
    </label>
    <div class="row ends muted small"><span>flags more</span><span>flags less</span></div>
    <dl class="facts" aria-live="polite">
      <div><dt>Threshold${chosen ? ', chosen here' : ''}</dt><dd id="threshold-value">${score(threshold)}</dd></div>
      <div><dt>Clean images flagged</dt><dd id="threshold-fpr">${rates ? percent(rates.falsePositive) : '–'}</dd></div>
      <div><dt>Attacked images flagged</dt><dd id="threshold-tpr">${rates ? percent(rates.detection) : '–'}</dd></div>
    </dl>
    <p class="muted small">
      Expected rates, measured on validation images; the attack was <strong>${detector.attack}</strong>. Attackers who know the detector are
      caught less often: see the model card's limits.
    </p>
    <p>
      <button class="quiet" id="threshold-reset" ?disabled=${!chosen} @click=${actions.resetThreshold}>
        Back to the default (${score(detector.threshold)}, ${percent(detector.false_positive_rate)} of clean images)
      </button>
    </p>
  `;
}

const SIDE = 160;
const LEFT = 34;
const TOP = 16;

/** The ROC curve with the threshold in force on it. */
function rocView(detector: DetectorCard, threshold: number): TemplateResult {
  const rates = ratesAt(detector, threshold);
  const points = detector.roc.toSorted((a, b) => b.threshold - a.threshold);
  const place = (fpr: number, tpr: number) => `${LEFT + fpr * SIDE},${TOP + (1 - tpr) * SIDE}`;
  const line = points.map((p) => place(p.false_positive_rate, p.true_positive_rate)).join(' ');
  const [x, y] = rates ? place(rates.falsePositive, rates.detection).split(',') : [];
  const told = rates
    ? `At the threshold in force: ${percent(rates.falsePositive)} and ${percent(rates.detection)}.`
    : '';
  return html`
    <svg class="roc" viewBox="0 0 ${LEFT + SIDE + 8} ${TOP + SIDE + 34}" role="img"
      aria-label=${`Share of attacked images flagged over share of clean images flagged. ${told}`}>
      ${svg`
        <rect class="roc-frame" x=${LEFT} y=${TOP} width=${SIDE} height=${SIDE} />
        <path class="roc-chance" d="M${LEFT} ${TOP + SIDE}L${LEFT + SIDE} ${TOP}" />
        <polyline class="roc-line" points=${line} />
        ${x && y ? svg`<circle class="scale-mark" cx=${x} cy=${y} r="5" />` : nothing}
        <text x=${LEFT} y=${TOP - 6}>↑ attacked images flagged</text>
        <text x=${LEFT - 6} y=${TOP + 8} text-anchor="end">100 %</text>
        <text x=${LEFT - 6} y=${TOP + SIDE} text-anchor="end">0 %</text>
        <text x=${LEFT} y=${TOP + SIDE + 14}>0 %</text>
        <text x=${LEFT + SIDE} y=${TOP + SIDE + 14} text-anchor="end">100 %</text>
        <text x=${LEFT + SIDE} y=${TOP + SIDE + 28} text-anchor="end">clean images flagged →</text>
      `}
    </svg>
  `;
}

/** How far each feature of this image lies from clean ones. */
function featuresView({ features }: DetectorCard, values: number[]): TemplateResult {
  return html`
    <section>
      <h4>What this image's score is made of</h4>
      <dl class="rows">
        ${features.map(({ name, mean, std, weight }, i) => {
          const sigma = ((values[i] ?? mean) - mean) / (std || 1);
          return html`
            <div>
              <dt>${name.replaceAll('_', ' ')}</dt>
              <dd>${score(sigma)} σ from clean images, weight ${score(weight)}</dd>
            </div>
          `;
        })}
      </dl>
    </section>
  `;
}
