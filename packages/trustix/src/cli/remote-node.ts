// Another node, or a log or cache, as `trustix subscribe` meets it. Nothing that it says is trusted.
import { type CacheInfo, parseCacheInfo } from "@trustix/nix";
import { createVerifier, MAX_NOTE_BYTES, openCheckpoint } from "@trustix/tlog";
import { TrustixError } from "../errors.ts";
import { openPeer } from "../fetch/peer.ts";
import { parsePeerAddress } from "../fetch/peer-address.ts";
import {
  DESCRIPTION_PATH,
  MAX_DESCRIPTION_BYTES,
  type NodeDescription,
  parseDescription,
} from "../http/node-description.ts";

const MAX_CACHE_INFO_BYTES = 64 * 1024;

/** An address with `/` at its end, whatever was typed. */
export function normalizeAddress(text: string): string {
  const root = text.endsWith(`/${DESCRIPTION_PATH}`) ? text.slice(0, -DESCRIPTION_PATH.length) : text;
  const parsed = parsePeerAddress(root);
  switch (parsed.kind) {
    case "http":
      return parsed.base.href;
    case "unix":
      return formatUnix(parsed.socketPath, parsed.prefix);
    case "file":
      return root.endsWith("/") ? root : `${root}/`;
    default:
      return parsed satisfies never;
  }
}

function formatUnix(socketPath: string, prefix: string): string {
  return prefix === "/" ? `unix:${socketPath}` : `unix:${socketPath}:${prefix}`;
}

async function fetchSmall(
  address: string,
  path: string,
  maxBytes: number,
  signal: AbortSignal,
): Promise<Uint8Array | undefined> {
  await using peer = openPeer(address);
  return await peer.fetch(path, { maxBytes, signal });
}

/**
 * What the node at an address says of itself, its URLs made absolute; undefined when there is no description.
 * @throws TrustixError `PEER_UNREACHABLE`, `PEER_MISBEHAVED`, `INVALID_ARGUMENT`
 */
export async function fetchDescription(
  address: string,
  signal: AbortSignal,
): Promise<NodeDescription | undefined> {
  const bytes = await fetchSmall(address, DESCRIPTION_PATH, MAX_DESCRIPTION_BYTES, signal);
  if (bytes === undefined) return undefined;
  const parsed = parsePeerAddress(address);
  if (parsed.kind !== "unix") return parseDescription(bytes, new URL(DESCRIPTION_PATH, address));
  const base = new URL(`http://localhost.invalid${parsed.prefix}${DESCRIPTION_PATH}`);
  const { operator, logs, cache } = parseDescription(bytes, base);
  const over = (text: string): string => {
    const url = new URL(text);
    return url.host === base.host ? formatUnix(parsed.socketPath, url.pathname) : text;
  };
  return {
    operator,
    logs: logs.map((log) => ({ ...log, url: over(log.url) })),
    cache: cache && { ...cache, url: over(cache.url) },
  };
}

/**
 * How many entries the log at an address has, by a checkpoint that its key has signed.
 * @throws TrustixError `PEER_UNREACHABLE`, `PEER_MISBEHAVED`, `NOT_FOUND`; TlogError as `openCheckpoint`
 */
export async function fetchLogSize(
  { url, origin, vkey }: { readonly url: string; readonly origin: string; readonly vkey: string },
  signal: AbortSignal,
): Promise<number> {
  const note = await fetchSmall(url, "checkpoint", MAX_NOTE_BYTES, signal);
  if (note === undefined) {
    throw new TrustixError("NOT_FOUND", `there is no log at ${url}`, {
      hint: "Give the root URL of a node, or the prefix of a log: the URL that has `checkpoint` below it.",
    });
  }
  const { checkpoint } = await openCheckpoint(note, { origin, logs: [createVerifier(vkey)] });
  return checkpoint.size;
}

/**
 * The `nix-cache-info` of the binary cache at an address.
 * @throws TrustixError `PEER_UNREACHABLE`, `PEER_MISBEHAVED`, `NOT_FOUND`
 */
export async function fetchCacheInfo(address: string, signal: AbortSignal): Promise<CacheInfo> {
  const bytes = await fetchSmall(address, "nix-cache-info", MAX_CACHE_INFO_BYTES, signal);
  if (bytes === undefined) {
    throw new TrustixError("NOT_FOUND", `there is no binary cache at ${address}`, {
      hint: "Check the address: a cache has `nix-cache-info` at its root.",
    });
  }
  return parseCacheInfo(bytes);
}
