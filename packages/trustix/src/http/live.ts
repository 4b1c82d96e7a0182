// Server-sent events: tells every client that listens what is new. https://html.spec.whatwg.org/multipage/server-sent-events.html
//
// Clients are a bounded number, and none is waited for: one that does not read is cut off, and its browser comes again.
import type { ServerResponse } from "node:http";
import type { LiveEventJson } from "./insight-schema.ts";
import { Slots } from "./slots.ts";

/** Clients at one time, of all listeners of a node; and those from one address, which may be that of a proxy. */
const MAX_CLIENTS = 64;
const MAX_CLIENTS_PER_ADDRESS = 32;
/** Something is sent at least this often, so that proxies keep the connection and a client that went away is noticed. */
const HEARTBEAT_MS = 15_000;
/** Bytes that may wait for a client. An event has about a hundred. */
const MAX_WAITING_BYTES = 16_384;
/** When a client that was cut off comes again. */
const RETRY_MS = 3000;

/** Where events come from. */
export interface LiveSource {
  live(): LiveEventJson;
  onChange(listener: (event: LiveEventJson) => void): Disposable;
}

/** The live stream of a node. Disposing ends it for every client. */
export class LiveStream implements Disposable {
  readonly #source: LiveSource;
  readonly #slots = new Slots(MAX_CLIENTS, MAX_CLIENTS_PER_ADDRESS);
  readonly #clients = new Set<ServerResponse>();
  readonly #subscription: Disposable;
  readonly #heartbeat: NodeJS.Timeout;

  /** @param signal ends the stream for every client */
  constructor(source: LiveSource, signal: AbortSignal) {
    this.#source = source;
    this.#subscription = source.onChange((event) => this.#send(format(event)));
    this.#heartbeat = setInterval(() => this.#send(":\n\n"), HEARTBEAT_MS);
    this.#heartbeat.unref();
    signal.addEventListener("abort", () => this[Symbol.dispose](), { once: true });
  }

  /** How many listen. */
  get clients(): number {
    return this.#clients.size;
  }

  /**
   * Takes on a client.
   * @param address as `socket.remoteAddress` spells it
   * @throws TrustixError `PUSHBACK` when there are too many
   */
  open(address?: string): (response: ServerResponse) => void {
    const slot = this.#slots.take(address);
    return (response) => {
      response.once("close", () => {
        this.#clients.delete(response);
        slot[Symbol.dispose]();
      });
      if (response.destroyed) {
        slot[Symbol.dispose]();
        return;
      }
      this.#clients.add(response);
      response.writeHead(200, {
        "content-type": "text/event-stream",
        "cache-control": "no-store",
        // nginx would collect events otherwise.
        "x-accel-buffering": "no",
      });
      response.write(`retry: ${RETRY_MS}\n\n${format(this.#source.live())}`);
    };
  }

  [Symbol.dispose](): void {
    clearInterval(this.#heartbeat);
    this.#subscription[Symbol.dispose]();
    for (const client of this.#clients) client.end();
  }

  #send(text: string): void {
    for (const client of this.#clients) {
      if (client.writableLength > MAX_WAITING_BYTES) client.destroy();
      else client.write(text);
    }
  }
}

function format(event: LiveEventJson): string {
  return `event: change\nid: ${event.version}\ndata: ${JSON.stringify(event)}\n\n`;
}
