import { html, type TemplateResult } from 'lit';
import type { SiteState } from '../../../core/site/site-controller.ts';
import { siteName } from '../../../core/site/todo.ts';
import { icon } from '../icons.ts';

export interface EnrolActions {
  enrol: (event: SubmitEvent) => void;
}

/** Relay and invitation. The identity is made when the button is pressed, and sealed before anything is sent. */
export function enrolForm(state: SiteState, relay: string, fixed: boolean, actions: EnrolActions): TemplateResult {
  const busy = state.work !== null;
  return html`
    <form class="form" @submit=${actions.enrol}>
      <label>
        <span>Address of the relay</span>
        <input id="relay" name="relay" type="url" required .value=${relay} ?readonly=${fixed} autocomplete="off" spellcheck="false" />
      </label>
      <label>
        <span>Invitation</span>
        <input id="invitation" name="invitation" required placeholder="vsi_…" autocomplete="off" autocapitalize="off" spellcheck="false"
          pattern="\\s*vsi_[0-9a-zA-Z_\\-]+\\s*" title="An invitation begins with vsi_" />
      </label>
      <button class="primary" id="enrol" ?disabled=${busy}>${icon('key')} ${busy ? 'Enrolling' : 'Make an identity and enrol'}</button>
      <p class="muted small">
        An identity is a pair of keys made on this device. Only their public halves are sent. The private halves and the site's token are
        sealed by a key that the browser gives to no script, and stay here.
      </p>
    </form>
  `;
}

export interface EnrolledActions {
  askForget: () => void;
  forget: () => void;
  keep: () => void;
}

/** Who this site is, and how it leaves this browser. */
export function enrolledView(state: SiteState, asked: boolean, actions: EnrolledActions): TemplateResult {
  const { view } = state;
  if (!view) return html``;
  return html`
    <dl class="facts">
      <div><dt>This site</dt><dd>${siteName(view, view.site)}</dd></div>
      <div><dt>Consortium</dt><dd>${view.consortium.title}</dd></div>
      <div><dt>Model</dt><dd>${view.consortium.model}</dd></div>
      <div><dt>Relay</dt><dd class="break">${new URL(view.relay).host}</dd></div>
    </dl>
    ${
      asked
        ? html`
            <div class="fault" role="alert">
              ${icon('alert')}
              <div>
                <h3>Destroy this site's identity?</h3>
                <p>It cannot be made again: its place in the consortium stays empty, and rounds it is needed for will not open.</p>
                <div class="row">
                  <button id="forget-really" @click=${actions.forget}>Destroy it</button>
                  <button id="keep" @click=${actions.keep}>Keep it</button>
                </div>
              </div>
            </div>
          `
        : html`<p><button class="quiet" id="forget" ?disabled=${state.work !== null} @click=${actions.askForget}>Remove the site from this browser</button></p>`
    }
  `;
}
