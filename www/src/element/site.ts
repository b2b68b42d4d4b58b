import { html, LitElement, nothing, type PropertyValues, type TemplateResult } from 'lit';
import { parseWish } from '../core/backend-choice.ts';
import { bytes, count } from '../core/format.ts';
import { probe } from '../core/probe.ts';
import { fromInput } from '../core/site/collect.ts';
import { SiteController } from '../core/site/site-controller.ts';
import { stageStatus } from '../core/site/todo.ts';
import { spawnWorker } from '../core/spawn.ts';
import { watchRequests } from '../core/watch.ts';
import { ownAssets, WORKER } from './assets.ts';
import { isCodeOf } from './code-files.ts';
import { stagesOf } from './site-stages.ts';
import { siteStyles } from './styles-site.ts';
import { icon } from './views/icons.ts';
import { ledgerView } from './views/ledger.ts';
import { stageView } from './views/site/stage.ts';
import { NOISE_DELTA } from './views/site/statistics.ts';
import { silenceView, todoView } from './views/site/status.ts';
import { faultView, noticeView } from './views/status.ts';

const withoutSlash = (address: string): string => address.replace(/\/+$/, '');

const OF_A_SITE =
  "Ciphertext is this site's contribution, under a key made for one round; a signed part is a check or a sum of key shares. Questions carry the site's token in a header, and no body.";

/**
 * `<veilsight-site relay backend theme assets>`: a hospital's part in a federation. Enrol, compare the roster, encode a folder of
 * labelled images here, contribute its encrypted statistics, take part in the opening, and see the new head beside one's own.
 * Fires `veilsight-site` (`detail` is the site's view) and `veilsight-error`.
 */
export class VeilsightSite extends LitElement {
  static override styles = siteStyles;
  static override properties = {
    relay: { type: String },
    backend: { type: String },
    theme: { type: String, reflect: true },
    assets: { type: String },
    dragging: { state: true },
    asked: { state: true },
    again: { state: true },
  };

  /** Address of the relay; empty: where this module came from. */
  declare relay: string;
  /** `auto`, `webgpu` or `cpu`. */
  declare backend: string;
  /** `auto`, `light` or `dark`. */
  declare theme: string;
  /** Directory of Veilsight's build; empty: the relay's, or where this module came from. */
  declare assets: string;
  declare dragging: boolean;
  /** Whether the person was asked if the site shall really be removed. */
  declare asked: boolean;
  /** Whether other images are to be chosen although there are statistics. */
  declare again: boolean;

  #controller: SiteController | null = null;
  #stopWatching: (() => void) | null = null;
  #told = '';

  constructor() {
    super();
    this.relay = '';
    this.backend = 'auto';
    this.theme = 'auto';
    this.assets = '';
    this.dragging = false;
    this.asked = false;
    this.again = false;
  }

  override connectedCallback(): void {
    super.connectedCallback();
    this.#begin();
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    this.#end();
  }

  override willUpdate(changed: PropertyValues<this>): void {
    const anew = (['relay', 'backend', 'assets'] as const).some((name) => changed.has(name));
    if (!anew || !this.hasUpdated || !this.isConnected) return;
    this.#end();
    this.#begin();
  }

  #begin(): void {
    const given = this.relay ? new URL(this.relay, document.baseURI).href : '';
    const assets = `${withoutSlash(this.assets ? new URL(this.assets, document.baseURI).href : given || ownAssets())}/`;
    const isCode = isCodeOf(assets);
    const controller = new SiteController(
      {
        relay: withoutSlash(given || new URL(ownAssets()).origin),
        assets,
        wish: parseWish(this.backend),
        pageOrigin: location.origin,
        spawn: () => spawnWorker(assets, WORKER, location.origin),
        isOnline: () => navigator.onLine,
        relayAnswersAtAll: (ledger) => probe(this.#relayAddress(), ledger),
        isCode,
      },
      {
        onChange: () => this.#changed(),
        onFault: (fault) => this.#fire('veilsight-error', fault),
      },
    );
    this.#controller = controller;
    const ownPage = new URL(assets).origin === location.origin;
    // After another relay or backend was chosen, the ledger begins anew.
    const since = this.hasUpdated ? Date.now() : 0;
    this.#stopWatching = watchRequests('page', ownPage ? ['navigation', 'resource'] : ['resource'], (sightings) =>
      controller.sight(sightings.filter(({ url, time }) => isCode(url) || (ownPage && time >= since))),
    );
    void controller.start();
  }

  #end(): void {
    this.#stopWatching?.();
    this.#controller?.close();
    this.#controller = null;
  }

  #changed(): void {
    this.requestUpdate();
    const view = this.#controller?.state.view;
    const told = JSON.stringify(view ?? null);
    if (told === this.#told) return;
    this.#told = told;
    this.#fire('veilsight-site', view ?? null);
  }

  #fire(name: string, detail: unknown): void {
    this.dispatchEvent(new CustomEvent(name, { detail, bubbles: true, composed: true }));
  }

  #relayAddress(): string {
    return withoutSlash(this.relay ? new URL(this.relay, document.baseURI).href : new URL(ownAssets()).origin);
  }

  #pick(id: string): void {
    this.renderRoot.querySelector<HTMLInputElement>(id)?.click();
  }

  #picked = (event: Event): void => {
    const input = event.target as HTMLInputElement;
    const found = fromInput(input.files ?? []);
    // So that choosing the same folder again counts as a choice.
    input.value = '';
    if (found.length > 0) void this.#controller?.choose(found);
  };

  #drag = (event: DragEvent): void => {
    event.preventDefault();
    this.dragging = event.type !== 'dragleave' || (event.currentTarget as Node).contains(event.relatedTarget as Node);
  };

  #drop = (event: DragEvent): void => {
    event.preventDefault();
    this.dragging = false;
    const items = event.dataTransfer?.items;
    if (items && !this.#controller?.busy) void this.#controller?.drop(items);
  };

  #enrol = (event: SubmitEvent): void => {
    event.preventDefault();
    // Asks the browser not to clear the site away when the disk fills up.
    void navigator.storage?.persist?.();
    const fields = new FormData(event.target as HTMLFormElement);
    void this.#controller?.enrol(withoutSlash(String(fields.get('relay'))), String(fields.get('invitation')));
  };

  #forget = async (): Promise<void> => {
    this.asked = false;
    await this.#controller?.forget();
  };

  readonly #actions = {
    enrol: this.#enrol,
    askForget: () => {
      this.asked = true;
    },
    keep: () => {
      this.asked = false;
    },
    forget: () => void this.#forget(),
    trust: (fingerprint: string) => void this.#controller?.trust(fingerprint),
    pickFolder: () => this.#pick('#folder'),
    pickFiles: () => this.#pick('#files'),
    drag: this.#drag,
    drop: this.#drop,
    assign: (...args: Parameters<SiteController['assign']>) => this.#controller?.assign(...args),
    holdOut: (share: number) => this.#controller?.holdOut(share),
    putAway: () => {
      this.again = false;
      this.#controller?.putAway();
    },
    encode: () => {
      this.again = false;
      void this.#controller?.encode();
    },
    again: () => {
      this.again = true;
    },
    wishNoise: (epsilon: number | null) =>
      void this.#controller?.wishNoise(epsilon === null ? null : { epsilon, delta: NOISE_DELTA }),
    contribute: (round: number) => void this.#controller?.contribute(round),
    cancel: () => this.#controller?.cancel(),
    retry: () => void this.#controller?.retry(),
  };

  override render(): TemplateResult | typeof nothing {
    const controller = this.#controller;
    if (!controller) return nothing;
    const { state } = controller;
    const around = {
      relay: this.#relayAddress(),
      fixed: this.relay !== '',
      dragging: this.dragging,
      asked: this.asked,
      again: this.again,
      samples: () => controller.samples(),
    };
    const status = stageStatus(state);
    return html`
      <div class="frame">
        <p class="research">${icon('info')} <span><strong>Research use only.</strong> Not a medical device.</span></p>
        <input id="folder" class="hidden" type="file" webkitdirectory multiple tabindex="-1" aria-label="Folder of images" @change=${this.#picked} />
        <input id="files" class="hidden" type="file" multiple accept="image/png,image/jpeg,.png,.jpg,.jpeg,.csv,.tsv" tabindex="-1"
          aria-label="Images and a CSV" @change=${this.#picked} />
        <div class="site" aria-busy=${controller.busy ? 'true' : 'false'}>
          ${todoView(state)} ${faultView(state, this.#actions.retry)} ${noticeView(state)} ${silenceView(state)}
          ${
            state.known
              ? html`<ol class="stages">${stagesOf(state, around, this.#actions).map((stage, i) => stageView(stage, i + 1, status[stage.key]))}</ol>`
              : nothing
          }
        </div>
        <div class="proofs">${this.#ledger(controller)}</div>
      </div>
    `;
  }

  #ledger({ ledger, busy }: SiteController): TemplateResult {
    const { requests, ciphertextOut } = ledger.totals();
    return html`
      <details id="ledger" class="proof">
        <summary>
          ${icon('list')}
          <span><strong>Egress ledger</strong><span class="muted">${count(requests)} requests, ${bytes(ciphertextOut)} of ciphertext out</span></span>
        </summary>
        <div class="proof-body">${ledgerView(ledger, !busy, OF_A_SITE)}</div>
      </details>
    `;
  }
}
