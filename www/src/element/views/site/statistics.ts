import { html, nothing, type TemplateResult } from 'lit';
import { bytes, count } from '../../../core/format.ts';
import type { SiteState } from '../../../core/site/site-controller.ts';
import type { Prepared, SiteView } from '../../../core/site/site-types.ts';
import { icon } from '../icons.ts';

export interface StatisticsActions {
  again: () => void;
}

const rounded = (value: number): string => count(Math.round(value));

function countsTable({ classes }: Prepared): TemplateResult {
  return html`
    <table class="table" id="statistics">
      <caption>Images in the statistics</caption>
      <thead>
        <tr><th scope="col">Class</th><th scope="col" class="number">Contributed</th><th scope="col" class="number">Held out</th></tr>
      </thead>
      <tbody>
        ${classes.map(
          ({ id, label, images, held_out }) => html`
            <tr data-class=${id}>
              <th scope="row">${label}</th>
              <td class="number">${count(images)}</td>
              <td class="number">${count(held_out)}</td>
            </tr>
          `,
        )}
      </tbody>
    </table>
  `;
}

/** What the statistics are, in plain words and in numbers that can be checked. */
export function statisticsView(state: SiteState, prepared: Prepared, actions: StatisticsActions): TemplateResult {
  const facts: [string, string][] = [
    ['Integers', count(prepared.length)],
    ['Norm of the sums', `${rounded(prepared.norm)} steps`],
    ['Tokens scaled down', count(prepared.clipped)],
    ['Will be sent', prepared.bytes === null ? 'not known yet' : bytes(prepared.bytes)],
  ];
  return html`
    <div class="two">
      ${countsTable(prepared)}
      <div>
        <dl class="facts pairs">${facts.map(([name, value]) => html`<div><dt>${name}</dt><dd>${value}</dd></div>`)}</dl>
        <p class="muted small spaced">
          For each class the number of images and the sum of their CLS tokens, and for all classes together the sums of the products of their
          entries. A token longer than the clip norm (${count(state.view?.consortium.clip_norm ?? 0)} steps) was scaled down to it, so that no
          single image weighs more than the others.
        </p>
      </div>
    </div>
    <p><button class="quiet" id="encode-again" ?disabled=${state.work !== null} @click=${actions.again}>Choose other images</button></p>
  `;
}

const SEES = ({ consortium: { rules } }: SiteView): [string, string][] => [
  [
    'The relay',
    'that this site takes part, when, and how many bytes it sends. Its numbers arrive encrypted under a key made for this round alone.',
  ],
  [
    'The relay and all sites',
    `the sum over the cohort, once ${rules.threshold} sites have answered for it: counts, sums and products of all together, never this site's own.`,
  ],
  [
    'All other sites together',
    'could take their own parts from the sum and be left with yours; and a class with one image in all sites shows its CLS token. Noise is for these cases.',
  ],
  ['Nobody', 'an image, a pixel, or anything of the hold-out.'],
];

/** Who sees what of a contribution. */
export function seenView(view: SiteView): TemplateResult {
  return html`
    <section aria-labelledby="seen-title">
      <h4 id="seen-title">${icon('eye')} Who sees what</h4>
      <dl class="learns wide-terms">${SEES(view).map(([who, what]) => html`<div><dt>${who}</dt><dd>${what}</dd></div>`)}</dl>
    </section>
  `;
}

export const NOISE_CHOICES = [8, 4, 2, 1] as const;
export const NOISE_DELTA = 1e-5;

export interface NoiseActions {
  wishNoise: (epsilon: number | null) => void;
}

const figure = (value: number): string => (value >= 100 ? count(Math.round(value)) : value.toPrecision(3));

/** Whether to add noise, how much, and what that promises. */
export function noiseView(state: SiteState, actions: NoiseActions): TemplateResult {
  const { noise, offer } = state;
  const choose = (event: Event) => {
    const value = (event.target as HTMLSelectElement).value;
    actions.wishNoise(value === '' ? null : Number(value));
  };
  return html`
    <label class="field">
      <span>Noise (differential privacy)</span>
      <select id="noise" ?disabled=${state.work !== null} @change=${choose}>
        <option value="" ?selected=${noise === null}>None: the head is exact</option>
        ${NOISE_CHOICES.map(
          (epsilon) =>
            html`<option value=${epsilon} ?selected=${noise?.epsilon === epsilon}>ε = ${epsilon}, δ = 0.00001</option>`,
        )}
      </select>
    </label>
    ${
      offer
        ? html`
            <p class="muted small" id="noise-offer" role="status">
              (ε, δ) = (${offer.epsilon.toFixed(2)}, ${offer.delta}) for one image, if every site of the cohort adds its part; (${offer.alone_epsilon.toFixed(2)},
              ${offer.delta}) if this site alone does. This site's part has a standard deviation of ${figure(offer.count_deviation)} images on each
              count and ${figure(offer.sum_deviation)} steps on each entry of a sum. With few images the head gets worse.
            </p>
          `
        : nothing
    }
  `;
}

/** What the rounds with noise have cost so far. */
export function spentView({ spent }: SiteView): TemplateResult | typeof nothing {
  if (!spent) return nothing;
  return html`
    <p class="muted small" id="spent">
      Rounds with noise have cost this site ε = ${spent.epsilon.toFixed(2)} together, at δ = ${spent.delta}, if the other sites added their parts.
      Rounds without noise are not in this account.
    </p>
  `;
}
