/**
 * Entry bundles (c2sp.org/tlog-tiles): entries one after another, each behind its length in two big-endian bytes.
 */
import { TlogError } from "../errors.ts";
import { TILE_WIDTH } from "./tile.ts";

/** Longest entry that a bundle can hold, in bytes. */
export const MAX_ENTRY_BYTES = 0xffff;

/** Upper bound in bytes of a bundle of `width` entries: a limit for fetching one. */
export function maxBundleBytes(width: number): number {
  return width * (2 + MAX_ENTRY_BYTES);
}

/**
 * Encodes 1 to 256 entries as a bundle.
 * @throws TlogError BUNDLE_MALFORMED for another number of entries, or one longer than 65,535 bytes
 */
export function encodeBundle(entries: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  if (entries.length < 1 || entries.length > TILE_WIDTH) {
    throw new TlogError("BUNDLE_MALFORMED", `a bundle has 1 to ${TILE_WIDTH} entries, not ${entries.length}`);
  }
  checkEntries(entries);
  return extendBundle(new Uint8Array(0), entries, 0, entries.length);
}

/** @throws TlogError BUNDLE_MALFORMED if an entry is longer than 65,535 bytes */
export function checkEntries(entries: readonly Uint8Array[]): void {
  for (let i = 0; i < entries.length; i++) {
    if (entries[i]!.length > MAX_ENTRY_BYTES) {
      throw new TlogError(
        "BUNDLE_MALFORMED",
        `entry ${i} has ${entries[i]!.length} bytes; the longest a log can hold is ${MAX_ENTRY_BYTES}`,
      );
    }
  }
}

/** A new bundle: the bytes of `bundle`, then `entries[start..end)`, whose lengths the caller has checked. */
export function extendBundle(
  bundle: Uint8Array,
  entries: readonly Uint8Array[],
  start: number,
  end: number,
): Uint8Array<ArrayBuffer> {
  let size = bundle.length;
  for (let i = start; i < end; i++) size += 2 + entries[i]!.length;
  const bytes = new Uint8Array(size);
  bytes.set(bundle);
  let at = bundle.length;
  for (let i = start; i < end; i++) {
    const entry = entries[i]!;
    bytes[at] = entry.length >> 8;
    bytes[at + 1] = entry.length;
    bytes.set(entry, at + 2);
    at += 2 + entry.length;
  }
  return bytes;
}

/**
 * Decodes a bundle of exactly `width` entries. The entries are views of `bytes`, not copies.
 * @throws TlogError BUNDLE_MALFORMED if there are fewer entries, a cut one, or bytes after the last
 */
export function decodeBundle(bytes: Uint8Array, width: number): Uint8Array[] {
  const entries: Uint8Array[] = [];
  let at = 0;
  for (let i = 0; i < width; i++) {
    const end = entryEnd(bytes, at, i);
    entries.push(bytes.subarray(at + 2, end));
    at = end;
  }
  checkEnd(bytes, at, width);
  return entries;
}

/**
 * Checks a bundle of exactly `width` entries and returns how many bytes the first `count` of them take.
 * @throws TlogError BUNDLE_MALFORMED
 */
export function scanBundle(bytes: Uint8Array, width: number, count: number): number {
  let at = 0;
  let offset = 0;
  for (let i = 0; i < width; i++) {
    at = entryEnd(bytes, at, i);
    if (i + 1 === count) offset = at;
  }
  checkEnd(bytes, at, width);
  return offset;
}

function entryEnd(bytes: Uint8Array, at: number, i: number): number {
  const end = at + 2 <= bytes.length ? at + 2 + ((bytes[at]! << 8) | bytes[at + 1]!) : at + 2;
  if (end > bytes.length) {
    throw new TlogError("BUNDLE_MALFORMED", `entry bundle ends within entry ${i}, at byte offset ${at}`);
  }
  return end;
}

function checkEnd(bytes: Uint8Array, at: number, width: number): void {
  if (at !== bytes.length) {
    throw new TlogError(
      "BUNDLE_MALFORMED",
      `entry bundle has bytes after entry ${width - 1}, at offset ${at}`,
    );
  }
}
