// The public HTTP server: node:http with bounds on everything a stranger controls, and strict paths. What is in memory
// is answered before node:http sees it (./fast-path.ts).
import { type IncomingMessage, Server, type ServerResponse } from "node:http";
import type { Socket } from "node:net";
import { ClientLimit } from "./client-limit.ts";
import { FastPath } from "./fast-path.ts";
import { type Notice, sendFound, sendStatus } from "./representation.ts";
import { MAX_TARGET_BYTES, parseTarget, type RequestRecord, type Route, routeFinder } from "./route.ts";

export { parseTarget, type RequestRecord, type Route } from "./route.ts";

const MAX_HEADER_BYTES = 8192;
/** Requests of one connection that may wait for the answer to an earlier one. No client of ours sends ahead at all. */
const MAX_WAITING = 8;
const KEEP_ALIVE_MS = 65_000;

/** How the public server behaves. */
export interface PublicServerOptions {
  readonly routes: readonly Route[];
  readonly maxConnections: number;
  /**
   * Connections of one client at a time; further ones are closed at once. A client is an IPv4 address or a /64 of IPv6.
   * This machine (loopback, unix sockets) is not counted: proxies connect from there. Default: no bound.
   */
  readonly maxConnectionsPerClient?: number;
  readonly onRequest?: (record: RequestRecord) => void;
  /** A route threw: a defect. The client got 500, or a closed connection when the answer had begun. */
  readonly onError?: (error: unknown, target: string) => void;
  /** Time for a request's headers; default 10,000 ms. */
  readonly headersTimeoutMs?: number;
  /** A connection on which no byte moves for this long is closed; default 120,000 ms. */
  readonly idleTimeoutMs?: number;
}

const NOT_FOUND: Notice = { status: 404, text: "not found" };

function refusalOf(request: IncomingMessage, target: string, path: string | undefined): Notice | undefined {
  if (
    request.headers["transfer-encoding"] !== undefined ||
    Number(request.headers["content-length"] ?? 0) !== 0
  ) {
    return { status: 413, text: "no request body is accepted here", headers: { connection: "close" } };
  }
  if (request.method !== "GET" && request.method !== "HEAD") {
    return { status: 405, text: "only GET and HEAD", headers: { allow: "GET, HEAD" } };
  }
  if (target.length > MAX_TARGET_BYTES) return { status: 414, text: "path too long" };
  return path === undefined ? NOT_FOUND : undefined;
}

type Handler = (request: IncomingMessage, response: ServerResponse) => void;

/**
 * Deals with the requests of one connection one after the other, and cuts a connection that sends too many ahead. Node
 * would hand them all over at once, so that a single connection could keep any number of files open.
 */
function inTurn(handle: Handler): Handler {
  const waiting = new WeakMap<Socket, (() => void)[]>();
  return (request, response) => {
    const { socket } = request;
    const queue = waiting.get(socket);
    const start = (): void => {
      response.once("close", () => {
        const next = socket.destroyed ? undefined : waiting.get(socket)?.shift();
        if (next === undefined) waiting.delete(socket);
        else next();
      });
      handle(request, response);
    };
    if (queue === undefined) {
      waiting.set(socket, []);
      start();
    } else if (queue.length < MAX_WAITING) queue.push(start);
    else socket.destroy();
  };
}

/** A handler for node:http that enforces the bounds and dispatches to the routes. */
function createHandler(
  options: PublicServerOptions,
  findRoute: (path: string) => Route | undefined,
): Handler {
  return (request, response) => {
    const started = performance.now();
    const target = request.url ?? "";
    const path = target.length <= MAX_TARGET_BYTES ? parseTarget(target) : undefined;
    const route = path === undefined ? undefined : findRoute(path);
    if (options.onRequest !== undefined) {
      response.once("close", () => {
        options.onRequest?.({
          route: route?.path ?? "none",
          method: request.method ?? "",
          target: target.slice(0, 200),
          status: response.statusCode,
          durationMs: performance.now() - started,
          remote: request.socket.remoteAddress,
        });
      });
    }
    const refusal = refusalOf(request, target, path);
    if (refusal !== undefined || route === undefined || path === undefined) {
      sendFound(request, response, refusal ?? NOT_FOUND);
      return;
    }
    const failed = (error: unknown): void => {
      options.onError?.(error, target.slice(0, 200));
      if (response.headersSent) {
        response.destroy();
        return;
      }
      // An attempt at other headers that failed has left its status text.
      response.statusMessage = "";
      sendStatus(request, response, 500, "internal error");
    };
    route.handle(request, response, path.slice(route.path.length)).catch(failed);
  };
}

/** node:http behind the fast path. */
class PublicServer extends Server {
  readonly #fastPath: FastPath;
  readonly #clients: ClientLimit;

  constructor(options: PublicServerOptions) {
    const headersTimeout = options.headersTimeoutMs ?? 10_000;
    const idleTimeoutMs = options.idleTimeoutMs ?? 120_000;
    const findRoute = routeFinder(options.routes);
    const checkMs = Math.min(5_000, headersTimeout);
    super(
      {
        maxHeaderSize: MAX_HEADER_BYTES,
        headersTimeout,
        requestTimeout: headersTimeout,
        connectionsCheckingInterval: checkMs,
        keepAliveTimeout: KEEP_ALIVE_MS,
        noDelay: true,
      },
      inTurn(createHandler(options, findRoute)),
    );
    this.maxConnections = options.maxConnections;
    this.#clients = new ClientLimit(options.maxConnectionsPerClient ?? Number.POSITIVE_INFINITY);
    // No byte in either direction for this long: a client that stopped reading, or never asked.
    this.setTimeout(idleTimeoutMs);
    const [handOver] = this.listeners("connection") as ((socket: Socket) => void)[];
    this.#fastPath = new FastPath({
      findRoute,
      handOver: (socket) => handOver?.call(this, socket),
      onRequest: options.onRequest,
      onError: options.onError,
      headersTimeoutMs: headersTimeout,
      keepAliveTimeoutMs: KEEP_ALIVE_MS,
      idleTimeoutMs,
    });
    this.removeAllListeners("connection");
    this.on("connection", (socket: Socket) => this.#accept(socket));
    const timer = setInterval(() => this.#fastPath.sweep(), checkMs).unref();
    this.once("close", () => clearInterval(timer));
  }

  #accept(socket: Socket): void {
    const { remoteAddress } = socket;
    if (!this.#clients.enter(remoteAddress)) {
      socket.destroy();
      return;
    }
    socket.once("close", () => this.#clients.leave(remoteAddress));
    this.#fastPath.accept(socket);
  }

  override closeIdleConnections(): void {
    super.closeIdleConnections();
    this.#fastPath.closeIdle();
  }

  override closeAllConnections(): void {
    super.closeAllConnections();
    this.#fastPath.closeAll();
  }
}

/** A server for {@link openListener}; it listens nowhere yet. */
export function createPublicServer(options: PublicServerOptions): Server {
  return new PublicServer(options);
}
