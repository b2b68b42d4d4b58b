import { html, nothing, type TemplateResult } from 'lit';
import { bytes, clock, count, duration } from '../../core/format.ts';
import type { Ledger, Repeated, Sighting } from '../../core/ledger.ts';
import { NATURE } from '../labels.ts';
import { icon } from './icons.ts';

const COLUMNS = ['Time', 'Request', 'Carries', 'Out', 'In', 'Status', 'Took'];

const cell = (name: string, content: unknown, kind = ''): TemplateResult =>
  html`<td role="cell" class=${kind} data-name=${name}>${content}</td>`;

const spaced = (hex: string): string => hex.replace(/(..)(?=.)/g, '$1 ');

function entryView({ entry, times, last }: Repeated): TemplateResult {
  const nature = NATURE[entry.nature];
  const hex = entry.preview_out || (entry.nature === 'ciphertext' ? entry.preview_in : '');
  return html`
    <tr role="row" class="entry ${entry.nature}">
      ${cell('Time', clock(entry.time), 'number')}
      ${cell(
        'Request',
        html`
          <code class="path"><b>${entry.method}</b> ${entry.elsewhere}${entry.path}</code>
          <span class="purpose">${entry.purpose}${times > 1 ? ` (${count(times)} times, last at ${clock(last)})` : nothing}</span>
          ${hex ? html`<code class="hex" aria-label="First bytes that left, in hexadecimal">${spaced(hex.slice(0, 48))} …</code>` : nothing}
        `,
        'request',
      )}
      ${cell('Carries', html`<span class="tag ${entry.nature}">${nature.label}</span><span class="purpose">${entry.content}</span>`)}
      ${cell('Out', bytes(entry.bytes_out), 'number')} ${cell('In', entry.cached ? 'from cache' : bytes(entry.bytes_in), 'number')}
      ${cell('Status', entry.cached ? '–' : entry.status || '–', 'number')} ${cell('Took', duration(entry.ms), 'number')}
    </tr>
  `;
}

const unexplainedView = (sighting: Sighting): TemplateResult => html`
  <li>
    <code>${sighting.url}</code>
    ${sighting.seenBy === 'page' ? 'made by the surrounding page, not by this element' : 'made by the worker'}, at ${clock(sighting.time)}
  </li>
`;

function crossCheckView(unexplained: Sighting[]): TemplateResult {
  if (unexplained.length === 0) {
    return html`
      <p class="check good">
        ${icon('check')} Cross-check: every request that the browser itself reports is in this ledger.
      </p>
    `;
  }
  return html`
    <div class="check bad" role="alert">
      <p>
        ${icon('alert')} <strong>Not in the ledger:</strong>
        ${unexplained.length === 1 ? 'the browser reports a request' : `the browser reports ${unexplained.length} requests`} that Veilsight did
        not tell of.
      </p>
      <ul id="unexplained">
        ${unexplained.map(unexplainedView)}
      </ul>
    </div>
  `;
}

const OF_A_SCAN =
  'Ciphertext is the sealed token that only this device can open; everything else is a public key or a public download.';

const OF_TILES =
  'Noised tiles are pieces of an image that was restored on relays: they lie under noise, which hides less than encryption does.';

/** The egress ledger: every request, its totals, and the browser's own account beside it. */
export function ledgerView(ledger: Ledger, settled: boolean, lead: string = OF_A_SCAN): TemplateResult {
  const totals = ledger.totals();
  const facts: [string, string][] = [
    ['Requests', count(totals.requests)],
    ['Left this device', bytes(totals.bytesOut)],
    ['of that ciphertext', bytes(totals.ciphertextOut)],
    ...(totals.tilesOut > 0 ? [['of that noised tiles', bytes(totals.tilesOut)] as [string, string]] : []),
    ['Came in', bytes(totals.bytesIn)],
  ];
  return html`
    <p class="muted">Every request of this element, as it happened. ${lead} ${totals.tilesOut > 0 ? OF_TILES : nothing}</p>
    <dl class="facts">
      ${facts.map(([name, value]) => html`<div><dt>${name}</dt><dd>${value}</dd></div>`)}
    </dl>
    ${settled ? crossCheckView(ledger.unexplained()) : nothing}
    <table role="table" class="ledger">
      <caption class="hidden">Requests in order of time</caption>
      <thead role="rowgroup">
        <tr role="row">
          ${COLUMNS.map((name) => html`<th role="columnheader" scope="col">${name}</th>`)}
        </tr>
      </thead>
      <tbody role="rowgroup">
        ${ledger.folded().map(entryView)}
      </tbody>
    </table>
  `;
}
