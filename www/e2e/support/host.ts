/** A hospital's own server: `embed.html` on another origin, or the whole build where it hosts that itself. */

import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import { join } from 'node:path';
import { DIST } from './paths.ts';

const TYPES: Record<string, string> = {
  html: 'text/html',
  js: 'text/javascript',
  svg: 'image/svg+xml',
  wasm: 'application/wasm',
};

export class Host {
  readonly origin: string;
  readonly #server: Server;

  private constructor(server: Server) {
    this.#server = server;
    this.origin = `http://127.0.0.1:${(server.address() as { port: number }).port}`;
  }

  /** `/embed.html` takes its module from the relay; `/own/embed.html` from this host. */
  static async start(relay: string): Promise<Host> {
    const server = createServer(async (request, response) => {
      const own = request.url?.startsWith('/own/') ?? false;
      const name = (request.url ?? '/').replace(/^\/own\//, '/').split('?')[0] ?? '';
      const file = join(DIST, name);
      if (!file.startsWith(DIST) || !existsSync(file) || name.endsWith('/')) {
        response.writeHead(404).end();
        return;
      }
      let body: string | Buffer = await readFile(file);
      if (name === '/embed.html') body = embedded(body.toString(), relay, own);
      response.writeHead(200, { 'content-type': TYPES[name.split('.').at(-1) ?? ''] ?? 'text/plain' }).end(body);
    });
    await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
    return new Host(server);
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((done) => this.#server.close(done));
  }
}

const embedded = (page: string, relay: string, own: boolean): string =>
  page
    .replaceAll('http://127.0.0.1:8080', relay)
    .replace(own ? `src="${relay}/veilsight.js"` : /$^/, 'src="/own/veilsight.js"');
