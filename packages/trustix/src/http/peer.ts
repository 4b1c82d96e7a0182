// Files of another node or a cache by their path below its address, whatever kind of address it is.

import { constants } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";
import { join } from "node:path";
import { TrustixError } from "../errors.ts";
import { readUpTo, systemErrorCode } from "../store/file-system.ts";
import type { HttpClient, HttpRequest } from "./http-client.ts";
import { parsePeerAddress } from "./peer-address.ts";

/** How to ask a {@link Peer}. */
export type PeerRequest = Pick<HttpRequest, "maxBytes" | "signal" | "acceptGzip">;

/** A place to fetch files from. Nothing it returns is trusted. */
export interface Peer {
  /** The address as it was given. */
  readonly address: string;
  /**
   * The file at `path`, relative and already safe in a URL; `undefined` when there is none (HTTP 404 and 410, and 403,
   * which is how S3 says it).
   *
   * Throws `PEER_UNREACHABLE`, `PEER_MISBEHAVED`, and the reason of the signal.
   */
  fetch(path: string, request: PeerRequest): Promise<Uint8Array | undefined>;
}

/** A peer at an address. Throws `INVALID_ARGUMENT` as `parsePeerAddress` does. */
export function openPeer(address: string, client: HttpClient): Peer {
  const parsed = parsePeerAddress(address);
  switch (parsed.kind) {
    case "http":
      return { address, fetch: (path, request) => get(client, new URL(path, parsed.base), request) };
    case "unix": {
      const base = new URL(parsed.prefix, "http://localhost");
      const { socketPath } = parsed;
      return {
        address,
        fetch: (path, request) => get(client, new URL(path, base), { ...request, socketPath }),
      };
    }
    case "file":
      return { address, fetch: (path, request) => readPlainFile(join(parsed.directory, path), request) };
    default:
      return parsed satisfies never;
  }
}

async function get(client: HttpClient, url: URL, request: HttpRequest): Promise<Uint8Array | undefined> {
  const { status, body } = await client.get(url, request);
  if (status === 200) return body;
  if (status === 404 || status === 410 || status === 403) return undefined;
  const isTemporary = status >= 500 || status === 429 || status === 408;
  throw new TrustixError(
    isTemporary ? "PEER_UNREACHABLE" : "PEER_MISBEHAVED",
    `${url.href} answers with status ${status}`,
    { hint: "Check that the address is right; if it is, tell the operator." },
  );
}

async function readPlainFile(
  path: string,
  { maxBytes, signal }: PeerRequest,
): Promise<Uint8Array | undefined> {
  signal?.throwIfAborted();
  let file: FileHandle;
  try {
    // Not blocking, so that a FIFO in the place of a file cannot hold us up.
    file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
  } catch (cause) {
    const code = systemErrorCode(cause);
    if (code === "ENOENT" || code === "ENOTDIR") return undefined;
    throw new TrustixError("PEER_UNREACHABLE", `cannot read ${path}`, { cause });
  }
  try {
    const status = await file.stat();
    if (!status.isFile()) throw new TrustixError("PEER_MISBEHAVED", `${path} is not a file`);
    if (status.size > maxBytes) {
      throw new TrustixError("PEER_MISBEHAVED", `${path} has more than ${maxBytes} bytes`);
    }
    return await readUpTo(file, status.size);
  } catch (cause) {
    if (cause instanceof TrustixError) throw cause;
    throw new TrustixError("PEER_UNREACHABLE", `cannot read ${path}`, { cause });
  } finally {
    await file.close();
  }
}
