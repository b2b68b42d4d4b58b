import { html, nothing, svg, type TemplateResult } from 'lit';
import type { Verdict } from '../../core/client-types.ts';
import { hottest } from '../../core/detection.ts';
import { BANDS, bandOf } from '../heat.ts';

export interface Heat {
  shown: boolean;
  /** 0 to 1. */
  opacity: number;
}

export interface HeatActions {
  showHeat: (event: Event) => void;
  fadeHeat: (event: Event) => void;
}

/** The map in words, for whoever does not see it. */
export function heatWords(verdict: Verdict): string {
  const { sigma, where } = hottest(verdict);
  const raised = verdict.map.filter((value) => bandOf(value)).length;
  if (raised === 0) return 'No single patch stands out.';
  const patches = raised === 1 ? '1 patch' : `${raised} patches`;
  return `The error is unusual in ${patches} of ${verdict.map.length}, most so ${where} (${sigma.toFixed(1)} σ).`;
}

export const heatCanvas = (verdict: Verdict, { shown }: Heat): TemplateResult => html`
  <canvas class="heat" role="img" ?hidden=${!shown} aria-label=${`Error map over the image. ${heatWords(verdict)}`}></canvas>
`;

/** The switch, the slider and the legend below the picture. */
export function heatControls(
  verdict: Verdict | null,
  heat: Heat,
  actions: HeatActions,
): TemplateResult | typeof nothing {
  if (!verdict) return nothing;
  return html`
    <div class="heat-controls" role="group" aria-label="Error map">
      <label class="switch">
        <input id="heat" type="checkbox" .checked=${heat.shown} @change=${actions.showHeat} />
        <span>Show the error map</span>
      </label>
      ${
        heat.shown
          ? html`
              <label class="range">
                <span>Strength of the map</span>
                <input id="heat-opacity" type="range" min="0.15" max="0.9" step="0.05" .value=${String(heat.opacity)}
                  aria-valuetext=${`${Math.round(heat.opacity * 100)} %`} @input=${actions.fadeHeat} />
              </label>
              <ul class="legend" aria-label="Colours of the map, in standard deviations of clean images">
                ${BANDS.map(({ label, colour }) => html`<li>${swatch(colour)}${label}</li>`)}
              </ul>
              <p class="muted small">
                How much worse than in clean images each patch can be predicted from the others. ${heatWords(verdict)}
              </p>
            `
          : nothing
      }
    </div>
  `;
}

const swatch = (colour: string): TemplateResult => html`
  <svg class="swatch-heat" viewBox="0 0 12 12" aria-hidden="true">${svg`<rect width="12" height="12" fill=${colour} />`}</svg>
`;
