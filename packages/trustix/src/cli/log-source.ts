// The files of a log for the verifying commands: from a URL or from a directory. What comes is not trusted.
import { resolve } from "node:path";
import { pathToFileURL } from "node:url";
import {
  createVerifier,
  type KeyVerifier,
  MAX_NOTE_BYTES,
  openCheckpoint,
  type TileSource,
  TlogError,
  type VerifiedCheckpoint,
} from "@trustix/tlog";
import { TrustixError } from "../errors.ts";
import { openPeer } from "../fetch/peer.ts";

/** A source for a log's prefix: an address as `trustix subscribe` takes it, or a directory. Connects to nothing yet. */
export function logSource(location: string): TileSource {
  const address = /^(?:https?|file|unix):/.test(location) ? location : pathToFileURL(resolve(location)).href;
  // Never closed: idle connections do not keep a command from its end.
  const peer = openPeer(address);
  return {
    fetch: (path, options) => peer.fetch(path, { ...options, acceptGzip: path.startsWith("tile/entries/") }),
  };
}

function parseKey(vkey: string): KeyVerifier {
  try {
    return createVerifier(vkey);
  } catch (cause) {
    if (!(cause instanceof TlogError)) throw cause;
    throw new TrustixError("USAGE", `--vkey: ${cause.message}`, {
      hint: "A vkey is <name>+<8 hex digits>+<base64>; the log's owner tells you, `trustix config check` shows your own.",
      cause,
    });
  }
}

/**
 * The checkpoint of a log, its signature verified.
 * @param origin default: the name in the vkey
 * @throws TrustixError `USAGE`, `NOT_FOUND`; TlogError as `openCheckpoint`
 */
export async function readCheckpoint(
  source: TileSource,
  location: string,
  vkey: string,
  origin: string | undefined,
  signal: AbortSignal,
): Promise<VerifiedCheckpoint> {
  const verifier = parseKey(vkey);
  let note: Uint8Array | undefined;
  try {
    note = await source.fetch("checkpoint", { maxBytes: MAX_NOTE_BYTES, signal });
  } catch (cause) {
    throw new TrustixError("NOT_FOUND", `no checkpoint can be read from ${location}`, {
      hint: "Check the address.",
      cause,
    });
  }
  if (note === undefined) {
    throw new TrustixError("NOT_FOUND", `${location} has no checkpoint`, {
      hint: "Give the prefix of the log: the URL or the directory that has `checkpoint` and `tile/` in it.",
    });
  }
  return openCheckpoint(note, { origin: origin ?? verifier.name, logs: [verifier] });
}
