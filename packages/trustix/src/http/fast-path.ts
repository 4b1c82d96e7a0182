// Answers plain requests for what is in memory straight on the socket, at about twice the rate of node:http. RFC 9112.
//
// A stranger controls every byte. So nothing is interpreted but one complete, strictly formed GET or HEAD of HTTP/1.1
// that came in one piece and alone, without anything that frames a body or changes the connection. At the first other
// byte the connection goes to node:http, for good and with that byte; so both never differ on where a request ends.
// The answers are those that node:http would have given, header by header.
import { STATUS_CODES } from "node:http";
import type { Socket } from "node:net";
import {
  type Answer,
  answerTo,
  type Found,
  type Representation,
  type RequestHead,
} from "./representation.ts";
import { MAX_TARGET_BYTES, parseTarget, type RequestRecord, type Route } from "./route.ts";

/** Longest request that is looked at; those of Nix have about 150 bytes, those of browsers 700. */
const MAX_REQUEST_BYTES = 4096;
/** Bodies up to this size are joined with their headers, so that they are written as one. */
const MAX_JOINED_BYTES = 4096;
/** Headers that say something about the body or the connection: left to node:http. */
const FRAMING = new Set([
  "connection",
  "content-length",
  "expect",
  "http2-settings",
  "keep-alive",
  "proxy-connection",
  "te",
  "trailer",
  "transfer-encoding",
  "upgrade",
]);

/** What the fast path needs. Times are in milliseconds. */
export interface FastPathOptions {
  readonly findRoute: (path: string) => Route | undefined;
  /** Takes a connection over; the bytes that were read are in the socket again. */
  readonly handOver: (socket: Socket) => void;
  readonly onRequest?: ((record: RequestRecord) => void) | undefined;
  readonly onError?: ((error: unknown, target: string) => void) | undefined;
  /** How long a new connection may be silent. */
  readonly headersTimeoutMs: number;
  /** How long a connection may be silent after an answer. */
  readonly keepAliveTimeoutMs: number;
  /** How long a client may read nothing of an answer. */
  readonly idleTimeoutMs: number;
}

/** A request that was understood. */
interface PlainRequest extends RequestHead {
  readonly method: "GET" | "HEAD";
  readonly target: string;
  readonly route: Route;
  readonly rest: string;
  readonly startedMs: number;
}

/** The header section of a request, with its empty line; undefined when it is not plain. */
function parseHeaders(text: string): RequestHead["headers"] | undefined {
  if (!text.endsWith("\r\n\r\n")) return undefined;
  const headers = new Map<string, string>();
  for (const line of text.slice(0, -4).split("\r\n")) {
    const match = /^([A-Za-z0-9-]{1,64}): ?([!-~](?:[ -~]*[!-~])?)$/.exec(line);
    if (match === null) return undefined;
    const [name, value] = [match[1]!.toLowerCase(), match[2]!];
    if (headers.has(name)) return undefined;
    if (FRAMING.has(name) && !(name === "connection" && value === "keep-alive")) return undefined;
    headers.set(name, value);
  }
  return headers.has("host") ? Object.fromEntries(headers) : undefined;
}

/** Makes the bytes of answers. */
class Formatter {
  readonly #keepAlive: string;
  #second = 0;
  #date = "";
  /** Whole answers to plain GETs (or their heads, before large bodies) as of this second. */
  #answers = new WeakMap<Representation, Buffer>();

  constructor(keepAliveTimeoutMs: number) {
    const seconds = Math.floor(keepAliveTimeoutMs / 1000);
    this.#keepAlive = `Connection: keep-alive\r\nKeep-Alive: timeout=${seconds}\r\n\r\n`;
  }

  /** Forgets what carries an older date. */
  #turn(): void {
    const now = Date.now();
    const second = Math.floor(now / 1000);
    if (second === this.#second) return;
    this.#second = second;
    this.#date = new Date(now).toUTCString();
    this.#answers = new WeakMap();
  }

  head({ status, headers }: Answer): string {
    this.#turn();
    let head = `HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\n`;
    for (const name in headers) {
      const value = String(headers[name]);
      if (!/^[\t -~]*$/.test(value))
        throw new TypeError(`header ${name} has a character that it must not have`);
      head += `${name}: ${value}\r\n`;
    }
    return `${head}Date: ${this.#date}\r\n${this.#keepAlive}`;
  }

  /** The answer to a GET without conditions; `body` follows `first` when it is not part of it. */
  whole(request: RequestHead, found: Representation): { readonly first: Buffer; readonly isJoined: boolean } {
    this.#turn();
    const isJoined = found.body.length <= MAX_JOINED_BYTES;
    const known = this.#answers.get(found);
    if (known !== undefined) return { first: known, isJoined };
    const head = Buffer.from(this.head(answerTo(request, found)), "latin1");
    const first = isJoined ? Buffer.concat([head, found.body]) : head;
    this.#answers.set(found, first);
    return { first, isJoined };
  }
}

/** One connection while it is ours. */
class Connection {
  readonly socket: Socket;
  readonly remote: string | undefined;
  /** When it is closed if nothing comes; infinite while an answer is made or on its way. */
  deadlineMs: number;
  #headersText = "";
  #headers: RequestHead["headers"] = {};

  constructor(socket: Socket, deadlineMs: number) {
    this.socket = socket;
    this.remote = socket.remoteAddress;
    this.deadlineMs = deadlineMs;
  }

  /** Method, target and headers of a request, if it is plain. A client's headers are the same each time as a rule. */
  parse(
    chunk: Buffer,
  ): ({ readonly method: "GET" | "HEAD"; readonly target: string } & RequestHead) | undefined {
    if (chunk.length > MAX_REQUEST_BYTES) return undefined;
    const text = chunk.toString("latin1");
    const method = text.startsWith("GET ") ? "GET" : text.startsWith("HEAD ") ? "HEAD" : undefined;
    if (method === undefined) return undefined;
    const lineEnd = text.indexOf("\r\n");
    if (!text.startsWith(" HTTP/1.1", lineEnd - 9)) return undefined;
    const headersText = text.slice(lineEnd + 2);
    if (headersText !== this.#headersText) {
      const headers = parseHeaders(headersText);
      if (headers === undefined) return undefined;
      this.#headersText = headersText;
      this.#headers = headers;
    }
    const target = text.slice(method.length + 1, lineEnd - 9);
    return target.length > MAX_TARGET_BYTES ? undefined : { method, target, headers: this.#headers };
  }
}

const isUnconditional = ({ method, headers }: RequestHead): boolean =>
  method === "GET" && headers["if-none-match"] === undefined && headers.range === undefined;

/** Serves connections until they send something that is not plain. */
export class FastPath {
  readonly #options: FastPathOptions;
  readonly #formatter: Formatter;
  readonly #connections = new Set<Connection>();

  constructor(options: FastPathOptions) {
    this.#options = options;
    this.#formatter = new Formatter(options.keepAliveTimeoutMs);
  }

  accept(socket: Socket): void {
    const connection = new Connection(socket, performance.now() + this.#options.headersTimeoutMs);
    this.#connections.add(connection);
    const close = (): void => void socket.destroy();
    const end = (): void => void socket.end();
    const gone = (): void => void this.#connections.delete(connection);
    const data = (chunk: Buffer): void => {
      const request = this.#understand(connection, chunk);
      if (request !== undefined && this.#serve(connection, request)) return;
      gone();
      socket.off("data", data).off("end", end).off("error", close).off("timeout", close).off("close", gone);
      socket.pause();
      socket.unshift(chunk);
      this.#options.handOver(socket);
      socket.resume();
    };
    socket.on("data", data).on("end", end).on("error", close).on("timeout", close).on("close", gone);
  }

  #understand(connection: Connection, chunk: Buffer): PlainRequest | undefined {
    const parsed = connection.parse(chunk);
    // No query: nothing here has one, and nobody has looked at its characters.
    if (parsed === undefined || parseTarget(parsed.target) !== parsed.target) return undefined;
    const { method, target, headers } = parsed;
    const route = this.#options.findRoute(target);
    if (route === undefined) return undefined;
    const rest = target.slice(route.path.length);
    return { method, target, headers, route, rest, startedMs: performance.now() };
  }

  /** Whether the request is dealt with here. */
  #serve(connection: Connection, request: PlainRequest): boolean {
    try {
      const found = request.route.find?.(request, request.rest);
      if (found === undefined) return false;
      if (found instanceof Promise) void this.#serveLater(connection, request, found);
      else this.#answer(connection, request, found);
    } catch (error) {
      this.#fail(connection, request, error);
    }
    return true;
  }

  /** The next request is not read before this one is answered. */
  async #serveLater(connection: Connection, request: PlainRequest, finding: Promise<Found>): Promise<void> {
    connection.deadlineMs = Number.POSITIVE_INFINITY;
    connection.socket.pause();
    try {
      this.#answer(connection, request, await finding);
    } catch (error) {
      this.#fail(connection, request, error);
    }
    if (connection.deadlineMs !== Number.POSITIVE_INFINITY) connection.socket.resume();
  }

  #fail(connection: Connection, request: PlainRequest, error: unknown): void {
    this.#options.onError?.(error, request.target.slice(0, 200));
    this.#answer(connection, request, { status: 500, text: "internal error" });
  }

  #answer(connection: Connection, request: PlainRequest, found: Found): void {
    const { socket } = connection;
    let status = 200;
    if (!("status" in found) && isUnconditional(request)) {
      const { first, isJoined } = this.#formatter.whole(request, found);
      if (isJoined) socket.write(first);
      else {
        socket.cork();
        socket.write(first);
        socket.write(found.body);
        socket.uncork();
      }
    } else {
      const answer = answerTo(request, found);
      status = answer.status;
      const head = this.#formatter.head(answer);
      socket.cork();
      socket.write(head, "latin1");
      if (answer.body !== undefined) socket.write(answer.body);
      socket.uncork();
    }
    // Small remains may wait in memory; further answers add to them until it is enough.
    if (socket.writableNeedDrain && socket.writableLength > 0) this.#drain(connection, request, status);
    else this.#finish(connection, request, status);
  }

  /** Reads no further request until the client has read the answer. */
  #drain(connection: Connection, request: PlainRequest, status: number): void {
    const { socket } = connection;
    connection.deadlineMs = Number.POSITIVE_INFINITY;
    socket.pause();
    socket.setTimeout(this.#options.idleTimeoutMs);
    const done = (): void => {
      socket.off("close", done).off("drain", done);
      this.#finish(connection, request, status);
      socket.setTimeout(0).resume();
    };
    socket.on("close", done).on("drain", done);
  }

  #finish(connection: Connection, request: PlainRequest, status: number): void {
    const nowMs = performance.now();
    connection.deadlineMs = nowMs + this.#options.keepAliveTimeoutMs;
    const { onRequest } = this.#options;
    if (onRequest === undefined) return;
    const { route, method, target, startedMs } = request;
    const durationMs = nowMs - startedMs;
    const { remote } = connection;
    onRequest({ route: route.path, method, target: target, status, durationMs, remote });
  }

  /** Closes what was silent for too long; to be called now and then. */
  sweep(): void {
    const nowMs = performance.now();
    for (const { deadlineMs, socket } of this.#connections) if (deadlineMs <= nowMs) socket.destroy();
  }

  /** Closes connections without a request in flight. */
  closeIdle(): void {
    for (const { deadlineMs, socket } of this.#connections) {
      if (deadlineMs !== Number.POSITIVE_INFINITY && socket.writableLength === 0) socket.destroy();
    }
  }

  closeAll(): void {
    for (const { socket } of this.#connections) socket.destroy();
  }
}
