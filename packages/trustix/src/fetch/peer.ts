// Whole small files of another node or a cache, by their path below its address. Whoever is there may be broken or hostile:
// everything is bounded, the time to the headers, between bytes and in all, and the bytes before and after decoding.

import type { Readable } from "node:stream";
import { promisify } from "node:util";
import { gunzip } from "node:zlib";
import { TrustixError } from "../errors.ts";
import { openRemote } from "./open-remote.ts";
import { type PaceLimits, paced } from "./pace.ts";
import { misbehaved, type Remote, reasonOf, unreachable } from "./remote.ts";
import type { RequestClock } from "./request-clock.ts";

/** What to ask a {@link Peer} for, and how much of it to take. */
export interface PeerRequest {
  /** Most bytes of the file, decoded. */
  readonly maxBytes: number;
  /** Ends the request, which then throws the signal's reason. */
  readonly signal?: AbortSignal;
  /** Whether the file may come compressed. Default no; what does come as gzip is decoded all the same. */
  readonly acceptGzip?: boolean;
  /** Is told when the request waits for one of our own connections, and when it has one. */
  readonly clock?: RequestClock;
}

/** A place to fetch files from. Nothing it returns is trusted. */
export interface Peer extends AsyncDisposable {
  /** The address as it was given. */
  readonly address: string;
  /**
   * The file at `path`, relative and already safe in a URL; `undefined` when there is none (HTTP 404 and 410, and 403,
   * which is how S3 says it).
   *
   * Throws `PEER_UNREACHABLE` when no whole answer came in time, `PEER_MISBEHAVED` for one that breaks another bound, and
   * the reason of the signal.
   */
  fetch(path: string, request: PeerRequest): Promise<Uint8Array | undefined>;
}

/** Bounds of a {@link Peer}. */
export interface PeerLimits {
  /** From the connection's begin to the end of an answer's headers. Default 15 s. */
  readonly headersTimeoutMs: number;
  /** How slow a body may be. Default 5 s of silence, 1,024 bytes a second over 5 s. */
  readonly pace: PaceLimits;
  /** For everything, with redirects and waiting for a free connection. Default 2 minutes. */
  readonly totalTimeoutMs: number;
  /** Default 4. */
  readonly maxRedirects: number;
  /** At a time; further requests wait. Default 16. */
  readonly maxConnections: number;
}

/** The bounds that apply unless said otherwise. */
const defaultPeerLimits: PeerLimits = {
  headersTimeoutMs: 15_000,
  pace: { idleMs: 5000, minBytesPerSecond: 1024, windowMs: 5000 },
  totalTimeoutMs: 120_000,
  maxRedirects: 4,
  maxConnections: 16,
};

/** Bodies of refusals are read up to this size, so that the connection can be used again. */
const MAX_IGNORED_BYTES = 64 * 1024;

const unzip = promisify(gunzip);

/**
 * A peer at an address; connects to nothing yet. It may redirect within its own origin and to the public Internet, but never
 * from https to http, nor into the network of this machine.
 *
 * Throws `INVALID_ARGUMENT` as `parsePeerAddress` does.
 */
export function openPeer(address: string, limits: Partial<PeerLimits> = {}): Peer {
  const { pace, totalTimeoutMs, ...http } = { ...defaultPeerLimits, ...limits };
  const remote = openRemote(address, { ...http, foreign: "public", userAgent: "trustix" });
  return {
    address,
    fetch: async (path, request) => {
      const url = new URL(path, remote.root);
      const deadline = new AbortController();
      const late = unreachable(url, `no whole answer within ${totalTimeoutMs} ms`);
      const timer = setTimeout(() => deadline.abort(late), totalTimeoutMs);
      const signal =
        request.signal === undefined ? deadline.signal : AbortSignal.any([deadline.signal, request.signal]);
      try {
        signal.throwIfAborted();
        return await fetchFile(remote, url, { ...request, signal }, pace);
      } catch (error) {
        if (signal.aborted) throw signal.reason;
        throw error;
      } finally {
        clearTimeout(timer);
      }
    },
    [Symbol.asyncDispose]: () => remote[Symbol.asyncDispose](),
  };
}

async function fetchFile(
  remote: Remote,
  url: URL,
  request: PeerRequest & { readonly signal: AbortSignal },
  pace: PaceLimits,
): Promise<Uint8Array | undefined> {
  const { maxBytes, signal, clock, acceptGzip = false } = request;
  const { status, headers, body } = await remote.get(url, { signal, acceptGzip, clock });
  try {
    if (status !== 200) {
      await collect(url, body, MAX_IGNORED_BYTES, pace).catch(() => {});
      return absentOrThrow(url, status);
    }
    const encoding = headers["content-encoding"] ?? "identity";
    if (encoding === "identity") {
      return (await collect(url, body, maxBytes, pace)) ?? tooLarge(url, maxBytes);
    }
    if (encoding !== "gzip" && encoding !== "x-gzip") {
      throw misbehaved(url, "answers in an encoding that was not asked for");
    }
    // What cannot be compressed takes a little more room. A body may also decode to nothing, for ever.
    const packed = await collect(url, body, 2 * maxBytes + MAX_IGNORED_BYTES, pace);
    return packed === undefined ? tooLarge(url, maxBytes) : await unpack(url, packed, maxBytes);
  } finally {
    // A connection with unread bytes cannot be used again.
    if (!body.readableEnded) body.destroy();
  }
}

/** The whole body; undefined, and the rest of it unread, when it has more bytes than it may. */
async function collect(
  url: URL,
  body: Readable,
  maxBytes: number,
  pace: PaceLimits,
): Promise<Uint8Array | undefined> {
  const chunks: Buffer[] = [];
  let length = 0;
  try {
    for await (const chunk of paced(url, body, pace)) {
      length += chunk.length;
      if (length > maxBytes) return undefined;
      chunks.push(chunk);
    }
  } catch (cause) {
    if (cause instanceof TrustixError) throw cause;
    throw unreachable(url, `the answer was cut off (${reasonOf(cause)})`, cause);
  }
  const bytes = new Uint8Array(length);
  let end = 0;
  for (const chunk of chunks) {
    bytes.set(chunk, end);
    end += chunk.length;
  }
  return bytes;
}

async function unpack(url: URL, packed: Uint8Array, maxBytes: number): Promise<Uint8Array> {
  try {
    return new Uint8Array(await unzip(packed, { maxOutputLength: maxBytes }));
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === "ERR_BUFFER_TOO_LARGE") return tooLarge(url, maxBytes);
    throw misbehaved(url, "sends a body that is not gzip");
  }
}

function tooLarge(url: URL, maxBytes: number): never {
  throw misbehaved(url, `sends more than ${maxBytes} bytes`);
}

function absentOrThrow(url: URL, status: number): undefined {
  if (status === 404 || status === 410 || status === 403) return undefined;
  const why = `answers with status ${status}`;
  const isTemporary = status >= 500 || status === 429 || status === 408;
  throw isTemporary ? unreachable(url, why) : misbehaved(url, why);
}
