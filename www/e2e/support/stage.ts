/** What every end-to-end case stands on: the real relay, the recorder before it, and one Chromium. */

import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:http';
import { createServer as createTcpServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { type Browser, type BrowserContext, type BrowserContextOptions, chromium, type Page } from 'playwright-core';
import { Host } from './host.ts';
import { DIST, ROOT } from './paths.ts';
import { Recorder } from './recorder.ts';

export const MODEL = 'brain-mri';

/** The administrator of the relay under test. */
const ADMIN_TOKEN = `vsa_${randomBytes(32).toString('hex')}`;

const need = (name: string, path: string): string => {
  if (!existsSync(path)) throw new Error(`${path} is missing; build it, or say where it is in ${name}.`);
  return path;
};

const program = (name: string, file: string): string =>
  need(name, process.env[name] ?? join(ROOT, 'target/debug', file));
/** Folder of the shipped packs. */
export const zooDir = (): string => need('VEILSIGHT_MODELS', process.env.VEILSIGHT_MODELS ?? join(ROOT, 'models/zoo'));

/** Folder of the shared data, where there is one. */
export function dataDir(): string | null {
  const dir = process.env.VEILSIGHT_DATA ?? resolve(ROOT, '../shared/data');
  return existsSync(join(dir, 'br35h/test.tar')) ? dir : null;
}

async function freePort(): Promise<number> {
  const server = createTcpServer();
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  const { port } = server.address() as { port: number };
  await new Promise((done) => server.close(done));
  return port;
}

/** A relay of a stage: its process, and the recorder through which alone a browser reaches it. */
export interface StagedRelay {
  recorder: Recorder;
  /** SIGKILL: no time to say goodbye. */
  kill: () => void;
  /** Starts it again where it was, with the data that it had. */
  revive: () => Promise<void>;
}

async function startRelay(
  port: number,
  dataFolder: string,
  packs: string,
  { origins, purifying }: { origins: string[]; purifying: string[] },
): Promise<ChildProcess> {
  const settings = {
    listen: `127.0.0.1:${port}`,
    'data-dir': dataFolder,
    models: packs,
    www: DIST,
    'budget-queries': '1000',
  };
  const flags = Object.entries(settings).flatMap(([name, value]) => [`--${name}`, value]);
  const environment: NodeJS.ProcessEnv = {
    ...process.env,
    VEILSIGHT_RELAY_LIMITS__POST_BURST: '500',
    VEILSIGHT_RELAY_LIMITS__POSTS_PER_MINUTE: '5000',
    VEILSIGHT_RELAY_PURIFICATION__DEVICE: 'cpu',
    VEILSIGHT_RELAY_PURIFICATION__RELAYS: JSON.stringify(purifying),
    VEILSIGHT_RELAY_FEDERATION__ADMIN_TOKEN_SHA256: createHash('sha256').update(ADMIN_TOKEN).digest('hex'),
  };
  // The relay takes every variable of this prefix for a setting of its own.
  delete environment.VEILSIGHT_RELAY_BIN;
  const relay = spawn(
    program('VEILSIGHT_RELAY_BIN', 'relay-server'),
    [...flags, ...origins.flatMap((o) => ['--allow-origin', o])],
    {
      stdio: ['ignore', 'ignore', 'pipe'],
      env: environment,
    },
  );
  let complaint = '';
  relay.stderr?.on('data', (text) => {
    complaint = (complaint + text).slice(-4000);
  });
  for (let tries = 0; tries < 300; tries++) {
    if (relay.exitCode !== null) throw new Error(`The relay ended with ${relay.exitCode}: ${complaint}`);
    const ready = await fetch(`http://127.0.0.1:${port}/readyz`).catch(() => null);
    if (ready?.ok) return relay;
    await new Promise((done) => setTimeout(done, 100));
  }
  relay.kill('SIGKILL');
  throw new Error(`The relay did not become ready: ${complaint}`);
}

/** Any host but our own machine ends up here, is noted and refused. */
async function startCatchAll(seen: string[]) {
  const server = createServer((request, response) => {
    seen.push(request.url ?? '');
    response.writeHead(502).end();
  });
  server.on('connect', (request, socket) => {
    seen.push(request.url ?? '');
    socket.end('HTTP/1.1 502 Bad Gateway\r\n\r\n');
  });
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  return { port: (server.address() as { port: number }).port, close: () => server.close() };
}

const FLAGS = [
  '--headless=new',
  '--no-sandbox',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
  '--enable-unsafe-webgpu',
  // The software GPU can be busy for longer than the watchdog allows a real one.
  '--disable-gpu-watchdog',
];

const launchOptions = (proxyPort: number) => ({
  executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
  ignoreDefaultArgs: ['--headless', '--headless=old'],
  args: [...FLAGS, `--proxy-server=http://127.0.0.1:${proxyPort}`],
});

/** Keeps the element's events where a test can read them. */
const LISTEN = () => {
  const kept = {
    answers: [] as unknown[],
    faults: [] as unknown[],
    verdicts: [] as unknown[],
    purified: [] as unknown[],
    decisions: [] as unknown[],
    progress: 0,
  };
  Object.assign(globalThis, { veilsightEvents: kept });
  addEventListener('veilsight-answer', (event) => kept.answers.push((event as CustomEvent).detail));
  addEventListener('veilsight-error', (event) => kept.faults.push((event as CustomEvent).detail));
  addEventListener('veilsight-verdict', (event) => kept.verdicts.push((event as CustomEvent).detail));
  addEventListener('veilsight-purified', (event) => kept.purified.push((event as CustomEvent).detail));
  addEventListener('veilsight-decision', (event) => kept.decisions.push((event as CustomEvent).detail));
  addEventListener('veilsight-progress', () => kept.progress++);
};

export class Stage {
  readonly recorder: Recorder;
  /** Further relays; pages are served by the first. All of them are those that pages may deal tiles to. */
  readonly peers: StagedRelay[];
  /** An origin on the relay's allow-list, and one that is not. */
  readonly allowed: Host;
  readonly stranger: Host;
  /** Hosts other than this machine that the browser tried to reach. */
  readonly foreignHosts: string[];
  readonly catchAllPort: number;
  readonly #browser: Browser;
  readonly #end: (() => unknown)[];

  private constructor(
    parts: Pick<Stage, 'recorder' | 'peers' | 'allowed' | 'stranger' | 'foreignHosts' | 'catchAllPort'>,
    browser: Browser,
    end: (() => unknown)[],
  ) {
    this.recorder = parts.recorder;
    this.peers = parts.peers;
    this.allowed = parts.allowed;
    this.stranger = parts.stranger;
    this.foreignHosts = parts.foreignHosts;
    this.catchAllPort = parts.catchAllPort;
    this.#browser = browser;
    this.#end = end;
  }

  /** `prepare` makes of the shipped packs those that this stage's relays serve, in a folder of its own. */
  static async set(prepare?: (zoo: string, folder: string) => Promise<void>, peers = 0): Promise<Stage> {
    need('www/dist: npm run build', join(DIST, 'index.html'));
    const end: (() => unknown)[] = [];
    try {
      return await Stage.#build(end, peers, prepare);
    } catch (error) {
      for (const step of end) await step();
      throw error;
    }
  }

  static async #build(
    end: (() => unknown)[],
    peers: number,
    prepare?: Parameters<typeof Stage.set>[0],
  ): Promise<Stage> {
    const data = await mkdtemp(join(tmpdir(), 'veilsight-e2e-'));
    end.unshift(() => rm(data, { recursive: true, force: true }));
    const packs = prepare ? join(data, 'packs') : zooDir();
    await prepare?.(zooDir(), packs);
    const recorders: Recorder[] = [];
    for (let relay = 0; relay <= peers; relay++) {
      const recorder = await Recorder.start(await freePort());
      end.unshift(() => recorder.close());
      recorders.push(recorder);
    }
    const [recorder, ...others] = recorders as [Recorder, ...Recorder[]];
    const [allowed, stranger] = [await Host.start(recorder.origin), await Host.start(recorder.origin)];
    end.unshift(
      () => allowed.close(),
      () => stranger.close(),
    );
    const purifying = peers > 0 ? recorders.map(({ origin }) => origin) : [];
    const start = async ({ relayPort }: Recorder, origins: string[]): Promise<ChildProcess> => {
      const relay = await startRelay(relayPort, join(data, `relay-${relayPort}`), packs, { origins, purifying });
      end.unshift(() => relay.kill('SIGTERM'));
      return relay;
    };
    await start(recorder, [allowed.origin]);
    const staged: StagedRelay[] = [];
    for (const peer of others) {
      let process = await start(peer, [recorder.origin, allowed.origin]);
      const revive = async () => {
        process = await start(peer, [recorder.origin, allowed.origin]);
      };
      staged.push({ recorder: peer, kill: () => process.kill('SIGKILL'), revive });
    }
    const foreignHosts: string[] = [];
    const catchAll = await startCatchAll(foreignHosts);
    end.unshift(() => catchAll.close());
    const browser = await chromium.launch(launchOptions(catchAll.port));
    end.unshift(() => browser.close());
    return new Stage(
      { recorder, peers: staged, allowed, stranger, foreignHosts, catchAllPort: catchAll.port },
      browser,
      end,
    );
  }

  async strike(): Promise<void> {
    for (const step of this.#end) await step();
  }

  /** A page in a fresh profile: nothing cached, no service of an earlier case. */
  async page(url = `${this.recorder.origin}/`, options: BrowserContextOptions = {}): Promise<Page> {
    const context: BrowserContext = await this.#browser.newContext(options);
    context.setDefaultTimeout(90_000);
    await context.addInitScript(LISTEN);
    const page = await context.newPage();
    await page.goto(url);
    return page;
  }

  /** A browser of its own whose profile lies in `folder`, and outlives the browser. */
  async profile(folder: string, options: BrowserContextOptions = {}): Promise<BrowserContext> {
    const context = await chromium.launchPersistentContext(folder, { ...launchOptions(this.catchAllPort), ...options });
    context.setDefaultTimeout(90_000);
    return context;
  }

  /** A call of the relay's administrator, past the recorder's eyes: it is no traffic of a page. */
  async admin(method: string, path: string, body?: unknown): Promise<unknown> {
    const response = await fetch(`http://127.0.0.1:${this.recorder.relayPort}${path}`, {
      method,
      headers: { authorization: `Bearer ${ADMIN_TOKEN}`, 'content-type': 'application/json' },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    const text = await response.text();
    if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${text}`);
    return text === '' ? null : JSON.parse(text);
  }

  /** Runs a case with a page and closes its profile afterwards. */
  async with(work: (page: Page) => Promise<void>, url?: string, options?: BrowserContextOptions): Promise<void> {
    this.recorder.resume();
    const page = await this.page(url, options);
    try {
      await work(page);
    } finally {
      this.recorder.resume();
      await page.context().close();
    }
  }
}

/** Runs the lab and gives back what it wrote. */
export async function runLab(...args: string[]): Promise<string> {
  const { stdout } = await promisify(execFile)(program('VEILSIGHT_LAB_BIN', 'lab'), args, {
    cwd: ROOT,
    maxBuffer: 64 << 20,
  });
  return stdout;
}

/** Runs the lab and reads the JSON object on its last line. */
export async function lab(...args: string[]): Promise<Record<string, unknown>> {
  const stdout = await runLab(...args);
  return JSON.parse(stdout.trim().split('\n').at(-1) ?? '');
}
