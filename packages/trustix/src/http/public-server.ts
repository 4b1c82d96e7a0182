// The public HTTP server: node:http with bounds on everything a stranger controls, and strict paths.
import {
  createServer,
  type IncomingMessage,
  type OutgoingHttpHeaders,
  type Server,
  type ServerResponse,
} from "node:http";
import type { Socket } from "node:net";
import { sendStatus } from "./representation.ts";

/** Longest accepted request target in bytes; the longest URL that we hand out is about 120. */
const MAX_TARGET_BYTES = 1024;
const MAX_HEADER_BYTES = 8192;
/** Requests of one connection that may wait for the answer to an earlier one. No client of ours sends ahead at all. */
const MAX_WAITING = 8;

/** Answers requests for paths that begin with a prefix. */
export interface Route {
  /** Exact path (`/healthz`), or a prefix that ends in `/`. The longest match wins. */
  readonly path: string;
  /**
   * Answers a GET or HEAD.
   * @param rest what follows the prefix: literal, non-empty segments of `[A-Za-z0-9+._=~:-]` that are not `.` or `..`.
   */
  handle(request: IncomingMessage, response: ServerResponse, rest: string): Promise<void>;
}

/** What happened to one request, for metrics and the log. */
export interface RequestRecord {
  readonly route: string;
  readonly method: string;
  readonly target: string;
  readonly status: number;
  readonly durationMs: number;
  readonly remote: string | undefined;
}

/** How the public server behaves. */
export interface PublicServerOptions {
  readonly routes: readonly Route[];
  readonly maxConnections: number;
  readonly onRequest?: (record: RequestRecord) => void;
  /** A route threw: a defect. The client got 500, or a closed connection when the answer had begun. */
  readonly onError?: (error: unknown, target: string) => void;
  /** Time for a request's headers; default 10,000 ms. */
  readonly headersTimeoutMs?: number;
  /** A connection on which no byte moves for this long is closed; default 120,000 ms. */
  readonly idleTimeoutMs?: number;
}

/** The path of a request target, or undefined when it is not one we could have handed out. The query is ignored. */
export function parseTarget(target: string): string | undefined {
  const path = target.split("?", 1)[0] as string;
  if (!/^(\/[A-Za-z0-9+._=~:-]+)*\/?$/.test(path) || path === "") return undefined;
  return path.split("/").some((segment) => segment === "." || segment === "..") ? undefined : path;
}

function findRoute(routes: readonly Route[], path: string): Route | undefined {
  return routes.find((route) =>
    route.path.endsWith("/") ? path.startsWith(route.path) : path === route.path,
  );
}

interface Refusal {
  readonly status: number;
  readonly text: string;
  readonly headers?: OutgoingHttpHeaders;
}

const NOT_FOUND: Refusal = { status: 404, text: "not found" };

function refusalOf(request: IncomingMessage, target: string, path: string | undefined): Refusal | undefined {
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
function createHandler(options: PublicServerOptions): Handler {
  const routes = options.routes.toSorted((a, b) => b.path.length - a.path.length);
  return (request, response) => {
    const started = performance.now();
    const target = request.url ?? "";
    const path = target.length <= MAX_TARGET_BYTES ? parseTarget(target) : undefined;
    const route = path === undefined ? undefined : findRoute(routes, path);
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
      const { status, text, headers } = refusal ?? NOT_FOUND;
      sendStatus(request, response, status, text, headers);
      return;
    }
    const failed = (error: unknown): void => {
      options.onError?.(error, target.slice(0, 200));
      if (response.headersSent) response.destroy();
      else sendStatus(request, response, 500, "internal error");
    };
    route.handle(request, response, path.slice(route.path.length)).catch(failed);
  };
}

/** A server for {@link openListener}; it listens nowhere yet. */
export function createPublicServer(options: PublicServerOptions): Server {
  const headersTimeout = options.headersTimeoutMs ?? 10_000;
  const server = createServer(
    {
      maxHeaderSize: MAX_HEADER_BYTES,
      headersTimeout,
      requestTimeout: headersTimeout,
      connectionsCheckingInterval: Math.min(5_000, headersTimeout),
      keepAliveTimeout: 65_000,
      noDelay: true,
    },
    inTurn(createHandler(options)),
  );
  server.maxConnections = options.maxConnections;
  // No byte in either direction for this long: a client that stopped reading, or never asked.
  server.setTimeout(options.idleTimeoutMs ?? 120_000);
  return server;
}
