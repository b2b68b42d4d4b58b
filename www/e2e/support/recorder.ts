/** A TCP proxy before the relay: keeps every byte that leaves the browser, and counts what comes back for each request. */

import { connect, createServer, type Server, type Socket } from 'node:net';

export interface Download {
  method: string;
  path: string;
  /** Bytes of the answer as they crossed the wire, headers included. */
  bytes: number;
}

const REQUEST_LINE = /^(GET|POST|HEAD|OPTIONS|PUT|DELETE|PATCH) (\S+) HTTP\/1\.[01]\r\n/;

export class Recorder {
  readonly port: number;
  readonly relayPort: number;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  #upwards: Buffer[] = [];
  #downloads: Download[] = [];
  #mode: 'open' | 'refuse' | 'stall' = 'open';
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

  downloads(): readonly Download[] {
    return this.#downloads;
  }

  reset(): void {
    this.#upwards = [];
    this.#downloads = [];
  }

  /** From now on nothing gets through: connections are cut. */
  refuse(): void {
    this.#mode = 'refuse';
    for (const socket of this.#sockets) socket.destroy();
  }

  /** From now on requests are held back. */
  stall(): void {
    this.#mode = 'stall';
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
      const line = REQUEST_LINE.exec(chunk.toString('latin1', 0, 4096));
      if (line) {
        current = { method: line[1] ?? '', path: line[2] ?? '', bytes: 0 };
        this.#downloads.push(current);
      }
      if (this.#mode === 'stall') this.#stalled.push(() => relay.write(chunk));
      else relay.write(chunk);
    });
    relay.on('data', (chunk) => {
      if (current) current.bytes += chunk.length;
      client.write(chunk);
    });
  }
}
