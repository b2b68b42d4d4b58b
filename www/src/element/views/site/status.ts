import { html, nothing, type TemplateResult } from 'lit';
import type { SiteState } from '../../../core/site/site-controller.ts';
import { todo } from '../../../core/site/todo.ts';
import { icon } from '../icons.ts';

const ICONS = { act: 'info', wait: 'relay', good: 'check', bad: 'alert' } as const;

/** What this site has to do, always in sight, and read out when it changes. */
export function todoView(state: SiteState): TemplateResult {
  const { text, tone } = todo(state);
  return html`<p class="todo ${tone}" id="todo" role="status" aria-live="polite">${icon(ICONS[tone])}<span>${text}</span></p>`;
}

/** The relay is not heard at the moment; nothing has to be done about it. */
export function silenceView({ silence }: SiteState): TemplateResult | typeof nothing {
  if (!silence) return nothing;
  return html`
    <div class="fault calm" role="status" data-code="silence">${icon('info')}<p>${silence} This page keeps asking by itself.</p></div>
  `;
}
