// GET requests to machines that may be broken or hostile. Everything is bounded: the time to connect, to the first
// header, between bytes and in all; the bytes before and after decoding; redirects; sockets for each host.
//
// `node:http` and not `fetch`, because that offers no bound on connecting, decodes compressed bodies on its own, and
// does not know Unix sockets.

import { once } from "node:events";
import * as http from "node:http";
import * as https from "node:https";
import type { Readable } from "node:stream";
import { createGunzip } from "node:zlib";
import { TrustixError } from "../errors.ts";

/** Bounds of an {@link HttpClient}. */
export interface HttpLimits {
  /** For the connection, with TLS. Default 10 s. */
  readonly connectTimeoutMs: number;
  /** From the request to the end of the answer's headers. Default 15 s. */
  readonly headersTimeoutMs: number;
  /** A body that brings fewer bytes than this in `rateWindowMs` is given up. Default 4096. */
  readonly minWindowBytes: number;
  /** Default 5 s. */
  readonly rateWindowMs: number;
  /** For everything, with redirects and waiting for a free connection. Default 2 minutes. */
  readonly totalTimeoutMs: number;
  /** Default 4. */
  readonly maxRedirects: number;
  /** Connections to one host at a time; further requests wait. Default 8. */
  readonly maxSocketsPerHost: number;
}

/** The bounds that apply unless said otherwise. */
const defaultHttpLimits: HttpLimits = {
  connectTimeoutMs: 10_000,
  headersTimeoutMs: 15_000,
  minWindowBytes: 4096,
  rateWindowMs: 5000,
  totalTimeoutMs: 120_000,
  maxRedirects: 4,
  maxSocketsPerHost: 8,
};

/** What to ask for, and how much of it to take. */
export interface HttpRequest {
  /** Most bytes of the body, as sent and after decoding. */
  readonly maxBytes: number;
  /** Ends the request, which then throws the signal's reason. */
  readonly signal?: AbortSignal;
  /** Whether the body may come compressed. Default no; a body that does come compressed is decoded all the same. */
  readonly acceptGzip?: boolean;
  /** Connect here, whatever the URL's host. */
  readonly socketPath?: string;
}

/** An answer. */
export interface HttpAnswer {
  readonly status: number;
  /** The decoded body of a 200; empty for any other status. */
  readonly body: Uint8Array;
}

const USER_AGENT = "trustix";
/** Bodies of refusals are read up to this size, so that the connection can be used again. */
const MAX_IGNORED_BYTES = 64 * 1024;
const EMPTY = new Uint8Array(0);

/** Makes GET requests over connections that are kept and used again. */
export class HttpClient implements Disposable {
  readonly #limits: HttpLimits;
  readonly #http: http.Agent;
  readonly #https: https.Agent;

  constructor(limits: Partial<HttpLimits> = {}) {
    this.#limits = { ...defaultHttpLimits, ...limits };
    const agent = {
      keepAlive: true,
      maxSockets: this.#limits.maxSocketsPerHost,
      maxFreeSockets: 4,
      timeout: 30_000,
    };
    this.#http = new http.Agent(agent);
    this.#https = new https.Agent(agent);
  }

  /**
   * Asks for `url`, following redirects to http and https, but never from https to http nor away from a Unix socket.
   *
   * Throws `PEER_UNREACHABLE` when no whole answer came within the bounds on time, `PEER_MISBEHAVED` when it breaks one
   * of the others, and the reason of `request.signal`.
   */
  async get(url: URL, request: HttpRequest): Promise<HttpAnswer> {
    const deadline = new AbortController();
    const timer = setTimeout(
      () => deadline.abort(unreachable(url, `no whole answer within ${this.#limits.totalTimeoutMs} ms`)),
      this.#limits.totalTimeoutMs,
    );
    const signal =
      request.signal === undefined ? deadline.signal : AbortSignal.any([deadline.signal, request.signal]);
    try {
      let target = url;
      for (let redirects = 0; ; redirects++) {
        const answer = await this.#getOnce(target, request, signal);
        if (!(answer instanceof URL)) return answer;
        if (redirects === this.#limits.maxRedirects) {
          throw misbehaved(url, `redirects more than ${this.#limits.maxRedirects} times`);
        }
        target = answer;
      }
    } finally {
      clearTimeout(timer);
    }
  }

  /** Closes all connections. */
  [Symbol.dispose](): void {
    this.#http.destroy();
    this.#https.destroy();
  }

  /** An answer, or where to ask instead. */
  async #getOnce(url: URL, request: HttpRequest, signal: AbortSignal): Promise<HttpAnswer | URL> {
    for (let attempt = 1; ; attempt++) {
      const exchange = new Exchange(url, request, signal, this.#limits, this.#agentFor(url));
      try {
        return await exchange.run();
      } catch (error) {
        // A kept connection that the other side closed just now says nothing about the other side.
        if (attempt > 1 || !exchange.wasStale(error)) throw error;
      }
    }
  }

  #agentFor(url: URL): http.Agent {
    return url.protocol === "https:" ? this.#https : this.#http;
  }
}

/** One request and its answer. */
class Exchange {
  readonly #url: URL;
  readonly #request: HttpRequest;
  readonly #signal: AbortSignal;
  readonly #limits: HttpLimits;
  readonly #sent: http.ClientRequest;
  readonly #stop = new AbortController();
  #phase: NodeJS.Timeout | undefined;
  #answer: http.IncomingMessage | undefined;

  constructor(url: URL, request: HttpRequest, signal: AbortSignal, limits: HttpLimits, agent: http.Agent) {
    this.#url = url;
    this.#request = request;
    this.#signal = signal;
    this.#limits = limits;
    const { request: send } = url.protocol === "https:" ? https : http;
    this.#sent = send(url, {
      agent,
      headers: {
        accept: "*/*",
        "accept-encoding": request.acceptGzip ? "gzip" : "identity",
        "user-agent": USER_AGENT,
      },
      signal: this.#stop.signal,
      ...(request.socketPath === undefined ? {} : { socketPath: request.socketPath }),
    });
    // Whatever comes after the answer is reported by the body's stream.
    this.#sent.on("error", () => {});
  }

  async run(): Promise<HttpAnswer | URL> {
    const abort = () => this.#stop.abort(this.#signal.reason);
    if (this.#signal.aborted) abort();
    this.#signal.addEventListener("abort", abort, { once: true });
    try {
      this.#sent.on("socket", (socket) => {
        if (!socket.connecting) return this.#awaitHeaders();
        this.#within(this.#limits.connectTimeoutMs, "no connection");
        const connected = this.#url.protocol === "https:" ? "secureConnect" : "connect";
        socket.once(connected, () => this.#awaitHeaders());
      });
      this.#sent.end();
      const [answer] = (await once(this.#sent, "response")) as [http.IncomingMessage];
      this.#answer = answer;
      clearTimeout(this.#phase);
      return await this.#read(answer);
    } catch (error) {
      if (this.#stop.signal.aborted) throw this.#stop.signal.reason;
      if (error instanceof TrustixError) throw error;
      throw unreachable(this.#url, error instanceof Error ? error.message : String(error), error);
    } finally {
      clearTimeout(this.#phase);
      this.#signal.removeEventListener("abort", abort);
      // A connection with unread bytes cannot be used again.
      if (!this.#answer?.complete) this.#sent.destroy();
    }
  }

  /** Whether it failed because the other side had closed a connection that was kept. */
  wasStale(error: unknown): boolean {
    return (
      !this.#stop.signal.aborted &&
      this.#answer === undefined &&
      this.#sent.reusedSocket &&
      error instanceof TrustixError
    );
  }

  async #read(answer: http.IncomingMessage): Promise<HttpAnswer | URL> {
    const { statusCode: status = 0, headers, socket } = answer;
    const { maxBytes } = this.#request;
    const { rateWindowMs, minWindowBytes } = this.#limits;
    const begin = socket.bytesRead;
    let before = begin;
    const pace = setInterval(() => {
      if (socket.bytesRead - before < minWindowBytes)
        this.#give(`less than ${minWindowBytes} bytes in ${rateWindowMs} ms`);
      // Decoded bytes are counted as they come. This is for a body that decodes to nothing, for ever.
      if (socket.bytesRead - begin > 2 * maxBytes + MAX_IGNORED_BYTES) this.#stop.abort(this.#tooLarge());
      before = socket.bytesRead;
    }, rateWindowMs);
    try {
      if (status === 200) return { status, body: await this.#readBody(answer, headers["content-encoding"]) };
      await ignore(answer);
      return isRedirect(status) ? this.#redirect(headers.location) : { status, body: EMPTY };
    } finally {
      clearInterval(pace);
    }
  }

  async #readBody(answer: http.IncomingMessage, encoding = "identity"): Promise<Uint8Array> {
    if (encoding === "identity") return this.#collect(answer);
    if (encoding !== "gzip" && encoding !== "x-gzip") {
      throw misbehaved(this.#url, "answers in an encoding that was not asked for");
    }
    const decoder = createGunzip({ chunkSize: 64 * 1024 });
    answer.on("error", (error) => decoder.destroy(error)).pipe(decoder);
    try {
      return await this.#collect(decoder);
    } catch (error) {
      if (error instanceof Error && "code" in error && String(error.code).startsWith("Z_")) {
        throw misbehaved(this.#url, "sends a body that is not gzip", error);
      }
      throw error;
    }
  }

  /** Leaving the loop early destroys the stream, and with it the connection. */
  async #collect(body: Readable): Promise<Uint8Array> {
    const chunks: Buffer[] = [];
    let length = 0;
    for await (const chunk of body as AsyncIterable<Buffer>) {
      length += chunk.length;
      if (length > this.#request.maxBytes) throw this.#tooLarge();
      chunks.push(chunk);
    }
    const bytes = new Uint8Array(length);
    let end = 0;
    for (const chunk of chunks) {
      bytes.set(chunk, end);
      end += chunk.length;
    }
    return bytes;
  }

  #redirect(location: string | undefined): URL {
    const target = location === undefined ? null : URL.parse(location, this.#url.href);
    const isAllowed =
      target !== null &&
      (target.protocol === this.#url.protocol || target.protocol === "https:") &&
      (this.#request.socketPath === undefined || target.origin === this.#url.origin);
    if (!isAllowed) throw misbehaved(this.#url, "redirects to an address that must not be followed");
    return target;
  }

  #awaitHeaders(): void {
    this.#within(this.#limits.headersTimeoutMs, "no answer");
  }

  #within(timeoutMs: number, what: string): void {
    clearTimeout(this.#phase);
    this.#phase = setTimeout(() => this.#give(`${what} within ${timeoutMs} ms`), timeoutMs);
  }

  #give(why: string): void {
    this.#stop.abort(unreachable(this.#url, why));
  }

  #tooLarge(): TrustixError {
    return misbehaved(this.#url, `sends more than ${this.#request.maxBytes} bytes`);
  }
}

/** Reads a short body to its end, and gives up the connection rather than reading a long one. */
async function ignore(answer: http.IncomingMessage): Promise<void> {
  let length = 0;
  for await (const chunk of answer as AsyncIterable<Buffer>) {
    length += chunk.length;
    if (length > MAX_IGNORED_BYTES) return;
  }
}

function isRedirect(status: number): boolean {
  return status === 301 || status === 302 || status === 303 || status === 307 || status === 308;
}

function unreachable(url: URL, why: string, cause?: unknown): TrustixError {
  return new TrustixError("PEER_UNREACHABLE", `${url.href}: ${why}`, {
    hint: "Check the address and the network; it is tried again by itself.",
    cause,
  });
}

function misbehaved(url: URL, why: string, cause?: unknown): TrustixError {
  return new TrustixError("PEER_MISBEHAVED", `${url.href} ${why}`, {
    hint: "Check that this is the address of a log or cache; if it is, tell its operator.",
    cause,
  });
}
