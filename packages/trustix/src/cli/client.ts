// Talks to the daemon through its admin socket.
import { type IncomingMessage, request } from "node:http";
import { createInterface } from "node:readline";
import { text } from "node:stream/consumers";
import { TrustixError, type TrustixErrorCode } from "../errors.ts";

/** A request to the admin API. */
export interface ApiRequest {
  readonly method: "GET" | "POST";
  /** Path with its query. */
  readonly path: string;
  /** Sent as JSON. */
  readonly body?: unknown;
  readonly signal: AbortSignal;
}

interface ErrorBody {
  readonly error: { readonly code: string; readonly message: string; readonly hint: string };
}

function isErrorBody(value: unknown): value is ErrorBody {
  const error = (value as { error?: unknown } | null)?.error as Record<string, unknown> | undefined;
  return typeof error?.code === "string" && typeof error.message === "string";
}

function errorFrom(value: unknown, status: number | undefined): TrustixError {
  if (!isErrorBody(value))
    return new TrustixError("INTERNAL", `the daemon answered ${status} without a reason`);
  const { code, message, hint } = value.error;
  return new TrustixError(code as TrustixErrorCode, message, { hint });
}

/** A client of the daemon that listens on a unix socket. */
export class DaemonClient {
  readonly #socketPath: string;

  constructor(socketPath: string) {
    this.#socketPath = socketPath;
  }

  /**
   * Sends a request and returns the body of the answer.
   * @throws TrustixError `DAEMON_UNREACHABLE`, or the daemon's own error
   */
  async send(call: ApiRequest): Promise<string> {
    const response = await this.#request(call);
    const body = await text(response);
    if (response.statusCode === 200) return body;
    let parsed: unknown;
    try {
      parsed = JSON.parse(body);
    } catch {
      parsed = undefined;
    }
    throw errorFrom(parsed, response.statusCode);
  }

  /** As {@link send}, for an answer in JSON. */
  async json(call: ApiRequest): Promise<unknown> {
    return JSON.parse(await this.send(call));
  }

  /** As {@link send}, for an answer of one JSON object a line, as the lines arrive. */
  async *lines(call: ApiRequest): AsyncGenerator<unknown> {
    const response = await this.#request(call);
    if (response.statusCode !== 200) throw errorFrom(JSON.parse(await text(response)), response.statusCode);
    try {
      for await (const line of createInterface({ input: response })) {
        const value: unknown = JSON.parse(line);
        if (isErrorBody(value)) throw errorFrom(value, 200);
        yield value;
      }
    } catch (cause) {
      if (call.signal.aborted) throw new TrustixError("CLOSED", "interrupted");
      if ((cause as NodeJS.ErrnoException).code !== "ECONNRESET") throw cause;
    }
    if (!response.complete)
      throw new TrustixError("DAEMON_UNREACHABLE", "the daemon went away in the middle of its answer");
  }

  #request({ method, path, body, signal }: ApiRequest): Promise<IncomingMessage> {
    return new Promise((resolve, reject) => {
      const payload = body === undefined ? undefined : JSON.stringify(body);
      const headers =
        payload === undefined
          ? {}
          : { "content-type": "application/json", "content-length": Buffer.byteLength(payload) };
      const outgoing = request({ socketPath: this.#socketPath, method, path, headers, signal }, resolve);
      outgoing.once("error", (cause: NodeJS.ErrnoException) => {
        if (signal.aborted) {
          reject(new TrustixError("CLOSED", "interrupted"));
          return;
        }
        const hint =
          cause.code === "EACCES"
            ? "Run this as the user of the daemon or in its group: see `[node] admin-socket-mode`."
            : "Start it with `trustix daemon`, or name its configuration with --config.";
        reject(
          new TrustixError("DAEMON_UNREACHABLE", `no daemon answers at ${this.#socketPath} (${cause.code})`, {
            hint,
            cause,
          }),
        );
      });
      outgoing.end(payload);
    });
  }
}
