// The files of a log for the verifying commands: from a URL or from a directory. What comes is not trusted.
import { open } from "node:fs/promises";
import { join, resolve } from "node:path";
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

const TIMEOUT_MS = 30_000;

async function readBounded(body: AsyncIterable<Uint8Array> | null, maxBytes: number): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  let sizeBytes = 0;
  for await (const chunk of body ?? []) {
    sizeBytes += chunk.length;
    if (sizeBytes > maxBytes) throw new Error(`more than ${maxBytes} bytes`);
    chunks.push(chunk);
  }
  return new Uint8Array(Buffer.concat(chunks));
}

function httpSource(prefix: string): TileSource {
  return {
    fetch: async (path, { maxBytes, signal }) => {
      const timeout = AbortSignal.timeout(TIMEOUT_MS);
      const response = await fetch(prefix + path, {
        signal: signal === undefined ? timeout : AbortSignal.any([signal, timeout]),
      });
      if (response.status === 404) {
        await response.body?.cancel();
        return undefined;
      }
      if (!response.ok) throw new Error(`HTTP ${response.status}`);
      return readBounded(response.body, maxBytes);
    },
  };
}

function directorySource(directory: string): TileSource {
  return {
    fetch: async (path, { maxBytes }) => {
      try {
        await using file = await open(join(directory, path), "r");
        return await readBounded(file.createReadStream({ autoClose: false }), maxBytes);
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
        throw error;
      }
    },
  };
}

/** A source for a log's prefix: an http or https URL, or else a directory. */
export function logSource(location: string): TileSource {
  if (!/^https?:\/\//.test(location)) return directorySource(resolve(location));
  return httpSource(location.endsWith("/") ? location : `${location}/`);
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
