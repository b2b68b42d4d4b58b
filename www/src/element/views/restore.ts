import { html, nothing, type TemplateResult } from 'lit';
import { bytes, count } from '../../core/format.ts';
import { type PurifyOffer, THOROUGH } from '../../core/purification.ts';
import type { State } from '../../core/scan-state.ts';
import { hostOf, stepsOf } from '../restored-words.ts';
import { icon } from './icons.ts';

/** What a person has set for the next restoration. */
export interface RestoreWish {
  thorough: boolean;
  /** Whether the one relay that there is may see all of the image under noise. */
  agreed: boolean;
}

export interface RestoreActions {
  restoreHere: () => void;
  restoreOnRelays: () => void;
  setThorough: (event: Event) => void;
  agree: (event: Event) => void;
  cancel: () => void;
}

/** The ways to restore a flagged image, before those of sending it or not. */
export function offerView(offer: PurifyOffer, wish: RestoreWish, actions: RestoreActions): TemplateResult {
  return html`
    <p class="small">
      Restoring adds noise to the image and has a network take it away again, and small alterations with it. Fine detail changes too, so you see
      both before anything is sent.
    </p>
    ${
      offer.steps < THOROUGH
        ? html`
            <label class="switch">
              <input id="thorough" type="checkbox" .checked=${wish.thorough} @change=${actions.setThorough} />
              <span>Thorough: ${stepsOf(THOROUGH)} instead of ${offer.steps === 1 ? 'one' : offer.steps}</span>
            </label>
          `
        : nothing
    }
    <div class="way">
      <button class="primary" id="restore-device" @click=${actions.restoreHere}>Restore on this device</button>
      <p class="small">Nothing leaves this device.</p>
    </div>
    ${offer.plan ? relaysView(offer, wish, actions) : nothing}
  `;
}

function relaysView({ relays, plan }: PurifyOffer, wish: RestoreWish, actions: RestoreActions): TemplateResult {
  const alone = relays.length === 1;
  return html`
    <div class="way">
      <button id="restore-relays" ?disabled=${alone && !wish.agreed} aria-describedby="relays-see" @click=${actions.restoreOnRelays}>
        ${alone ? 'Restore on the one relay' : `Restore on ${count(relays.length)} relays`}
      </button>
      <div class="small" id="relays-see">
        <p>${alone ? aloneWords(relays[0] ?? '') : relaysWords(plan?.share ?? 1)}</p>
        ${
          alone
            ? html`
                <label class="switch">
                  <input id="agree" type="checkbox" .checked=${wish.agreed} @change=${actions.agree} />
                  <span>This relay may see all of the image under noise</span>
                </label>
              `
            : html`<p class="muted break">${relays.map(hostOf).join(', ')}</p>`
        }
      </div>
    </div>
  `;
}

/** What each of several relays sees, in one sentence. */
export const relaysWords = (share: number): string =>
  `Each relay sees noised pieces of at most ${Math.ceil(share * 100 - 1e-6)} % of the image, and noise is not encryption: shapes can show through it.`;

/** What a relay could learn that is alone. */
export const aloneWords = (relay: string): string =>
  `Only one relay is known (${hostOf(relay)}), so it would get all pieces of the image, noised. Noise is not encryption: it could put the pieces together, take the noise away as this page does, and come close to seeing the image.`;

/** What is under way, how far it is, and how to stop it. */
export function restoringView({ steps, purifyingOn }: State, actions: Pick<RestoreActions, 'cancel'>): TemplateResult {
  const fetched = steps.get('purifier');
  const fetching = fetched !== undefined && fetched.ms === undefined;
  const at = fetching ? fetched : steps.get('purify');
  const told = fetching
    ? `Fetching the purifier${fetched.total > 1 ? `: ${bytes(fetched.done)} of ${bytes(fetched.total)}` : ''}`
    : at && at.total > 1
      ? `${count(Math.floor(at.done))} of ${count(at.total)} done`
      : 'Under way';
  return html`
    <div class="restoring" role="group" aria-labelledby="restoring-title">
      <p id="restoring-title"><strong>Restoring the image ${purifyingOn === 'relays' ? 'on relays' : 'on this device'}</strong></p>
      ${
        at && at.total > 1
          ? html`<progress max=${at.total} value=${at.done} aria-labelledby="restoring-title"></progress>`
          : html`<progress aria-labelledby="restoring-title"></progress>`
      }
      <div class="row start between">
        <span class="muted small">${told}</span>
        <button id="cancel-restore" @click=${actions.cancel}>${icon('stop')} Cancel</button>
      </div>
    </div>
  `;
}
