import { html, nothing, type TemplateResult } from 'lit';
import { count, moment, score } from '../../core/format.ts';
import { type Decision, MAX_RECORDS, type ScanRecord } from '../../core/history.ts';
import type { Logbook } from '../../core/logbook.ts';
import { restoredHow } from '../restored-words.ts';

export interface HistoryActions {
  exportHistory: () => void;
  askClear: () => void;
  clearHistory: () => void;
  keepHistory: () => void;
}

const DECISIONS: Record<Decision, string> = {
  send: 'Sent',
  'send-anyway': 'Sent anyway',
  'send-purified': 'Restored image sent',
  'do-not-send': 'Not sent',
  stopped: 'Not sent: the surrounding page stopped it',
  undecided: 'Not sent, undecided',
};

const CHECKS: Record<ScanRecord['verdict'], string> = {
  clean: 'No sign of tampering',
  flagged: 'Looks tampered with',
  unchecked: 'Not checked',
};

const cell = (name: string, content: unknown): TemplateResult =>
  html`<td role="cell" data-name=${name}>${content}</td>`;

function recordView(record: ScanRecord): TemplateResult {
  const { verdict, decision, answer, purified } = record;
  const sent = decision.startsWith('send');
  const numbers =
    record.score === null || record.threshold === null
      ? nothing
      : html`<span class="purpose">score ${score(record.score)}, threshold ${score(record.threshold)}</span>`;
  return html`
    <tr role="row" class="record" data-verdict=${verdict} data-decision=${decision}>
      ${cell('When', moment(record.time))}
      ${cell('Image', html`<span class="break">${record.image}</span><span class="purpose">${record.model}, version ${record.version}</span>`)}
      ${cell('Check', html`<span class="tag ${verdict}">${CHECKS[verdict]}</span>${numbers}`)}
      ${cell(
        'Decision',
        html`${sent && !answer ? 'To be sent; no answer' : DECISIONS[decision]}${
          purified ? html`<span class="purpose">${restoredHow(purified)}</span>` : nothing
        }`,
      )}
      ${cell('Answer', answer?.label ?? '–')}
    </tr>
  `;
}

const COLUMNS = ['When', 'Image', 'Check', 'Decision', 'Answer'];

const clearing = (records: number, asked: boolean, actions: HistoryActions): TemplateResult =>
  asked
    ? html`
        <button id="history-clear-really" @click=${actions.clearHistory}>Delete all ${count(records)}</button>
        <button id="history-keep" @click=${actions.keepHistory}>Keep them</button>
      `
    : html`
        <button id="history-export" @click=${actions.exportHistory}>Export as JSON</button>
        <button id="history-clear" @click=${actions.askClear}>Clear the history</button>
      `;

/** What was scanned in this browser, with verdicts and decisions. */
export function historyView({ records, trouble }: Logbook, asked: boolean, actions: HistoryActions): TemplateResult {
  return html`
    <p class="muted">
      Verdicts, decisions and answers of the last ${count(MAX_RECORDS)} scans, with the names of the files. It holds no image and nothing from
      inside a file, lies in this browser only, and is never sent.
    </p>
    ${trouble ? html`<p class="check bad">${trouble}</p>` : nothing}
    ${records.length === 0 ? html`<p class="muted">No scans yet.</p>` : tableView(records)}
    ${records.length === 0 ? nothing : html`<div class="row start">${clearing(records.length, asked, actions)}</div>`}
  `;
}

const tableView = (records: ScanRecord[]): TemplateResult => html`
  <div class="records" role="region" aria-label="Scans" tabindex="0">
  <table role="table" class="ledger history">
    <caption class="hidden">Scans, newest first</caption>
    <thead role="rowgroup">
      <tr role="row">${COLUMNS.map((name) => html`<th role="columnheader" scope="col">${name}</th>`)}</tr>
    </thead>
    <tbody role="rowgroup">${records.map(recordView)}</tbody>
  </table>
  </div>
`;
