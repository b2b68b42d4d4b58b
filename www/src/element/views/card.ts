import { html, nothing, type TemplateResult } from 'lit';
import type { DetectorCard, ModelCard, PurifierCard } from '../../core/client-types.ts';
import { bytes, cardRows, percent, score } from '../../core/format.ts';

const rows = (map: Record<string, unknown>): TemplateResult => html`
  <dl class="rows">
    ${cardRows(map).map(({ name, value }) => html`<div><dt>${name}</dt><dd>${value}</dd></div>`)}
  </dl>
`;

const isMap = (value: unknown): boolean => typeof value === 'object' && value !== null && !Array.isArray(value);

/** Plain values at once, nested ones (all settings of a run) behind a fold. */
function folded(map: Record<string, unknown>): TemplateResult {
  const entries = Object.entries(map);
  const nested = entries.filter(([, value]) => isMap(value));
  return html`
    ${rows(Object.fromEntries(entries.filter(([, value]) => !isMap(value))))}
    ${nested.map(
      ([name, value]) => html`
        <details class="more">
          <summary>All ${name.replaceAll('_', ' ')}</summary>
          ${rows(value as Record<string, unknown>)}
        </details>
      `,
    )}
  `;
}

const section = (title: string, content: unknown): TemplateResult =>
  html`<section><h4>${title}</h4>${content}</section>`;

const asMap = (value: unknown): Record<string, unknown> =>
  isMap(value) ? (value as Record<string, unknown>) : { note: value };

function overview(card: ModelCard): Record<string, unknown> {
  return {
    name: card.id,
    version: card.version,
    task: card.task,
    classes: card.classes.map((c) => c.label),
    'CLS token': card.cls?.dim ? `${card.cls.dim} values` : undefined,
    encoder: card.encoder?.bytes
      ? `${bytes(card.encoder.bytes)}${card.encoder.storage ? `, ${card.encoder.storage}` : ''}`
      : undefined,
    detector: card.detector ? bytes(card.detector.bytes) : 'none',
    purifier: card.purifier ? bytes(card.purifier.bytes) : undefined,
    encryption: card.he_parameters,
    licence: card.licence,
  };
}

const detectorOf = (detector: DetectorCard): Record<string, unknown> => ({
  'default threshold': detector.threshold,
  'clean images flagged': percent(detector.false_positive_rate),
  'measured on': detector.attack,
  ...detector.training,
});

const purifierOf = ({ levels, steps, training }: PurifierCard): Record<string, unknown> => ({
  'noise levels, from which score on': levels.map(({ from_score: from, t }) => `${t} from ${score(from)}`),
  steps,
  ...training,
});

/** The model card: what the model is, what it was trained on, how well it does, and where it must not be trusted. */
export function cardView(card: ModelCard | null): TemplateResult {
  if (!card) return html`<p class="muted">The model card comes with the model: choose an image first.</p>`;
  return html`
    <div class="card-sections">
      ${section(card.title, rows(overview(card)))}
      ${
        card.limits?.length
          ? section('Limits', html`<ul class="limits">${card.limits.map((limit) => html`<li>${limit}</li>`)}</ul>`)
          : nothing
      }
      ${card.metrics ? section('How well it does', rows(card.metrics)) : nothing}
      ${card.detector ? section('How it checks for tampering', rows(detectorOf(card.detector))) : nothing}
      ${card.purifier ? section('How it restores images', rows(purifierOf(card.purifier))) : nothing}
      ${card.training ? section('What it was trained on', folded(card.training)) : nothing}
      ${card.provenance ? section('Where it comes from', rows(asMap(card.provenance))) : nothing}
    </div>
  `;
}
