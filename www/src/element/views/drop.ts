import { html, nothing, type TemplateResult } from 'lit';
import type { Verdict } from '../../core/client-types.ts';
import { type Heat, type HeatActions, heatCanvas, heatControls } from './heat.ts';
import { icon } from './icons.ts';

export interface DropActions {
  pick: () => void;
  drop: (event: DragEvent) => void;
  drag: (event: DragEvent) => void;
  phantom: (lesion: boolean) => void;
}

/** The place for a file, and the two phantoms for whoever has none at hand, where the model is one that phantoms are drawn for. */
export function dropView(dragging: boolean, phantoms: boolean, actions: DropActions): TemplateResult {
  return html`
    <div
      class="drop ${dragging ? 'over' : ''}"
      @dragenter=${actions.drag}
      @dragover=${actions.drag}
      @dragleave=${actions.drag}
      @drop=${actions.drop}
    >
      <span class="drop-icon">${icon('image')}</span>
      <p class="drop-title">Drop an image here</p>
      <p class="muted">PNG or JPEG. Or paste it with <kbd>Ctrl</kbd> <kbd>V</kbd>.</p>
      <button class="primary" id="pick" @click=${actions.pick}>Choose a file</button>
      <p class="assurance">${icon('lock')} The image never leaves this device.</p>
    </div>
    ${phantoms ? phantomsView(actions) : nothing}
  `;
}

const phantomsView = (actions: DropActions): TemplateResult => html`
  <div class="phantoms" role="group" aria-labelledby="phantom-title">
    <p id="phantom-title" class="muted">No image at hand? Try a phantom: a drawing made by this page, not a patient.</p>
    <div class="row">
      <button id="phantom-plain" @click=${() => actions.phantom(false)}>Without lesion</button>
      <button id="phantom-lesion" @click=${() => actions.phantom(true)}>With lesion</button>
    </div>
  </div>
`;

/** What happens, told before anything does. */
export function storyView(): TemplateResult {
  const steps = [
    [
      'chip',
      'Encoded here',
      'A Vision Transformer in this browser turns the image into one CLS token: a few hundred numbers.',
    ],
    ['lock', 'Sealed here', 'The token is encrypted under a key that was made on this device and never leaves it.'],
    ['relay', 'Answered blind', 'The relay computes on the ciphertext. It sees neither the image nor the answer.'],
    ['key', 'Opened here', 'Only this browser can open the answer. The ledger below shows every byte that left.'],
  ] as const;
  return html`
    <ol class="story">
      ${steps.map(
        ([name, title, text]) => html`
          <li>
            <span class="story-icon">${icon(name)}</span>
            <div><h3>${title}</h3><p class="muted">${text}</p></div>
          </li>
        `,
      )}
    </ol>
  `;
}

export interface ImageActions extends DropActions, HeatActions {
  scan: () => void;
  cancel: () => void;
  clear: () => void;
}

/** The chosen image as the encoder sees it, and what can be done with it. */
export function imageView(
  view: {
    name: string;
    phantom: boolean;
    side: number | null;
    busy: boolean;
    canScan: boolean;
    /** Whether the encoder saw a restored image in the end. */
    restored: boolean;
    /** What the button of a scan says. */
    offer: string;
    dragging: boolean;
    verdict: Verdict | null;
    heat: Heat;
  },
  actions: ImageActions,
): TemplateResult {
  const caption = view.side
    ? `${view.restored ? 'The image as you chose it' : 'What the encoder sees'}: ${view.side} × ${view.side} pixels`
    : 'Your image, on this device only';
  return html`
    <figure
      class="picture ${view.dragging ? 'over' : ''}"
      @dragenter=${actions.drag}
      @dragover=${actions.drag}
      @dragleave=${actions.drag}
      @drop=${actions.drop}
    >
      <div class="screen">
        <canvas class=${view.side ? 'sharp' : 'waiting'} role="img" aria-label=${`${caption}. ${view.name}`}></canvas>
        ${view.verdict ? heatCanvas(view.verdict, view.heat) : nothing}
      </div>
      <figcaption>
        <span class="file" title=${view.name}>${view.name}</span>
        <span class="muted">${caption}</span>
        ${view.phantom ? html`<span class="tag drawing">Drawing by Veilsight, not a patient</span>` : nothing}
      </figcaption>
    </figure>
    ${heatControls(view.verdict, view.heat, actions)}
    <div class="actions">
      ${
        view.busy
          ? html`<button class="wide" id="cancel" @click=${actions.cancel}>Cancel</button>`
          : html`
              <button class="primary wide" id="scan" ?disabled=${!view.canScan} @click=${actions.scan}>
                ${icon('lock')} ${view.offer}
              </button>
            `
      }
      <div class="row">
        <button id="pick" @click=${actions.pick}>Another file</button>
        <button id="clear" @click=${actions.clear}>Start over</button>
      </div>
    </div>
  `;
}
