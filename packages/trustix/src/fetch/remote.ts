// Reading from other machines: HTTP and HTTPS, unix sockets, and directories, behind one interface with bounds on all
// that the other side controls. RFC 9110; redirects, and which hosts a remote may point us at, in origins.ts.
import type { IncomingHttpHeaders } from "node:http";
import type { Readable } from "node:stream";
import { TrustixError } from "../errors.ts";
import type { RequestClock } from "./request-clock.ts";

/** How to ask. */
export interface RemoteRequest {
  /** Ends the request and its body, whenever that is. */
  readonly signal: AbortSignal;
  /** First byte wanted; the answer is 206 when the remote can do that, and else 200 from the beginning. Default 0. */
  readonly offset?: number;
  /** Whether the body may come as gzip; its `content-encoding` says so. Default false. */
  readonly acceptGzip?: boolean;
  /** Is told when the request waits for one of our own connections, and when it has one. */
  readonly clock?: Pick<RequestClock, "pause" | "start"> | undefined;
}

/** An answer, its body still to be read. Read it to the end or destroy it. */
export interface RemoteResponse {
  /** Any status but a redirect. */
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  /** Bytes as sent, no content coding removed. Emits an error when the other side breaks off. */
  readonly body: Readable;
}

/** A place to read from: all that lies below a root URL. */
export interface Remote extends AsyncDisposable {
  /** What relative references are resolved against; ends in `/`. */
  readonly root: URL;
  /**
   * Gets one resource. Headers have arrived when it resolves.
   * @param url absolute, from the remote's own words as a rule: checked here against what the remote may point at
   * @throws TrustixError `PEER_UNREACHABLE` when nobody answers in time; `PEER_MISBEHAVED` for redirects without end, or a
   * place that this remote must not send us to
   */
  get(url: URL, request: RemoteRequest): Promise<RemoteResponse>;
}

/** Nobody answers, or not in time: worth another try. */
export function unreachable(url: URL, why: string, cause?: unknown): TrustixError {
  return new TrustixError("PEER_UNREACHABLE", `${describe(url)}: ${why}`, { cause });
}

/** An answer that no honest remote gives. */
export function misbehaved(url: URL, why: string): TrustixError {
  return new TrustixError("PEER_MISBEHAVED", `${describe(url)}: ${why}`);
}

/** A URL for people: without what may be secret (credentials, query), and not too long. */
export function describe(url: URL): string {
  return `${url.protocol}//${url.host}${url.pathname}`.slice(0, 300);
}

/**
 * Reads a whole small body.
 * @throws TrustixError `PEER_UNREACHABLE` when it is cut off, `PEER_MISBEHAVED` when it has more than `maxBytes`
 */
export function readBody(url: URL, body: Readable, maxBytes: number): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let size = 0;
    const cutOff = (cause?: unknown): void => {
      const reason = cause === undefined ? "" : ` (${reasonOf(cause)})`;
      reject(unreachable(url, `the answer was cut off${reason}`, cause));
    };
    body
      .on("data", (chunk: Buffer) => {
        size += chunk.length;
        chunks.push(chunk);
        if (size <= maxBytes) return;
        reject(misbehaved(url, `the answer has more than ${maxBytes} bytes`));
        body.destroy();
      })
      .once("end", () => resolve(chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks, size)))
      .on("error", cutOff)
      .once("close", () => {
        if (!body.readableEnded) cutOff();
      });
    // Broken before anybody listened: no event will say so again.
    if (body.destroyed) cutOff(body.errored ?? undefined);
  });
}

/** The shortest name of what went wrong: a system's error code where there is one. */
export function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return (error as NodeJS.ErrnoException).code ?? error.message;
}
