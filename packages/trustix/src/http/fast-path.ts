// Answers plain requests for what is in memory straight on the socket, at about twice the rate of node:http.
//
// At the first chunk that is anything but one plain request (./plain-request.ts) for such a thing, the connection goes to
// node:http, for good and with that chunk: so there is never a doubt about where a request ends. The answers are those
// that node:http would have given, byte for byte (./fast-path.test.ts).
import type { Socket } from "node:net";
import { AnswerFormatter, type Message } from "./answer-bytes.ts";
import { type PlainRequest, PlainRequestReader } from "./plain-request.ts";
import { answerTo, type Found, type RequestHead } from "./representation.ts";
import type { RequestRecord, Route } from "./route.ts";

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

/** A request that has a route. */
interface RoutedRequest extends PlainRequest {
  readonly route: Route;
  readonly startedMs: number;
}

/** One connection while it is ours. */
interface Connection {
  readonly socket: Socket;
  readonly remote: string | undefined;
  readonly reader: PlainRequestReader;
  /** When it is closed if nothing comes; infinite while an answer is made or on its way. */
  deadlineMs: number;
}

const isUnconditional = ({ method, headers }: RequestHead): boolean =>
  method === "GET" && headers["if-none-match"] === undefined && headers.range === undefined;

/** Serves connections until they send something that is not plain. */
export class FastPath {
  readonly #options: FastPathOptions;
  readonly #formatter: AnswerFormatter;
  readonly #connections = new Set<Connection>();

  constructor(options: FastPathOptions) {
    this.#options = options;
    this.#formatter = new AnswerFormatter(options.keepAliveTimeoutMs);
  }

  accept(socket: Socket): void {
    const connection: Connection = {
      socket,
      remote: socket.remoteAddress,
      reader: new PlainRequestReader(),
      deadlineMs: performance.now() + this.#options.headersTimeoutMs,
    };
    this.#connections.add(connection);
    const close = (): void => void socket.destroy();
    const end = (): void => void socket.end();
    const gone = (): void => void this.#connections.delete(connection);
    const data = (chunk: Buffer): void => {
      const request = this.#read(connection, chunk);
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

  #read({ reader }: Connection, chunk: Buffer): RoutedRequest | undefined {
    const request = reader.read(chunk);
    const route = request === undefined ? undefined : this.#options.findRoute(request.target);
    if (request === undefined || route === undefined) return undefined;
    const { method, target, headers } = request;
    return { method, target, headers, route, startedMs: performance.now() };
  }

  /** Whether the request is dealt with here. */
  #serve(connection: Connection, request: RoutedRequest): boolean {
    const { route, target } = request;
    let found: Found | Promise<Found> | undefined;
    try {
      found = route.find?.(request, target.slice(route.path.length));
    } catch (error) {
      found = this.#failure(request, error);
    }
    if (found === undefined) return false;
    if (found instanceof Promise) void this.#serveLater(connection, request, found);
    else this.#answer(connection, request, found);
    return true;
  }

  /** The next request is not read before this one is answered. */
  async #serveLater(connection: Connection, request: RoutedRequest, finding: Promise<Found>): Promise<void> {
    connection.deadlineMs = Number.POSITIVE_INFINITY;
    connection.socket.pause();
    const found = await finding.catch((error: unknown) => this.#failure(request, error));
    this.#answer(connection, request, found);
    if (connection.deadlineMs !== Number.POSITIVE_INFINITY) connection.socket.resume();
  }

  #failure({ target }: RoutedRequest, error: unknown): Found {
    this.#options.onError?.(error, target.slice(0, 200));
    return { status: 500, text: "internal error" };
  }

  #format(request: RoutedRequest, found: Found): Message {
    try {
      return !("status" in found) && isUnconditional(request)
        ? this.#formatter.formatWhole(request, found)
        : this.#formatter.format(answerTo(request, found));
    } catch (error) {
      return this.#formatter.format(answerTo(request, this.#failure(request, error)));
    }
  }

  #answer(connection: Connection, request: RoutedRequest, found: Found): void {
    const { socket } = connection;
    const { status, first, body } = this.#format(request, found);
    if (body === undefined) socket.write(first);
    else {
      socket.cork();
      socket.write(first);
      socket.write(body);
      socket.uncork();
    }
    // Small remains may wait in memory; further answers add to them until it is enough.
    if (socket.writableNeedDrain && socket.writableLength > 0) this.#drain(connection, request, status);
    else this.#finish(connection, request, status);
  }

  /** Reads no further request until the client has read the answer. */
  #drain(connection: Connection, request: RoutedRequest, status: number): void {
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

  #finish(connection: Connection, request: RoutedRequest, status: number): void {
    const nowMs = performance.now();
    connection.deadlineMs = nowMs + this.#options.keepAliveTimeoutMs;
    const { onRequest } = this.#options;
    if (onRequest === undefined) return;
    const { route, method, target, startedMs } = request;
    const durationMs = nowMs - startedMs;
    const { remote } = connection;
    onRequest({ route: route.path, method, target, status, durationMs, remote });
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
