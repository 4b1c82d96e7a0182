// HTTP, HTTPS and unix sockets as remotes, over node:http with kept-alive connections. RFC 9110, RFC 9112.
import {
  type ClientRequest,
  Agent as HttpAgent,
  request as httpRequest,
  type IncomingMessage,
} from "node:http";
import { Agent as HttpsAgent, request as httpsRequest } from "node:https";
import { isIP, type LookupFunction } from "node:net";
import { TrustixError } from "../errors.ts";
import type { Credentials } from "./netrc.ts";
import { admitOrigin, createPublicAddressTest, createPublicLookup, type ForeignOrigins } from "./origins.ts";
import {
  describe,
  misbehaved,
  type Remote,
  type RemoteRequest,
  type RemoteResponse,
  reasonOf,
  unreachable,
} from "./remote.ts";

/** How to reach a remote, and what it may do. */
export interface HttpRemoteOptions {
  /** `http` or `https`; a missing `/` at its end is added. With `socketPath` its host is only a name. */
  readonly root: URL;
  /** Connects to this unix socket instead of the root's host. */
  readonly socketPath?: string;
  /** Default none: only its own origin. */
  readonly foreign?: ForeignOrigins;
  /** Sent to the remote's own origin only. */
  readonly credentials?: Credentials | undefined;
  /** Default 64. */
  readonly maxConnections?: number;
  /** From the connection's begin to the last of the answer's headers, in milliseconds; default 10,000. */
  readonly headersTimeoutMs?: number;
  /** Default 5. */
  readonly maxRedirects?: number;
  readonly userAgent?: string;
}

/** A server that answers with this many bytes of headers has something else in mind. */
const MAX_HEADER_BYTES = 16 * 1024;
const REDIRECTS: readonly number[] = [301, 302, 303, 307, 308];

/** Reads over HTTP. */
export class HttpRemote implements Remote {
  readonly root: URL;
  readonly #options: HttpRemoteOptions;
  readonly #foreign: ForeignOrigins;
  readonly #agents: { readonly http: HttpAgent; readonly https: HttpsAgent };
  readonly #isPublic = createPublicAddressTest();
  readonly #publicLookup: LookupFunction = createPublicLookup(this.#isPublic);

  constructor(options: HttpRemoteOptions) {
    this.root = new URL(options.root.href);
    if (!this.root.pathname.endsWith("/")) this.root.pathname += "/";
    this.#options = options;
    this.#foreign = options.foreign ?? [];
    const agent = { keepAlive: true, maxSockets: options.maxConnections ?? 64, maxFreeSockets: 32 };
    this.#agents = { http: new HttpAgent(agent), https: new HttpsAgent(agent) };
  }

  async get(url: URL, request: RemoteRequest): Promise<RemoteResponse> {
    const maxRedirects = this.#options.maxRedirects ?? 5;
    let at = url;
    for (let hops = 0; ; hops++) {
      const response = await this.#askPatiently(at, request);
      if (!REDIRECTS.includes(response.statusCode ?? 0)) {
        return { status: response.statusCode ?? 0, headers: response.headers, body: response };
      }
      response.destroy();
      if (hops === maxRedirects) throw misbehaved(url, `more than ${maxRedirects} redirects`);
      const { location } = response.headers;
      if (location === undefined || !URL.canParse(location, at.href)) {
        throw misbehaved(at, "a redirect to no URL");
      }
      at = new URL(location, at);
    }
  }

  /** A kept-alive connection may have been closed just as we asked over it: then asks once more. */
  async #askPatiently(url: URL, request: RemoteRequest): Promise<IncomingMessage> {
    const first = this.#start(url, request);
    try {
      return await this.#answerOf(first, url, request);
    } catch (error) {
      if (!first.reusedSocket || request.signal.aborted || !(error instanceof TrustixError)) throw error;
      if ((error.cause as NodeJS.ErrnoException | undefined)?.code !== "ECONNRESET") throw error;
      return await this.#answerOf(this.#start(url, request), url, request);
    }
  }

  #start(url: URL, { signal, offset = 0, acceptGzip = false }: RemoteRequest): ClientRequest {
    const admitted = admitOrigin(this.root, this.#foreign, url);
    const host = url.hostname.replace(/^\[|\]$/g, "");
    const isPrivate = admitted === "if-public" && isIP(host) !== 0 && !this.#isPublic(host);
    if (admitted === "forbidden" || isPrivate) {
      throw new TrustixError(
        "PEER_MISBEHAVED",
        `${describe(this.root)} points at ${describe(url)}, which it is not allowed to`,
        { hint: "If this cache keeps its files there, add that origin to its `nar-origins`." },
      );
    }
    const { socketPath, credentials, userAgent } = this.#options;
    const isOwn = admitted === "own";
    const options = {
      agent: url.protocol === "https:" ? this.#agents.https : this.#agents.http,
      signal,
      maxHeaderSize: MAX_HEADER_BYTES,
      headers: {
        "accept-encoding": acceptGzip ? "gzip" : "identity",
        ...(userAgent === undefined ? {} : { "user-agent": userAgent }),
        ...(offset > 0 ? { range: `bytes=${offset}-` } : {}),
      },
      ...(isOwn && socketPath !== undefined ? { socketPath } : {}),
      ...(isOwn && credentials !== undefined ? { auth: `${credentials.login}:${credentials.password}` } : {}),
      ...(admitted === "if-public" ? { lookup: this.#publicLookup } : {}),
    };
    return url.protocol === "https:" ? httpsRequest(url, options) : httpRequest(url, options);
  }

  #answerOf(request: ClientRequest, url: URL, { signal, clock }: RemoteRequest): Promise<IncomingMessage> {
    const timeoutMs = this.#options.headersTimeoutMs ?? 10_000;
    return new Promise((resolve, reject) => {
      let timer: NodeJS.Timeout | undefined;
      clock?.pause();
      // Not before: a wait for one of our own connections says nothing about the other side.
      request.once("socket", () => {
        clock?.start();
        timer = setTimeout(() => {
          request.destroy(unreachable(url, `no answer within ${timeoutMs} ms`));
        }, timeoutMs);
      });
      // Stays: an error after the headers is the body's to report, and would be uncaught here.
      request.on("error", (cause) => {
        clearTimeout(timer);
        // Node wraps the reason of an aborted signal in an error of its own.
        const error = signal.aborted ? signal.reason : cause;
        reject(error instanceof TrustixError ? error : unreachable(url, reasonOf(cause), cause));
      });
      request.once("response", (response) => {
        clearTimeout(timer);
        resolve(response);
      });
      request.end();
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#agents.http.destroy();
    this.#agents.https.destroy();
  }
}
