/** A TCP proxy before the relay: keeps every byte that leaves the browser, and counts what comes back for each request. */

import { connect, createServer, type Server, type Socket } from 'node:net';

export interface Download {
  method: string;
  path: string;
  /** Bytes of the answer as they crossed the wire, headers included. */
  bytes: number;
}

/** A request as it left the browser. */
export interface Sent {
  method: string;
  path: string;
  body: Buffer;
}

const REQUEST_LINE = /^(GET|POST|HEAD|OPTIONS|PUT|DELETE|PATCH) (\S+) HTTP\/1\.[01]\r\n/;

export class Recorder {
  readonly port: number;
  readonly relayPort: number;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  #upwards: Buffer[] = [];
  /** What went upwards on each connection. */
  #streams: Buffer[][] = [];
  #downloads: Download[] = [];
  #mode: 'open' | 'refuse' | 'stall' = 'open';
  #stalls = /^/;
  #stalled: (() => void)[] = [];

  private constructor(server: Server, port: number, relayPort: number) {
    this.#server = server;
    this.relayPort = relayPort;
    this.port = port;
  }

  static async start(relayPort: number): Promise<Recorder> {
    const server = createServer({ allowHalfOpen: false });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const recorder = new Recorder(server, (server.address() as { port: number }).port, relayPort);
    server.on('connection', (socket) => recorder.#join(socket, relayPort));
    return recorder;
  }

  get origin(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  /** Everything that went towards the relay since the last reset. */
  upwards(): Uint8Array {
    return new Uint8Array(Buffer.concat(this.#upwards));
  }

  /** The requests of above with their bodies, in no particular order. */
  requests(): Sent[] {
    return this.#streams.flatMap((chunks) => requestsIn(Buffer.concat(chunks)));
  }

  downloads(): readonly Download[] {
    return this.#downloads;
  }

  reset(): void {
    this.#upwards = [];
    for (const chunks of this.#streams) chunks.length = 0;
    this.#downloads = [];
  }

  /** From now on nothing gets through: connections are cut. */
  refuse(): void {
    this.#mode = 'refuse';
    for (const socket of this.#sockets) socket.destroy();
  }

  /** From now on requests are held back, or those alone whose first line is like `which`. */
  stall(which = /^/): void {
    this.#mode = 'stall';
    this.#stalls = which;
  }

  /** Waits until a request is being held back. */
  async held(): Promise<void> {
    while (this.#stalled.length === 0) await new Promise((resolve) => setTimeout(resolve, 20));
  }

  resume(): void {
    this.#mode = 'open';
    for (const release of this.#stalled.splice(0)) release();
  }

  async close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  #join(client: Socket, relayPort: number): void {
    if (this.#mode === 'refuse') {
      client.destroy();
      return;
    }
    const relay = connect(relayPort, '127.0.0.1');
    let current: Download | undefined;
    const stream: Buffer[] = [];
    this.#streams.push(stream);
    for (const socket of [client, relay]) {
      this.#sockets.add(socket);
      socket.on('close', () => {
        this.#sockets.delete(socket);
        client.destroy();
        relay.destroy();
      });
      socket.on('error', () => socket.destroy());
    }
    client.on('data', (chunk) => {
      this.#upwards.push(chunk);
      stream.push(chunk);
      const start = chunk.toString('latin1', 0, 4096);
      const line = REQUEST_LINE.exec(start);
      if (line) {
        current = { method: line[1] ?? '', path: line[2] ?? '', bytes: 0 };
        this.#downloads.push(current);
      }
      if (this.#mode === 'stall' && this.#stalls.test(start)) this.#stalled.push(() => relay.write(chunk));
      else relay.write(chunk);
    });
    relay.on('data', (chunk) => {
      if (current) current.bytes += chunk.length;
      client.write(chunk);
    });
  }
}

/** The whole requests in what one connection has sent. */
export function requestsIn(stream: Buffer): Sent[] {
  const found: Sent[] = [];
  for (let at = 0; ; ) {
    const end = stream.indexOf('\r\n\r\n', at);
    const head = stream.toString('latin1', at, Math.max(end, at)).concat('\r\n');
    const line = REQUEST_LINE.exec(head);
    const length = Number(/^content-length: *(\d+)/im.exec(head)?.[1] ?? 0);
    if (end < 0 || !line || end + 4 + length > stream.length) return found;
    at = end + 4 + length;
    found.push({ method: line[1] ?? '', path: line[2] ?? '', body: stream.subarray(end + 4, at) });
  }
}
