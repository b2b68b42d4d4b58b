import { html, nothing, type TemplateResult } from 'lit';
import type { Offer } from '../../core/catalogue.ts';

export interface ModelActions {
  useModel: (model: string) => void;
}

/** The choice of a model, where there is one. */
export function modelView(
  offers: Offer[],
  chosen: string,
  busy: boolean,
  actions: ModelActions,
): TemplateResult | typeof nothing {
  if (offers.length < 2) return nothing;
  const choose = (event: Event) => actions.useModel((event.target as HTMLSelectElement).value);
  return html`
    <label class="field">
      <span>Model</span>
      <select id="model" ?disabled=${busy} @change=${choose}>
        ${offers.map(({ id, title }) => html`<option value=${id} ?selected=${id === chosen}>${title}</option>`)}
      </select>
    </label>
  `;
}
