// The archive of a store path, checked against the hash that Nix registered while it streams.
import { createHash } from "node:crypto";
import { type DumpDbEntry, formatHash } from "@trustix/nix";
import { dumpPath } from "@trustix/nix/fs";
import { TrustixError } from "../errors.ts";
import type { ByteRange } from "../http/representation.ts";

/** Makes the archive of a path. */
export type Dump = (path: string) => AsyncIterable<Uint8Array>;

/** How an archive is read. */
export interface NarReading {
  /** Default: from disk. */
  readonly dump?: Dump | undefined;
  /** Nobody wants the archive any more: reading stops at the next piece, with the signal's reason. */
  readonly signal?: AbortSignal | undefined;
}

function mismatch(info: DumpDbEntry, found: string): TrustixError {
  return new TrustixError(
    "CONTENT_MISMATCH",
    `${info.storePath} on disk is ${found}, registered is ${formatHash(info.narHash)} (${info.narSize} bytes)`,
    { hint: "Run `nix-store --repair-path` on it, and check the disk and who can write to the store." },
  );
}

/**
 * The bytes of an archive in a range. Everything outside of the range is read and hashed, too, and the last piece is
 * kept back until the hash is right: who has received all bytes has received right ones.
 * @param range default: the whole archive
 * @throws TrustixError `CONTENT_MISMATCH` instead of the last piece; NixError as `dumpPath`; the signal's reason
 */
export async function* verifiedNar(
  info: DumpDbEntry,
  { dump = dumpPath, signal }: NarReading = {},
  range: ByteRange = { start: 0, end: info.narSize },
): AsyncGenerator<Uint8Array, void, undefined> {
  const hash = createHash("sha256");
  let position = 0;
  let heldBack: Uint8Array | undefined;
  for await (const chunk of dump(info.storePath)) {
    signal?.throwIfAborted();
    hash.update(chunk);
    const part = chunk.subarray(Math.max(0, range.start - position), Math.max(0, range.end - position));
    position += chunk.length;
    if (position > info.narSize) throw mismatch(info, `more than ${info.narSize} bytes`);
    if (part.length === 0) continue;
    if (heldBack !== undefined) yield heldBack;
    heldBack = part;
  }
  const bytes = hash.digest();
  if (position !== info.narSize || !bytes.equals(info.narHash.bytes)) {
    throw mismatch(info, `${formatHash({ algorithm: "sha256", bytes })} (${position} bytes)`);
  }
  if (heldBack !== undefined) yield heldBack;
}
