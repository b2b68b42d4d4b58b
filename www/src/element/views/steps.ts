import { html, nothing, type TemplateResult } from 'lit';
import { bytes, duration } from '../../core/format.ts';
import type { State, StepState } from '../../core/scan-state.ts';
import { PREPARATION, SCAN, type StepLabel } from '../labels.ts';
import { icon } from './icons.ts';

type Progress = 'waiting' | 'running' | 'done';

const progressOf = (step: StepState | undefined): Progress => {
  if (!step) return 'waiting';
  return step.ms !== undefined || (step.total > 0 && step.done >= step.total) ? 'done' : 'running';
};

const amount = (label: StepLabel, step: StepState): string =>
  label.unit === 'bytes' && step.total > 1 ? `${bytes(step.done)} of ${bytes(step.total)}` : '';

function stepView(label: StepLabel, step: StepState | undefined, busy: boolean): TemplateResult {
  const progress = progressOf(step);
  const running = progress === 'running' && busy && step;
  return html`
    <li data-step=${label.key} class="step ${running ? 'running' : progress === 'done' ? 'done' : 'waiting'}">
      <span class="dot">${progress === 'done' ? icon('check') : nothing}</span>
      <span class="step-label">${label.label}</span>
      <span class="step-time">
        ${step?.ms !== undefined ? duration(step.ms) : running ? amount(label, step) : nothing}
        <span class="hidden">${progress === 'done' ? 'done' : running ? 'running' : 'waiting'}</span>
      </span>
      ${
        running
          ? step.total > 1 && step.done > 0
            ? html`<progress max=${step.total} value=${step.done} aria-label=${label.label}></progress>`
            : html`<progress aria-label=${label.label}></progress>`
          : nothing
      }
    </li>
  `;
}

const took = (labels: StepLabel[], steps: State['steps']): number =>
  labels.reduce((total, { key }) => total + (steps.get(key)?.ms ?? 0), 0);

function groupView(title: string, labels: StepLabel[], state: State, busy: boolean): TemplateResult {
  const total = took(labels, state.steps);
  const finished = labels.every(({ key }) => progressOf(state.steps.get(key)) === 'done');
  return html`
    <section class="steps">
      <h3>${title}${finished && total > 0 ? html`<span class="step-time">${duration(total)}</span>` : nothing}</h3>
      <ol>
        ${labels.map((label) => stepView(label, state.steps.get(label.key), busy))}
      </ol>
    </section>
  `;
}

/** Steps that only a model with a detector has; shown until it is known that this one has none. */
const OF_THE_DETECTOR = new Set(['detector', 'detect']);

/** Steps that most images do without; shown once they have begun. */
const OF_THE_PURIFIER = new Set(['purifier', 'purify']);

/** The steps in two groups: what is done once, and what each image takes. */
export function stepsView(state: State, busy: boolean): TemplateResult {
  const unchecked = state.card !== null && !state.card.detector;
  const isShown = ({ key }: StepLabel) =>
    OF_THE_PURIFIER.has(key) ? state.steps.has(key) : !unchecked || !OF_THE_DETECTOR.has(key);
  const shown = (labels: StepLabel[]) => labels.filter(isShown);
  return html`
    <div class="step-groups">
      ${groupView('Once, before the first image', shown(PREPARATION), state, busy)} ${groupView('This image', shown(SCAN), state, busy)}
    </div>
  `;
}
