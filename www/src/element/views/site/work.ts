import { html, nothing, type TemplateResult } from 'lit';
import { count } from '../../../core/format.ts';
import type { Work, WorkKind } from '../../../core/site/site-controller.ts';

const TITLES: Partial<Record<WorkKind, string>> = {
  read: 'Reading the files',
  load: 'Fetching the encoder',
  encode: 'Encoding, on this device',
  contribute: 'Encrypting and sending the contribution',
};

/** Minutes or seconds that are left at the pace so far. */
export function remaining(work: Work, now: number): string {
  if (work.done === 0 || work.total === 0) return '';
  const seconds = (((now - work.since) / work.done) * (work.total - work.done)) / 1000;
  if (seconds < 5) return 'a few seconds left';
  return seconds < 90
    ? `about ${Math.ceil(seconds / 5) * 5} seconds left`
    : `about ${Math.ceil(seconds / 60)} minutes left`;
}

/** How far it is in words, where images are counted. */
function progressOf(work: Work): string {
  if (work.total === 0 || (work.kind !== 'read' && work.kind !== 'encode')) return '';
  const left = work.kind === 'encode' ? remaining(work, Date.now()) : '';
  return `${count(work.done)} of ${count(work.total)} images${left ? `, ${left}` : ''}`;
}

/** A step that takes a while: how far it is, how long it will take, and how to stop it. */
export function workView(work: Work, cancel: () => void): TemplateResult | typeof nothing {
  const title = TITLES[work.kind];
  if (!title) return nothing;
  return html`
    <div class="work" role="group" aria-label=${title}>
      <p><strong>${title}</strong> <span class="muted">${progressOf(work)}</span></p>
      ${
        work.total > 0
          ? html`<progress max=${work.total} value=${work.done} aria-label=${title}></progress>`
          : html`<progress aria-label=${title}></progress>`
      }
      <button id="cancel" @click=${cancel}>Stop</button>
    </div>
  `;
}
