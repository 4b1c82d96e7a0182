/**
 * Claim protocol `raw`: any key, any value. The entry is one line, without attributes:
 *
 *     1 <field for the key> <field for the value> LF
 *
 * A field is `=` and the bytes themselves, or `#` and the bytes in lower-case hex. The first form is used exactly when
 * every byte is printable ASCII (0x21 to 0x7e in a key, 0x20 to 0x7e in a value, which ends the line and may thus have
 * spaces); else the second. An empty value is `=`. So each pair has one entry, text stays readable, and nothing needs
 * to be escaped.
 *
 *     1 =release/1.2.3 =sha256 of the tarball: 9f86d081…       (readable text)
 *     1 =firmware #00ff                                         (value of two bytes)
 */

import { decodeHex, decodeUtf8, encodeHex, encodeUtf8 } from "../encoding.ts";
import {
  decodeEntry,
  encodeEntry,
  entryInvalid,
  MAX_ENTRY_SIZE_BYTES,
  mapKey,
  type Protocol,
} from "./protocol.ts";

/** A claim of protocol `raw`. */
export interface RawClaim {
  /** 1 to 1,024 bytes. */
  readonly key: Uint8Array;
  /** 0 to 30,720 bytes, so that it fits an entry in hex too. */
  readonly value: Uint8Array;
}

/** Longest key, in bytes. */
export const MAX_RAW_KEY_LENGTH = 1024;

/** Longest value, in bytes. */
export const MAX_RAW_VALUE_LENGTH = 30 * 1024;

/** Lowest byte that may stand for itself: a key ends at a space, a value at the LF. */
const KEY_FLOOR = 0x21;
const VALUE_FLOOR = 0x20;

function isReadable(bytes: Uint8Array, floor: number): boolean {
  return bytes.every((byte) => byte >= floor && byte <= 0x7e);
}

function formatField(bytes: Uint8Array, floor: number): string {
  return isReadable(bytes, floor) ? `=${decodeUtf8(bytes)}` : `#${encodeHex(bytes)}`;
}

function parseField(text: string, floor: number): Uint8Array {
  const body = text.slice(1);
  if (text.startsWith("=")) return encodeUtf8(body);
  if (!text.startsWith("#") || !/^(?:[0-9a-f]{2})+$/.test(body)) {
    throw entryInvalid("a field is = and text, or # and lower-case hex");
  }
  const bytes = decodeHex(body);
  if (isReadable(bytes, floor)) throw entryInvalid("printable text is written as text, not as hex");
  return bytes;
}

function checkLengths(key: Uint8Array, value: Uint8Array): void {
  if (key.length < 1 || key.length > MAX_RAW_KEY_LENGTH) throw entryInvalid("a key has 1 to 1,024 bytes");
  if (value.length > MAX_RAW_VALUE_LENGTH) throw entryInvalid("a value has at most 30,720 bytes");
}

/**
 * The statement of a claim, one line without LF.
 * @throws NixError `ENTRY_INVALID` when key or value is too short or too long
 */
export function formatRawStatement({ key, value }: RawClaim): string {
  checkLengths(key, value);
  return `1 ${formatField(key, KEY_FLOOR)} ${formatField(value, VALUE_FLOOR)}`;
}

/**
 * Reads a statement; accepts only what `formatRawStatement` can give.
 * @throws NixError `ENTRY_INVALID`
 */
export function parseRawStatement(text: string): RawClaim {
  if (text.length > MAX_ENTRY_SIZE_BYTES) throw entryInvalid("a statement is longer than an entry can be");
  const space = text.indexOf(" ", 2);
  if (!/^1 [ -~]+$/.test(text) || space < 0) throw entryInvalid("a statement is: 1 <key> <value>");
  const key = parseField(text.slice(2, space), KEY_FLOOR);
  const value = parseField(text.slice(space + 1), VALUE_FLOOR);
  checkLengths(key, value);
  return { key, value };
}

/** Map key of a raw key. */
export function rawMapKey(key: Uint8Array): Uint8Array {
  return mapKey("raw", key);
}

/**
 * The entry of a claim.
 * @throws NixError `ENTRY_INVALID`
 */
export function formatRawEntry(claim: RawClaim): Uint8Array {
  return encodeEntry(`${formatRawStatement(claim)}\n`);
}

function decodeRawEntry(entry: Uint8Array): string {
  const { statement, rest } = decodeEntry(entry);
  if (rest !== "") throw entryInvalid("the protocol raw has no attributes");
  return statement;
}

/**
 * The claim of an entry; accepts canonical entries only.
 * @throws NixError `ENTRY_INVALID`, `ENTRY_TOO_LARGE`
 */
export function parseRawEntry(entry: Uint8Array): RawClaim {
  return parseRawStatement(decodeRawEntry(entry));
}

/** The protocol `raw`. */
export const rawProtocol: Protocol = {
  name: "raw",
  parseEntry(entry) {
    const statement = decodeRawEntry(entry);
    return { key: rawMapKey(parseRawStatement(statement).key), statement, attributes: [] };
  },
  formatEntry({ statement, attributes }) {
    if (attributes.length > 0) throw entryInvalid("the protocol raw has no attributes");
    parseRawStatement(statement);
    return encodeEntry(`${statement}\n`);
  },
};
