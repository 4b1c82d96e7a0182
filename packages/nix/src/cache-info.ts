/**
 * `nix-cache-info`: what a binary cache says of itself, as Nix's binary-cache-store.cc reads and writes it.
 * Runs in browsers.
 */

import { decodeUtf8 } from "./encoding.ts";
import { NixError, quote } from "./errors.ts";
import { parseStoreDir } from "./store-path.ts";

/** What a binary cache says of itself. */
export interface CacheInfo {
  /** The store directory of its paths. Nix skips a cache with another one than its own; absent counts as equal. */
  readonly storeDir?: string | undefined;
  /** Whether the cache may be asked for many paths at once. Default false. */
  readonly wantMassQuery: boolean;
  /** Lower is asked first. Default 0; cache.nixos.org has 40. */
  readonly priority: number;
}

/** Largest `nix-cache-info` that is parsed, in bytes. */
export const MAX_CACHE_INFO_SIZE_BYTES = 64 * 1024;

/**
 * The fields of a `nix-cache-info`. As in Nix, lines without a colon and unknown keys are ignored, white space around
 * a value is dropped, and the last of repeated keys counts.
 * @param input hostile bytes (UTF-8) or text
 * @throws NixError `CACHE_INFO_INVALID` with the line, `TOO_LARGE`, `UTF8_INVALID`
 */
export function parseCacheInfo(input: Uint8Array | string): CacheInfo {
  if (input.length > MAX_CACHE_INFO_SIZE_BYTES) {
    throw new NixError(
      "TOO_LARGE",
      `a nix-cache-info of ${input.length} bytes; at most ${MAX_CACHE_INFO_SIZE_BYTES}`,
    );
  }
  const text = typeof input === "string" ? input : decodeUtf8(input);
  let storeDir: string | undefined;
  let wantMassQuery = false;
  let priority = 0;
  for (const [index, lineText] of text.split("\n").entries()) {
    const colon = lineText.indexOf(":");
    if (colon < 0) continue;
    const line = index + 1;
    const value = lineText.slice(colon + 1).trim();
    switch (lineText.slice(0, colon)) {
      case "StoreDir":
        try {
          storeDir = parseStoreDir(value);
        } catch (cause) {
          throw new NixError("CACHE_INFO_INVALID", "StoreDir is malformed", { line, cause });
        }
        break;
      case "WantMassQuery":
        wantMassQuery = value === "1";
        break;
      case "Priority":
        if (!/^-?[0-9]{1,9}$/.test(value)) {
          throw new NixError("CACHE_INFO_INVALID", `Priority is not an integer: ${quote(value)}`, { line });
        }
        priority = Number(value) || 0; // no -0
        break;
      default:
    }
  }
  return { storeDir, wantMassQuery, priority };
}

/**
 * A `nix-cache-info` in Nix's own order, every known field written.
 * @throws NixError `CACHE_INFO_INVALID` when the priority is not an integer of at most nine digits;
 * `STORE_PATH_INVALID` for a bad store directory
 */
export function formatCacheInfo(info: CacheInfo): string {
  const { storeDir, wantMassQuery, priority } = info;
  if (!Number.isInteger(priority) || Math.abs(priority) > 999_999_999) {
    throw new NixError(
      "CACHE_INFO_INVALID",
      `Priority is not an integer of at most nine digits: ${priority}`,
    );
  }
  const head = storeDir === undefined ? "" : `StoreDir: ${parseStoreDir(storeDir)}\n`;
  return `${head}WantMassQuery: ${wantMassQuery ? 1 : 0}\nPriority: ${priority}\n`;
}
