import { html, nothing, type TemplateResult } from 'lit';
import { count, percent } from '../../../core/format.ts';
import type { Accuracy, Evaluation, SiteView } from '../../../core/site/site-types.ts';
import { currentRound, listed, siteName } from '../../../core/site/todo.ts';

const share = ({ correct, total }: { correct: number; total: number }): number => (total > 0 ? correct / total : 0);

const bar = (name: string, accuracy: Accuracy, key: string): TemplateResult => html`
  <li class=${key === 'federated' ? 'top' : ''} data-head=${key}>
    <span class="class-name">${name}</span>
    <span class="class-p">${percent(share(accuracy))} <span class="muted">(${count(accuracy.correct)} of ${count(accuracy.total)})</span></span>
    <progress max="1" value=${share(accuracy)} aria-label=${`Accuracy of ${name}`}></progress>
  </li>
`;

const perClass = (accuracy: Accuracy | null, index: number): string => {
  const entry = accuracy?.classes[index];
  return entry && entry.total > 0 ? `${count(entry.correct)} of ${count(entry.total)}` : '–';
};

function classTable(view: SiteView, evaluation: Evaluation): TemplateResult {
  return html`
    <table class="table">
      <caption>By class</caption>
      <thead>
        <tr><th scope="col">Class</th><th scope="col" class="number">Images in the sum</th><th scope="col" class="number">All sites</th><th scope="col" class="number">This site</th></tr>
      </thead>
      <tbody>
        ${view.consortium.classes.map(
          (name, i) => html`
            <tr>
              <th scope="row">${name}</th>
              <td class="number">${count(evaluation.images[i] ?? 0)}</td>
              <td class="number">${perClass(evaluation.federated, i)}</td>
              <td class="number">${perClass(evaluation.local, i)}</td>
            </tr>
          `,
        )}
      </tbody>
    </table>
  `;
}

/** Half the width of a 95 % Wilson interval: small hold-outs say little. */
export function uncertainty({ correct, total }: { correct: number; total: number }): number {
  const z = 1.96;
  const p = correct / total;
  return (z * Math.sqrt((p * (1 - p)) / total + (z * z) / (4 * total * total))) / (1 + (z * z) / total);
}

/** The new head beside this site's own, on pictures that neither has seen from this site. */
export function resultView(view: SiteView): TemplateResult | typeof nothing {
  const { evaluation } = view;
  if (!evaluation) return nothing;
  const { federated, local, cohort, head, round } = evaluation;
  const names = listed(cohort.map((index) => siteName(view, index)));
  const published = currentRound(view)?.published;
  return html`
    <section class="answer" aria-labelledby="result-title">
      <h4 id="result-title">Accuracy on this site's own hold-out</h4>
      ${
        federated.total === 0
          ? html`<p class="muted">This site held no images out, so there is nothing to compare the heads on.</p>`
          : html`
              <ul class="classes" id="accuracies">
                ${bar(`Head of all ${cohort.length} sites`, federated, 'federated')}
                ${
                  local
                    ? bar('Head of this site alone', local, 'local')
                    : html`<li><span class="class-name">Head of this site alone</span><span class="class-p">none: a class has no image here</span></li>`
                }
              </ul>
              <p class="muted small">
                On ${count(federated.total)} held-out images, so each figure is good to about ± ${percent(uncertainty(federated))}. They were decided on this device.
              </p>
            `
      }
      ${classTable(view, evaluation)}
      <p class="muted small">
        Round ${round}, ${head === 'lda' ? 'linear discriminant analysis' : 'ridge regression'}, computed here from the opened sum of ${names}.
        ${published ? `The relay serves it as version ${published} of the head of ${view.consortium.model}.` : nothing}
      </p>
    </section>
  `;
}
