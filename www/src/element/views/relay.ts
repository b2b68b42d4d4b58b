import { html, nothing, type TemplateResult } from 'lit';
import { bytes } from '../../core/format.ts';
import { answerFields, type Field, fromHex, hexLines, requestFields } from '../../core/hexdump.ts';
import type { Entry } from '../../core/ledger.ts';
import type { State } from '../../core/scan-state.ts';
import { hostOf, relayDid } from '../restored-words.ts';

const fieldAt = (fields: Field[], at: number): number => fields.findIndex((f) => at >= f.start && at < f.end);

function dumpView(title: string, hex: string, size: number, fields: Field[]): TemplateResult {
  const lines = hexLines(fromHex(hex), 16);
  const shown = hex.length / 2;
  return html`
    <figure class="dump">
      <figcaption>
        <strong>${title}</strong>
        <span class="muted">${bytes(size)}${shown < size ? `, the first ${shown} shown` : ''}</span>
      </figcaption>
      <pre tabindex="0" role="region" aria-label=${`${title}, hexadecimal`}>${lines.map(
        (line, row) =>
          html`<span class="offset">${line.offset}</span>${line.bytes.map((byte, i) => {
            const field = fieldAt(fields, row * 16 + i);
            return html`<span class="f${field} ${fields[field]?.sealed ? 'sealed' : ''}">${byte}</span>`;
          })}<span class="ascii">${line.ascii}</span>${'\n'}`,
      )}</pre>
      <ul class="legend">
        ${fields.map(
          (f, i) => html`
            <li><span class="swatch f${i} ${f.sealed ? 'sealed' : ''}"></span>${f.name}${f.sealed ? html` <strong>(ciphertext)</strong>` : nothing}</li>
          `,
        )}
      </ul>
    </figure>
  `;
}

const LEARNS = [
  ['When', 'the time of each question'],
  ['How much', 'its size, the same for every image of this model'],
  ['From where', "the network address it came from, and a session number that links this visit's questions"],
  ['Which model', 'the model and its encoder'],
  ['How often', 'the number of questions'],
] as const;

const notLearned = (exposed: boolean): string[] => [
  exposed ? 'the image without the noise' : 'the image, or any pixel of it',
  'the CLS token',
  'the answer, or whether it was good news',
  'the key',
];

const listing = (exposed: boolean): TemplateResult => html`
  <div class="two">
    <section>
      <h4>What the relay learns</h4>
      <dl class="learns">
        ${LEARNS.map(([name, text]) => html`<div><dt>${name}</dt><dd>${text}</dd></div>`)}
      </dl>
    </section>
    <section>
      <h4>What it does not learn</h4>
      <ul class="nots">
        ${notLearned(exposed).map((text) => html`<li>${text}</li>`)}
      </ul>
      <p class="muted small">
        Without the key the sealed bytes cannot be told from random ones, as far as anyone knows how to (lattice encryption, about 132-bit
        security). Two seals of one image share no ciphertext.
      </p>
    </section>
  </div>
`;

/** What the relays saw that the image was restored on. */
const tilesView = ({ exposed, purified }: State): TemplateResult | typeof nothing =>
  exposed
    ? html`
        <section>
          <h4>This image was also restored on relays</h4>
          <p class="muted">
            They received pieces of it with noise added, turned, shuffled and without their places. That is not encryption: shapes can show
            through the noise, and relays that pool their pieces see more of the image.
          </p>
          <ul class="relays">
            ${(purified?.relays ?? []).map(
              (relay) =>
                html`<li><span><strong class="break">${hostOf(relay.url)}</strong> ${relayDid(relay)}.</span></li>`,
            )}
          </ul>
        </section>
      `
    : nothing;

/** The relay's side of it: what arrived, what it sent back, what it can and cannot tell from them. */
export function relayView(entry: Entry | undefined, state: State): TemplateResult {
  return html`
    ${
      entry
        ? html`
            <p class="muted">This is ${state.exposed ? 'what' : 'all'} of your image that the relay received for its answer, as it received it.</p>
            <div class="two">
              ${dumpView('What arrived: the sealed token', entry.preview_out, entry.bytes_out, requestFields(entry.preview_out.length / 2))}
              ${dumpView('What it sent back: the answer', entry.preview_in, entry.bytes_in, answerFields(entry.preview_in.length / 2))}
            </div>
          `
        : html`<p class="muted">Nothing of an image yet. After the first answer, the bytes that the relay received stand here.</p>`
    }
    ${tilesView(state)} ${listing(state.exposed)}
  `;
}
