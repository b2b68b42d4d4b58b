import { html, LitElement, nothing, type PropertyValues, type TemplateResult } from 'lit';
import { type Offer, offeredModels } from '../core/catalogue.ts';
import { Controller } from '../core/controller.ts';
import { exported } from '../core/history.ts';
import type { Sighting } from '../core/ledger.ts';
import { THOROUGH } from '../core/purification.ts';
import type { Chosen, State } from '../core/scan-state.ts';
import { watchRequests } from '../core/watch.ts';
import { isCodeOf } from './code-files.ts';
import { drawPurified } from './compare.ts';
import { drawBlob, drawPicture } from './draw.ts';
import { drawHeat } from './heat.ts';
import { save } from './save.ts';
import { styles } from './styles.ts';
import { surroundingsOf } from './surroundings.ts';
import { answerView } from './views/answer.ts';
import { dropView, imageView, storyView } from './views/drop.ts';
import type { Heat } from './views/heat.ts';
import { icon } from './views/icons.ts';
import { modelView } from './views/model.ts';
import { proofsView } from './views/proofs.ts';
import type { RestoreWish } from './views/restore.ts';
import { restoredView } from './views/restored.ts';
import { announcement, assuranceView, backendView, faultView, noticeView } from './views/status.ts';
import { stepsView } from './views/steps.ts';
import { verdictView } from './views/verdict.ts';

/** The model whose images we can draw ourselves. */
const DRAWN = 'brain-mri';

/** Who takes the focus of a button that is gone, in this order. */
const HEIRS = [
  'restore-device',
  'withhold',
  'send-restored',
  'cancel-restore',
  'cancel',
  'scan',
  'pick',
  'history-clear',
  'history-clear-really',
];

/** What the button of a scan promises. */
const offerOf = ({ answer, phase }: State): string =>
  phase === 'withheld' ? 'Check again' : answer ? 'Seal and classify again' : 'Seal and classify';

/**
 * `<veilsight-scan relay model choice backend theme assets purify purify-relays>`: choose an image, see it encoded and sealed on the device,
 * and read the answer that the relay computed on ciphertext. Its events stand in README.md.
 */
export class VeilsightScan extends LitElement {
  static override styles = styles;
  static override properties = {
    relay: { type: String },
    model: { type: String },
    choice: { type: Boolean },
    backend: { type: String },
    theme: { type: String, reflect: true },
    assets: { type: String },
    purify: { type: String },
    purifyRelays: { type: String, attribute: 'purify-relays' },
    dragging: { state: true },
    offers: { state: true },
    heat: { state: true },
    restore: { state: true },
    clearing: { state: true },
  };

  /** Address of the relay; empty: where this module came from. */
  declare relay: string;
  /** Name of the model on the relay. */
  declare model: string;
  /** Whether the person may choose among the relay's models. */
  declare choice: boolean;
  /** `auto`, `webgpu` or `cpu`. */
  declare backend: string;
  /** `auto`, `light` or `dark`. */
  declare theme: string;
  /** Directory of Veilsight's build; empty: the relay's, or where this module came from. */
  declare assets: string;
  /** Where flagged images may be restored: `ask`, `device` or `off`. */
  declare purify: string;
  /** Addresses of the relays that may get noised tiles, with spaces between; empty: those that the relay names. */
  declare purifyRelays: string;
  declare dragging: boolean;
  declare offers: Offer[];
  declare heat: Heat;
  declare restore: RestoreWish;
  /** Whether the history is about to be cleared. */
  declare clearing: boolean;

  #controller: Controller | null = null;
  #stopWatching: (() => void) | null = null;
  #drawn: unknown = null;
  #judged: unknown = null;
  #phase = 'idle';

  constructor() {
    super();
    this.relay = '';
    this.model = DRAWN;
    this.choice = false;
    this.offers = [];
    this.backend = 'auto';
    this.theme = 'auto';
    this.assets = '';
    this.purify = 'ask';
    this.purifyRelays = '';
    this.dragging = false;
    this.heat = { shown: false, opacity: 0.5 };
    this.restore = { thorough: false, agreed: false };
    this.clearing = false;
  }

  override connectedCallback(): void {
    super.connectedCallback();
    document.addEventListener('paste', this.#paste);
    this.#begin();
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    document.removeEventListener('paste', this.#paste);
    this.#end();
  }

  override willUpdate(changed: PropertyValues<this>): void {
    if (!this.hasUpdated || !this.isConnected) return;
    if (
      (['relay', 'choice', 'backend', 'assets', 'purify', 'purifyRelays'] as const).some((name) => changed.has(name))
    ) {
      this.#end();
      this.#begin();
    } else if (changed.has('model')) void this.#controller?.useModel(this.model);
  }

  /** A button that gives way to another hands the focus on, so that the keyboard is never lost. */
  override update(changed: PropertyValues<this>): void {
    const before = this.shadowRoot?.activeElement?.id;
    super.update(changed);
    if (!before || this.shadowRoot?.activeElement) return;
    const heirs = [before, ...HEIRS].map((id) =>
      this.renderRoot.querySelector<HTMLButtonElement>(`button#${id}:not([disabled])`),
    );
    heirs.find((button) => button !== null)?.focus();
  }

  override updated(): void {
    this.#drawHeat();
    const purified = this.#controller?.state.purified;
    if (purified) drawPurified(this.renderRoot, purified);
    const canvas = this.renderRoot.querySelector<HTMLCanvasElement>('.picture canvas:not(.heat)');
    const state = this.#controller?.state;
    const content = state?.picture ?? state?.image?.blob ?? null;
    if (!canvas || !state || content === this.#drawn) {
      if (!canvas) this.#drawn = null;
      return;
    }
    this.#drawn = content;
    if (state.picture) drawPicture(canvas, state.picture);
    else if (state.image) void drawBlob(canvas, state.image.blob, () => this.#drawn === content);
  }

  #drawHeat(): void {
    const canvas = this.renderRoot.querySelector<HTMLCanvasElement>('canvas.heat');
    const verdict = this.#controller?.state.verdict;
    if (canvas && verdict) drawHeat(canvas, verdict, this.heat.shown ? this.heat.opacity : 0);
  }

  /** A flagged image shows where at once, and puts the safe answer under the hand that is on this element anyway. */
  #changed(): void {
    if (!this.#controller) return;
    const { verdict, phase } = this.#controller.state;
    if (verdict !== this.#judged) {
      this.#judged = verdict;
      this.heat = { ...this.heat, shown: this.#controller.judgement?.flagged ?? false };
      this.restore = { thorough: false, agreed: false };
    }
    this.requestUpdate();
    const asks = phase === 'flagged' && this.#phase !== phase;
    this.#phase = phase;
    if (!asks) return;
    void this.updateComplete.then(() => {
      const idle = document.activeElement === document.body && !this.shadowRoot?.activeElement;
      if (idle) this.renderRoot.querySelector<HTMLButtonElement>('button:is(#restore-device, #withhold)')?.focus();
    });
  }

  #begin(): void {
    const around = surroundingsOf(this);
    const controller = new Controller(around, {
      onChange: () => this.#changed(),
      onProgress: (event) => this.#fire('veilsight-progress', event),
      onVerdict: (judgement) => this.#fire('veilsight-verdict', judgement, true),
      onPurified: (news) => this.#fire('veilsight-purified', news, true),
      onDecision: (sent) => this.#fire('veilsight-decision', { sent }),
      onAnswer: (answer) => this.#fire('veilsight-answer', answer),
      onFault: (fault) => this.#fire('veilsight-error', fault),
    });
    this.#controller = controller;
    this.#watch(controller, around.assets);
    if (this.choice) void this.#ask(controller, around.relay);
  }

  async #ask(controller: Controller, relay: string): Promise<void> {
    const offers = await offeredModels(relay, controller.ledger);
    if (this.#controller === controller) this.offers = offers;
  }

  #end(): void {
    this.#stopWatching?.();
    this.#controller?.close();
    this.#controller = null;
  }

  /**
   * In a foreign page, what that page loads before there is an image is its own affair. After another relay or backend was chosen, the
   * ledger begins anew, and what was asked before it is not part of it.
   */
  #watch(controller: Controller, assets: string): void {
    const isOurs = isCodeOf(assets);
    const ownPage = new URL(assets).origin === location.origin;
    const since = this.hasUpdated ? Date.now() : 0;
    const isTold = (s: Sighting) => (ownPage ? s.time >= since : s.time >= controller.firstImageAt);
    this.#stopWatching = watchRequests('page', ownPage ? ['navigation', 'resource'] : ['resource'], (sightings) =>
      controller.sight(sightings.filter((s) => isOurs(s.url) || isTold(s))),
    );
  }

  /** False where a listener has called `preventDefault` on an event that allows it. */
  #fire(name: string, detail: unknown, cancelable = false): boolean {
    return this.dispatchEvent(new CustomEvent(name, { detail, bubbles: true, composed: true, cancelable }));
  }

  #choose(file: File): void {
    const chosen: Chosen = { blob: file, name: file.name || 'Pasted image', phantom: false };
    void this.#controller?.choose(chosen);
  }

  #paste = (event: ClipboardEvent): void => {
    const file = [...(event.clipboardData?.files ?? [])][0];
    const elsewhere = document.activeElement !== document.body && document.activeElement !== this;
    if (!file || elsewhere || this.#controller?.busy) return;
    event.preventDefault();
    this.#choose(file);
  };

  #drag = (event: DragEvent): void => {
    event.preventDefault();
    this.dragging = event.type !== 'dragleave' || (event.currentTarget as Node).contains(event.relatedTarget as Node);
  };

  #drop = (event: DragEvent): void => {
    event.preventDefault();
    this.dragging = false;
    const file = event.dataTransfer?.files[0];
    if (file && !this.#controller?.busy) this.#choose(file);
  };

  #picked = (event: Event): void => {
    const input = event.target as HTMLInputElement;
    const file = input.files?.[0];
    if (file) this.#choose(file);
    // So that choosing the same file again counts as a choice.
    input.value = '';
  };

  readonly #actions = {
    useModel: (model: string) => {
      this.model = model;
    },
    pick: () => this.renderRoot.querySelector<HTMLInputElement>('#file')?.click(),
    drag: this.#drag,
    drop: this.#drop,
    phantom: (lesion: boolean) => void this.#controller?.choosePhantom(Math.floor(Math.random() * 0xffff), lesion),
    scan: () => void this.#controller?.scan(),
    cancel: () => this.#controller?.cancel(),
    clear: () => this.#controller?.clear(),
    retry: () => void this.#controller?.retry(),
    send: () => void this.#controller?.decide(true),
    withhold: () => void this.#controller?.decide(false),
    restoreHere: () => this.#restore(),
    restoreOnRelays: () => this.#restore(this.#controller?.state.offer?.relays),
    setThorough: (event: Event) => {
      this.restore = { ...this.restore, thorough: (event.target as HTMLInputElement).checked };
    },
    agree: (event: Event) => {
      this.restore = { ...this.restore, agreed: (event.target as HTMLInputElement).checked };
    },
    sendRestored: () => void this.#controller?.purification.send(),
    goBack: () => this.#controller?.purification.discard(),
    showHeat: (event: Event) => {
      this.heat = { ...this.heat, shown: (event.target as HTMLInputElement).checked };
    },
    fadeHeat: (event: Event) => {
      this.heat = { ...this.heat, opacity: (event.target as HTMLInputElement).valueAsNumber };
    },
    moveThreshold: (event: Event) => this.#controller?.setThreshold((event.target as HTMLInputElement).valueAsNumber),
    resetThreshold: () => this.#controller?.setThreshold(null),
    exportHistory: () => save('veilsight-history.json', exported(this.#controller?.logbook.records ?? [])),
    askClear: () => {
      this.clearing = true;
    },
    keepHistory: () => {
      this.clearing = false;
    },
    clearHistory: () => {
      this.clearing = false;
      void this.#controller?.logbook.clear();
    },
  };

  /** Restores the flagged image on these relays, or here. */
  #restore(relays?: string[]): void {
    const purification = this.#controller?.purification;
    const steps = this.restore.thorough ? THOROUGH : (this.#controller?.state.offer?.steps ?? 1);
    void purification?.start(
      relays
        ? { where: 'relays', relays, steps, one_relay_holds_all: this.restore.agreed }
        : { where: 'device', steps },
    );
  }

  override render(): TemplateResult | typeof nothing {
    const controller = this.#controller;
    if (!controller) return nothing;
    const { state } = controller;
    const waiting = state.phase === 'idle' || (!state.image && state.phase === 'failed');
    return html`
      <div class="frame">
        <p class="research">${icon('info')} <span><strong>Research use only.</strong> Not a medical device.</span></p>
        <p class="hidden" role="status" aria-live="polite" id="announce">${announcement(state, controller.judgement)}</p>
        <input id="file" class="hidden" type="file" accept="image/png,image/jpeg,.png,.jpg,.jpeg" tabindex="-1"
          aria-label="Image file" @change=${this.#picked} />
        <div class="main">
          <div class="panel">${this.#left(controller)}</div>
          <div class="panel" aria-busy=${controller.busy ? 'true' : 'false'}>
            ${faultView(state, this.#actions.retry)} ${noticeView(state)}
            ${
              waiting
                ? storyView()
                : html`${this.#found(controller)} ${assuranceView(state)} ${stepsView(state, controller.busy)} ${backendView(state)}`
            }
          </div>
        </div>
        ${proofsView(controller, this.clearing, this.#actions)}
      </div>
    `;
  }

  /** An answer comes first; an open question comes before everything. */
  #found(controller: Controller): TemplateResult {
    const { state, judgement } = controller;
    return html`
      ${answerView(state)} ${verdictView(state, judgement, this.restore, this.#actions)} ${restoredView(state, this.#actions)}
    `;
  }

  #left(controller: Controller): TemplateResult {
    return html`${modelView(this.offers, this.model, controller.busy, this.#actions)} ${this.#image(controller)}`;
  }

  #image(controller: Controller): TemplateResult {
    const { state } = controller;
    if (!state.image && !controller.busy) return dropView(this.dragging, this.model === DRAWN, this.#actions);
    const view = {
      name: state.image?.name ?? 'A phantom is being drawn',
      phantom: state.image?.phantom ?? false,
      side: state.picture?.width ?? null,
      busy: controller.busy,
      canScan: state.picture !== null && state.phase !== 'flagged' && state.phase !== 'purified',
      restored: state.purified !== null,
      offer: offerOf(state),
      dragging: this.dragging,
      verdict: state.verdict,
      heat: this.heat,
    };
    return imageView(view, this.#actions);
  }
}
