import { html, nothing, type TemplateResult } from 'lit';
import { bytes, count, duration, percent } from '../../core/format.ts';
import type { State } from '../../core/scan-state.ts';
import { restoredHow } from '../restored-words.ts';
import { icon } from './icons.ts';

const confidence = (p: number): string => {
  if (p >= 0.95) return 'The model is confident.';
  if (p >= 0.75) return 'The model leans this way.';
  return 'The model is undecided.';
};

/** The answer: the top class in words, every class with its calibrated probability, and what it cost. */
export function answerView(state: State): TemplateResult | typeof nothing {
  const { answer } = state;
  const top = answer?.classes[answer.top];
  if (!answer || !top) return nothing;
  const { decode, detect, encode, seal, relay, open } = answer.timings;
  const facts: [string, string][] = [
    ['Left this device', `${bytes(answer.sealed_bytes)} sealed`],
    ['Came back', `${bytes(answer.answer_bytes)} sealed`],
    ['From file to answer', duration(decode + detect + encode + seal + relay + open)],
    detect > 0
      ? ['Of that, check + encoding', `${duration(detect)} + ${duration(encode)}`]
      : ['Of that, encoding', duration(encode)],
  ];
  return html`
    <section class="answer" aria-labelledby="answer-title">
      <p class="eyebrow">Most likely class</p>
      <h3 id="answer-title" class="verdict">${top.label}<span class="verdict-p">${percent(top.probability)}</span></h3>
      <p class="muted">
        ${confidence(top.probability)} A calibrated estimate by ${state.card?.title ?? answer.model}, version ${answer.version}, not a
        diagnosis.
      </p>
      ${
        answer.purified
          ? html`
              <p class="check purified">
                ${icon('info')}
                <span>Computed from the <strong>restored image</strong> (${restoredHow(answer.purified)}), not from the one you chose.</span>
              </p>
            `
          : nothing
      }
      <ul class="classes">
        ${answer.classes.map(
          (c, i) => html`
            <li class=${i === answer.top ? 'top' : ''} data-class=${c.id}>
              <span class="class-name">${c.label}</span>
              <span class="class-p">${percent(c.probability)}</span>
              <progress max="1" value=${c.probability} aria-label=${`Probability of ${c.label}`}></progress>
            </li>
          `,
        )}
      </ul>
      <dl class="facts">
        ${facts.map(([name, value]) => html`<div><dt>${name}</dt><dd>${value}</dd></div>`)}
      </dl>
      ${
        answer.budget_left === null
          ? nothing
          : html`<p class="muted small">${count(answer.budget_left)} questions left in this client's budget.</p>`
      }
    </section>
  `;
}
