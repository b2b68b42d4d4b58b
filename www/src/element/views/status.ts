import { html, nothing, type TemplateResult } from 'lit';
import type { Judgement } from '../../core/detection.ts';
import { canRetry, faultTitle } from '../../core/fault.ts';
import { percent } from '../../core/format.ts';
import type { State } from '../../core/scan-state.ts';
import { icon } from './icons.ts';
import { verdictTitle } from './verdict.ts';

/** A fault: what happened, what to do, and a button where trying again makes sense. */
export function faultView({ fault }: Pick<State, 'fault'>, retry: () => void): TemplateResult | typeof nothing {
  if (!fault) return nothing;
  const calm = fault.code === 'cancelled';
  return html`
    <div class="fault ${calm ? 'calm' : ''}" role=${calm ? 'status' : 'alert'} data-code=${fault.code}>
      ${icon(calm ? 'info' : 'alert')}
      <div>
        <h3>${faultTitle(fault)}</h3>
        <p>${fault.message}</p>
        <p class="do">${fault.action}</p>
        ${canRetry(fault) ? html`<button id="retry" @click=${retry}>Try again</button>` : nothing}
      </div>
    </div>
  `;
}

export function noticeView({ notice }: Pick<State, 'notice'>): TemplateResult | typeof nothing {
  if (!notice) return nothing;
  return html`<div class="fault calm" role="status" data-code="notice">${icon('info')}<p>${notice}</p></div>`;
}

/** One line for screen readers; changes only when the phase does. */
export function announcement(state: State, judgement: Judgement | null): string {
  const top = state.answer?.classes[state.answer.top];
  switch (state.phase) {
    case 'preparing':
      return 'Preparing the model and the picture.';
    case 'ready':
      return 'Ready. Nothing of the image has left this device. Seal and classify when you like.';
    case 'scanning':
      return 'Checking, encoding, sealing and asking the relay.';
    case 'flagged':
      return `This image looks tampered with. ${state.exposed ? 'Only noised tiles of it have' : 'Nothing of it has'} been sent: decide what to do.`;
    case 'purifying':
      return 'Restoring the image.';
    case 'purified':
      return 'The image was restored. Compare it with the original, then send it or go back.';
    case 'withheld':
      return 'The image was not sent.';
    case 'answered':
      return top ? `${found(judgement)}${basis(state)}: ${top.label}, ${percent(top.probability)}.` : '';
    default:
      return '';
  }
}

const basis = ({ answer }: State): string => (answer?.purified ? 'Answer from the restored image' : 'Answer');

const found = (judgement: Judgement | null): string => (judgement ? `${verdictTitle(judgement)}. ` : '');

/** Said as long as it is true: before the first scan of an image. */
export function assuranceView(state: State): TemplateResult | typeof nothing {
  if (state.answer || (state.phase !== 'preparing' && state.phase !== 'ready')) return nothing;
  return html`<p class="check good">${icon('lock')} Nothing of the image has left this device.</p>`;
}

/** Where the encoder runs and why there. */
export function backendView(state: State): TemplateResult | typeof nothing {
  const { backend } = state;
  if (!backend) return nothing;
  return html`
    <p class="backend">
      ${icon('chip')}
      <span><strong>${backend.name === 'webgpu' ? 'WebGPU' : 'CPU (WebAssembly SIMD)'}</strong> ${backend.why}</span>
    </p>
  `;
}
