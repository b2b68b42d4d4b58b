/** What the worker does for a site: one `Site` of client-wasm, and the vault that keeps it between visits. */

import type { ClientModule } from '../core/client-types.ts';
import { fault } from '../core/fault.ts';
import type { SiteCalls } from '../core/protocol.ts';
import type { Noise, Save, Site, SiteView } from '../core/site/site-types.ts';
import type { CallContext, Handlers } from './serve.ts';
import type { Vault } from './vault.ts';

export interface SiteSurroundings {
  module: (signal: AbortSignal) => Promise<ClientModule>;
  vault: Pick<Vault, 'key' | 'read' | 'write' | 'destroy'>;
  /** Resolves where this worker may act for the site. */
  hold: () => Promise<void>;
}

export class SiteDesk implements Pick<Handlers, keyof SiteCalls> {
  readonly #around: SiteSurroundings;
  #site: Site | null = null;

  constructor(around: SiteSurroundings) {
    this.#around = around;
  }

  siteRestore = async (_args: null, { emit, signal }: CallContext): Promise<SiteView | null> => {
    const kept = await this.#around.vault.read();
    if (!kept) return null;
    await this.#around.hold();
    const { Site } = await this.#around.module(signal);
    const key = await this.#around.vault.key();
    this.#take(await Site.restore(kept, key, this.#saveFor(kept.relay), emit));
    return this.#enrolled().view();
  };

  siteEnrol = async (args: SiteCalls['siteEnrol']['args'], { emit, signal }: CallContext): Promise<SiteView> => {
    await this.#around.hold();
    const { Site } = await this.#around.module(signal);
    const key = await this.#around.vault.key();
    this.#take(await Site.enrol(args, key, this.#saveFor(args.relay), emit, signal));
    return this.#enrolled().view();
  };

  siteRefresh = (_args: null, { emit, signal }: CallContext): Promise<SiteView> =>
    this.#enrolled().refresh(emit, signal);

  siteTrust = ({ fingerprint }: { fingerprint: string }, { emit, signal }: CallContext): Promise<SiteView> =>
    this.#enrolled().trust(fingerprint, emit, signal);

  siteBegin = async (_args: null, { emit, signal }: CallContext): Promise<null> => {
    await this.#enrolled().begin(emit, signal);
    return null;
  };

  siteAdd = async ({ image, label, heldOut }: SiteCalls['siteAdd']['args'], { emit, signal }: CallContext) => {
    const bytes = new Uint8Array(await image.arrayBuffer());
    await this.#enrolled().add(bytes, label, heldOut, emit, signal);
    return null;
  };

  siteFinish = (): Promise<SiteView> => this.#enrolled().finish();

  siteNoise = async ({ epsilon, delta }: Noise) => this.#enrolled().offer_noise(epsilon, delta);

  siteContribute = ({ round, noise }: SiteCalls['siteContribute']['args'], { emit, signal }: CallContext) =>
    this.#enrolled().contribute(round, noise, emit, signal);

  siteForget = async (): Promise<null> => {
    await this.#around.hold();
    this.#take(null);
    await this.#around.vault.destroy();
    return null;
  };

  #enrolled(): Site {
    if (!this.#site) throw fault('internal', 'This browser holds no site yet.');
    return this.#site;
  }

  #take(site: Site | null): void {
    this.#site?.free?.();
    this.#site = site;
  }

  #saveFor(relay: string): Save {
    return (name, sealed) => this.#around.vault.write(relay, name, sealed);
  }
}
