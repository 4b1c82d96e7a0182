/**
 * `nix-store --dump-db`: facts of store paths as lines, the same on every version of Nix and needing no experimental
 * feature. For each path: path, NAR hash in hex, NAR size, deriver (or an empty line), number of references, and the
 * references one a line. `nix-store --load-db` reads it back. Runs in browsers.
 */

import { decodeUtf8, encodeHex, parseDecimal } from "./encoding.ts";
import { NixError, quote } from "./errors.ts";
import type { Fingerprinted } from "./fingerprint.ts";
import { parseHash } from "./hash.ts";
import { DEFAULT_STORE_DIR, parseStorePath, type StorePath, sortReferences } from "./store-path.ts";

/** The facts of one path in a dump. */
export interface DumpDbEntry extends Fingerprinted {
  /** The derivation that was built, if known. */
  readonly deriver?: StorePath | undefined;
}

/** Limits and surroundings for `parseDumpDb`. */
export interface DumpDbOptions {
  /** The directory all paths must be in. Default `/nix/store`. */
  readonly storeDir?: string;
  /** Largest input in bytes (characters for a string). Default 256 MiB: a whole large store. */
  readonly maxSizeBytes?: number;
}

const DEFAULT_MAX_SIZE_BYTES = 256 * 1024 * 1024;

/**
 * The paths of a dump, in its order.
 * @param input output of `nix-store --dump-db [PATH…]`, as bytes or text
 * @throws NixError `DUMP_DB_INVALID` with the line, `TOO_LARGE`, `UTF8_INVALID`
 */
export function parseDumpDb(input: Uint8Array | string, options: DumpDbOptions = {}): readonly DumpDbEntry[] {
  const { storeDir = DEFAULT_STORE_DIR, maxSizeBytes = DEFAULT_MAX_SIZE_BYTES } = options;
  if (input.length > maxSizeBytes) {
    throw new NixError("TOO_LARGE", `a dump of ${input.length} bytes; at most ${maxSizeBytes}`);
  }
  const text = typeof input === "string" ? input : decodeUtf8(input);
  let offset = 0;
  let line = 0;
  const next = (): string => {
    line++;
    const end = text.indexOf("\n", offset);
    if (end < 0) throw new NixError("DUMP_DB_INVALID", "the dump ends within an entry", { line });
    const value = text.slice(offset, end);
    offset = end + 1;
    return value;
  };
  const size = (what: string, minimum: number): number => {
    const value = next();
    const number = parseDecimal(value);
    if (number === undefined || number < minimum) {
      throw new NixError(
        "DUMP_DB_INVALID",
        `${what} is not an integer of at least ${minimum}: ${quote(value)}`,
      );
    }
    return number;
  };
  const entries: DumpDbEntry[] = [];
  while (offset < text.length) {
    try {
      const storePath = parseStorePath(next(), storeDir);
      const narHash = parseHash(next(), "sha256");
      const narSize = size("the NAR size", 1);
      const deriverText = next();
      const deriver = deriverText === "" ? undefined : parseStorePath(deriverText, storeDir);
      const references: StorePath[] = [];
      for (let count = size("the number of references", 0); count > 0; count--) {
        references.push(parseStorePath(next(), storeDir));
      }
      entries.push({ storePath, narHash, narSize, references: sortReferences(references), deriver });
    } catch (cause) {
      if (!(cause instanceof NixError) || cause.line !== undefined) throw cause;
      throw new NixError("DUMP_DB_INVALID", cause.message, { line, cause });
    }
  }
  return entries;
}

/** A dump of paths, in their order: input for `nix-store --load-db`. */
export function formatDumpDb(entries: Iterable<DumpDbEntry>): string {
  let text = "";
  for (const entry of entries) {
    const references = sortReferences(entry.references);
    text += `${entry.storePath}\n${encodeHex(entry.narHash.bytes)}\n${entry.narSize}\n${entry.deriver ?? ""}\n`;
    text += `${references.length}\n`;
    for (const reference of references) text += `${reference}\n`;
  }
  return text;
}
