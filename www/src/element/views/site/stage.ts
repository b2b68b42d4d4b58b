import { html, nothing, type TemplateResult } from 'lit';
import type { StageKey, StageStatus } from '../../../core/site/todo.ts';
import { icon } from '../icons.ts';

export interface Stage {
  key: StageKey;
  title: string;
  /** One line that stands beside the title, whatever the status. */
  summary: string;
  body: unknown;
  /** Whether the content stays unfolded once the step is done. */
  open: boolean;
}

const WORDS: Record<StageStatus, string> = { done: 'done', now: 'now', later: 'later' };

const bodyView = ({ title, body, open }: Stage, status: StageStatus): unknown => {
  const content = html`<div class="stage-body">${body}</div>`;
  if (status !== 'done' || open) return content;
  return html`
    <details class="more">
      <summary>Details<span class="hidden"> of: ${title}</span></summary>
      ${content}
    </details>
  `;
};

/** One of the five steps: its number or a check mark, its title, and its content unless its time has not come. */
export function stageView(stage: Stage, number: number, status: StageStatus): TemplateResult {
  return html`
    <li class="stage ${status}" id=${`stage-${stage.key}`} aria-current=${status === 'now' ? 'step' : nothing}>
      <span class="stage-dot" aria-hidden="true">${status === 'done' ? icon('check') : number}</span>
      <div class="stage-main">
        <h3>${stage.title}<span class="hidden"> (${WORDS[status]})</span></h3>
        <p class="muted">${stage.summary}</p>
        ${status === 'later' || !stage.body ? nothing : bodyView(stage, status)}
      </div>
    </li>
  `;
}
