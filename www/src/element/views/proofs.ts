import { html, type TemplateResult } from 'lit';
import type { Controller } from '../../core/controller.ts';
import { count, percent, score } from '../../core/format.ts';
import { cardView } from './card.ts';
import { type DetectorActions, detectorView } from './detector.ts';
import { type HistoryActions, historyView } from './history.ts';
import { type IconName, icon } from './icons.ts';
import { ledgerView } from './ledger.ts';
import { relayView } from './relay.ts';

export type ProofActions = DetectorActions & HistoryActions;

type Section = [id: string, icon: IconName, title: string, summary: string, content: TemplateResult];

function detectorSummary({ state }: Controller): string {
  const detector = state.card?.detector;
  if (!state.card) return 'How images are checked before anything is sent';
  if (!detector) return 'This model has no detector';
  if (state.threshold !== null) return `Threshold ${score(state.threshold)}, chosen on this device`;
  return `Flags ${percent(detector.false_positive_rate)} of clean images at its default threshold`;
}

function historySummary({ logbook }: Controller): string {
  const kept = logbook.records.length;
  return kept === 0 ? 'Verdicts and decisions, kept on this device' : `${count(kept)} on this device`;
}

/** What can be opened below: everything that the element claims, with its proof. */
export function proofsView(controller: Controller, asked: boolean, actions: ProofActions): TemplateResult {
  const { state, ledger, logbook } = controller;
  const { requests, ciphertextOut } = ledger.totals();
  const sent = `${count(requests)} requests, ${count(ciphertextOut)} bytes of ciphertext out`;
  const seen = 'The bytes it received, and what they tell it';
  const told = state.card ? `${state.card.title}, version ${state.card.version}` : 'Data, metrics, limits, licence';
  const sections: Section[] = [
    ['ledger', 'list', 'Egress ledger', sent, ledgerView(ledger, !controller.busy)],
    ['relay', 'eye', 'What did the relay see?', seen, relayView(ledger.lastCiphertext(), state)],
    ['detector', 'shield', 'Check for tampering', detectorSummary(controller), detectorView(state, actions)],
    ['history', 'clock', 'History', historySummary(controller), historyView(logbook, asked, actions)],
    ['card', 'card', 'Model card', told, cardView(state.card)],
  ];
  return html`
    <div class="proofs">
      ${sections.map(
        ([id, name, title, summary, content]) => html`
          <details id=${id} class="proof">
            <summary>${icon(name)}<span><strong>${title}</strong><span class="muted">${summary}</span></span></summary>
            <div class="proof-body">${content}</div>
          </details>
        `,
      )}
    </div>
  `;
}
