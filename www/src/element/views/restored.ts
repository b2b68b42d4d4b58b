import { html, nothing, type TemplateResult } from 'lit';
import type { ModelCard, Purified } from '../../core/client-types.ts';
import { judge } from '../../core/detection.ts';
import { count, duration, score } from '../../core/format.ts';
import type { State } from '../../core/scan-state.ts';
import { lineWords, moveLine } from '../compare.ts';
import { deviceDid, hostOf, relayDid, restoredHow } from '../restored-words.ts';
import { icon } from './icons.ts';

export interface RestoredActions {
  sendRestored: () => void;
  goBack: () => void;
}

/** Where the slider stands at first. */
const MIDDLE = 50;

/** The restored image beside the original, what was done to it, and the question what becomes of it. */
export function restoredView(state: State, actions: RestoredActions): TemplateResult | typeof nothing {
  const { purified, phase } = state;
  if (!purified) return nothing;
  return html`
    <section class="restored" aria-labelledby="restored-title">
      <h3 id="restored-title">The restored image</h3>
      <p class="muted">${sentence(restoredHow(purified))}${phase === 'purified' ? ' Compare it with the original before you send it.' : ''}</p>
      ${checkedView(state.card, purified, state.threshold)}
      <div class="comparison">
        ${sliderView()}
        <div class="beside">
          <div class="pictures">
            ${pictureView('before', 'Before')} ${pictureView('after', 'After')} ${pictureView('difference', 'Difference × 8')}
          </div>
          ${factsView(purified)}
        </div>
      </div>
      ${relaysView(purified)}
      ${
        phase === 'purified'
          ? html`
              <div class="row" role="group" aria-labelledby="restored-title">
                <button class="primary" id="send-restored" @click=${actions.sendRestored}>Send the restored image</button>
                <button id="go-back" @click=${actions.goBack}>Go back to the original</button>
              </div>
            `
          : nothing
      }
    </section>
  `;
}

const sentence = (words: string): string => `${words[0]?.toUpperCase()}${words.slice(1)}.`;

/** What the detector says of the restored image. */
function checkedView(
  card: ModelCard | null,
  { verdict }: Purified,
  threshold: number | null,
): TemplateResult | typeof nothing {
  const judgement = judge(card, verdict, threshold);
  if (!judgement) return nothing;
  const { flagged } = judgement;
  return html`
    <p class="check ${flagged ? 'bad' : 'good'}" data-restored=${flagged ? 'flagged' : 'clean'}>
      ${icon(flagged ? 'alert' : 'check')}
      <span>
        Checked again: ${flagged ? 'it still looks tampered with' : 'no sign of tampering'}
        (score ${score(judgement.score)}, threshold ${score(judgement.threshold)}).
      </span>
    </p>
  `;
}

const sliderView = (): TemplateResult => html`
  <figure class="compare">
    <div class="wipe">
      <canvas class="sharp" data-purified="after" aria-hidden="true"></canvas>
      <canvas class="sharp over" data-purified="before" aria-hidden="true"></canvas>
      <input id="compare" type="range" min="0" max="100" step="1" value=${MIDDLE} @input=${moveLine}
        aria-label="Line between the original and the restored image" aria-valuetext=${lineWords(MIDDLE)} />
      <span class="wipe-line" aria-hidden="true"></span>
      <span class="tag corner left" aria-hidden="true">Before</span>
      <span class="tag corner right" aria-hidden="true">After</span>
    </div>
    <figcaption class="muted small">Drag the line, or move it with the arrow keys.</figcaption>
  </figure>
`;

const pictureView = (which: 'before' | 'after' | 'difference', name: string): TemplateResult => html`
  <figure>
    <canvas class="sharp" data-purified=${which} role="img" aria-label=${name}></canvas>
    <figcaption class="small">${name}</figcaption>
  </figure>
`;

function factsView({ ms, change: { psnr, max } }: Purified): TemplateResult {
  const facts: [string, string][] = [
    ['Took', duration(ms)],
    ['Largest change', `${Math.round(max * 255)} of 255`],
    ['PSNR', psnr === null ? 'not changed' : `${psnr.toFixed(1)} dB`],
  ];
  return html`<dl class="facts">${facts.map(([name, value]) => html`<div><dt>${name}</dt><dd>${value}</dd></div>`)}</dl>`;
}

/** Which relay saw and did what. */
function relaysView({ where, relays, localTiles }: Purified): TemplateResult | typeof nothing {
  if (where === 'device') return nothing;
  return html`
    <section>
      <h4>What ${relays.length === 1 ? 'the relay' : `${count(relays.length)} relays`} did</h4>
      <ul class="relays">
        ${relays.map(
          (relay) => html`
            <li data-relay=${relay.state}>
              ${icon(relay.state === 'used' ? 'check' : 'info')}
              <span><strong class="break">${hostOf(relay.url)}</strong> ${relayDid(relay)}.</span>
            </li>
          `,
        )}
        ${localTiles > 0 ? html`<li data-relay="local">${icon('chip')}<span>${deviceDid(localTiles)}</span></li>` : nothing}
      </ul>
    </section>
  `;
}
