/**
 * Claim protocols: how an entry of a log is read as a statement about a key. The core of Trustix knows only this
 * interface; `nix` and `raw` implement it.
 *
 * An entry is UTF-8 text, in fact ASCII: the statement, LF, then attribute lines, each with its LF. Statement and
 * attributes are canonical: one meaning has one sequence of bytes. Only the statement is voted on.
 */

import { concatBytes, decodeUtf8, encodeUtf8 } from "../encoding.ts";
import { NixError } from "../errors.ts";
import { sha256 } from "../sha256.ts";

/** Largest entry in bytes: what a C2SP entry bundle (tlog-tiles) can hold. */
export const MAX_ENTRY_SIZE_BYTES = 65_535;

/** One line after the statement, `name value`. */
export interface Attribute {
  readonly name: string;
  readonly value: string;
}

/** What an entry says, as far as every protocol can tell. */
export interface ProtocolEntry {
  /** Map key of what the statement is about, 32 bytes; see `mapKey`. Statements with equal keys are comparable. */
  readonly key: Uint8Array;
  /** What is voted on: two builders agree exactly when their texts are equal. One line, without LF. */
  readonly statement: string;
  /** Lines after the statement, in canonical order. */
  readonly attributes: readonly Attribute[];
}

/** A protocol of claims. */
export interface Protocol {
  /** Its tag, in configuration and map keys: `nix` or `raw`. */
  readonly name: string;
  /**
   * Reads an entry; accepts canonical entries only.
   * @throws NixError `ENTRY_INVALID`, `ENTRY_TOO_LARGE`
   */
  parseEntry(entry: Uint8Array): ProtocolEntry;
  /**
   * Inverse of `parseEntry`; `key` follows from the statement.
   * @throws NixError `ENTRY_INVALID` for what `parseEntry` would not accept, `ENTRY_TOO_LARGE`
   */
  formatEntry(entry: Omit<ProtocolEntry, "key">): Uint8Array;
}

/**
 * Key of the verifiable map: SHA-256 over `trustix/key/v1`, LF, the protocol's name, LF, and what the statement is
 * about (for `nix` the 32 characters of the hash part, for `raw` the bytes of the key). Protocol names have no LF, so
 * that no two pairs of protocol and subject share a preimage.
 */
export function mapKey(protocol: string, subject: Uint8Array): Uint8Array {
  return sha256(concatBytes(encodeUtf8(`trustix/key/v1\n${protocol}\n`), subject));
}

/** An error for an entry that breaks its protocol. */
export function entryInvalid(why: string, cause?: unknown): NixError {
  return new NixError("ENTRY_INVALID", why, { cause });
}

/**
 * Text of an entry: statement without its LF, and the lines after it, each with its LF. Size and last character are
 * checked; that all is ASCII follows from what the protocols allow in each part. The parts are decoded apart, as
 * scanning a slice of a text costs twice as much as scanning a text.
 */
export function decodeEntry(entry: Uint8Array): { readonly statement: string; readonly rest: string } {
  checkSize(entry);
  if (entry.length === 0 || entry[entry.length - 1] !== 0x0a)
    throw entryInvalid("an entry ends with a newline");
  const end = entry.indexOf(0x0a);
  try {
    const rest = end + 1 === entry.length ? "" : decodeUtf8(entry.subarray(end + 1));
    return { statement: decodeUtf8(entry.subarray(0, end)), rest };
  } catch (cause) {
    throw entryInvalid("an entry is ASCII", cause);
  }
}

/** Bytes of an entry's text, whose parts have been checked. */
export function encodeEntry(text: string): Uint8Array {
  const entry = encodeUtf8(text);
  checkSize(entry);
  return entry;
}

function checkSize(entry: Uint8Array): void {
  if (entry.length > MAX_ENTRY_SIZE_BYTES) {
    throw new NixError(
      "ENTRY_TOO_LARGE",
      `an entry of ${entry.length} bytes; at most ${MAX_ENTRY_SIZE_BYTES}`,
    );
  }
}
