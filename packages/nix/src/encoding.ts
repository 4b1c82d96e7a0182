/**
 * Text encodings of bytes, strict: one spelling for each value, everything else is refused.
 * Base64 is RFC 4648 section 4 with padding and zero trailing bits. Runs in browsers.
 */

import { NixError, quote } from "./errors.ts";

const BASE64_ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
/** Char code of `A`, the digit 0, which padding stands for. */
const ZERO_DIGIT = 0x41;
const HEX_ALPHABET = "0123456789abcdef";

/** Table from char code (0..127) to digit value; 255 where the character is no digit. */
export function digitTable(alphabet: string): Uint8Array {
  const table = new Uint8Array(128).fill(255);
  for (let i = 0; i < alphabet.length; i++) table[alphabet.charCodeAt(i)] = i;
  return table;
}

const BASE64_DIGITS = /* @__PURE__ */ digitTable(BASE64_ALPHABET);
const HEX_DIGITS = /* @__PURE__ */ (() => {
  const table = digitTable(HEX_ALPHABET);
  for (let i = 10; i < 16; i++) table[HEX_ALPHABET.charCodeAt(i) - 32] = i;
  return table;
})();

const encoder = /* @__PURE__ */ new TextEncoder();
const strictDecoder = /* @__PURE__ */ new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** Value of a digit in a table of `digitTable`, 255 for any other character. */
export function digit(table: Uint8Array, charCode: number): number {
  return charCode < 128 ? table[charCode]! : 255;
}

/** Base64 text (standard alphabet, padded) of bytes. */
export function encodeBase64(bytes: Uint8Array): string {
  let text = "";
  const whole = bytes.length - (bytes.length % 3);
  for (let i = 0; i < whole; i += 3) {
    const word = (bytes[i]! << 16) | (bytes[i + 1]! << 8) | bytes[i + 2]!;
    text +=
      BASE64_ALPHABET[word >> 18]! +
      BASE64_ALPHABET[(word >> 12) & 63]! +
      BASE64_ALPHABET[(word >> 6) & 63]! +
      BASE64_ALPHABET[word & 63]!;
  }
  if (bytes.length - whole === 1) {
    const word = bytes[whole]!;
    text += `${BASE64_ALPHABET[word >> 2]}${BASE64_ALPHABET[(word & 3) << 4]}==`;
  } else if (bytes.length - whole === 2) {
    const word = (bytes[whole]! << 8) | bytes[whole + 1]!;
    text += `${BASE64_ALPHABET[word >> 10]}${BASE64_ALPHABET[(word >> 4) & 63]}${BASE64_ALPHABET[(word & 15) << 2]}=`;
  }
  return text;
}

/**
 * Bytes of canonical base64: padded, no white space, zero trailing bits.
 * @throws NixError `BASE64_INVALID`
 */
export function decodeBase64(text: string): Uint8Array {
  const bad = () => new NixError("BASE64_INVALID", `not canonical base64: ${quote(text)}`);
  if (text.length % 4 !== 0) throw bad();
  if (text.length === 0) return new Uint8Array(0);
  const padding = text.endsWith("==") ? 2 : text.endsWith("=") ? 1 : 0;
  const bytes = new Uint8Array((text.length / 4) * 3 - padding);
  let out = 0;
  for (let i = 0; i < text.length; i += 4) {
    const isLast = i + 4 === text.length;
    const c0 = text.charCodeAt(i);
    const c1 = text.charCodeAt(i + 1);
    const c2 = isLast && padding === 2 ? ZERO_DIGIT : text.charCodeAt(i + 2);
    const c3 = isLast && padding > 0 ? ZERO_DIGIT : text.charCodeAt(i + 3);
    if ((c0 | c1 | c2 | c3) > 127) throw bad();
    const d0 = BASE64_DIGITS[c0]!;
    const d1 = BASE64_DIGITS[c1]!;
    const d2 = BASE64_DIGITS[c2]!;
    const d3 = BASE64_DIGITS[c3]!;
    if ((d0 | d1 | d2 | d3) > 63) throw bad();
    const word = (d0 << 18) | (d1 << 12) | (d2 << 6) | d3;
    // Bits that the padding cuts off must be zero.
    if (isLast && (word & ((1 << (8 * padding)) - 1)) !== 0) throw bad();
    bytes[out++] = word >> 16;
    if (out < bytes.length) bytes[out++] = word >> 8;
    if (out < bytes.length) bytes[out++] = word;
  }
  return bytes;
}

/** Lower-case hexadecimal text of bytes. */
export function encodeHex(bytes: Uint8Array): string {
  let text = "";
  for (const byte of bytes) text += HEX_ALPHABET[byte >> 4]! + HEX_ALPHABET[byte & 15]!;
  return text;
}

/**
 * Bytes of hexadecimal text. Upper case is accepted, as Nix does; a caller who needs one spelling compares with
 * `encodeHex`.
 * @throws NixError `HEX_INVALID`
 */
export function decodeHex(text: string): Uint8Array {
  if (text.length % 2 !== 0) throw new NixError("HEX_INVALID", `odd number of hex digits: ${quote(text)}`);
  const bytes = new Uint8Array(text.length / 2);
  for (let i = 0; i < bytes.length; i++) {
    const high = digit(HEX_DIGITS, text.charCodeAt(2 * i));
    const low = digit(HEX_DIGITS, text.charCodeAt(2 * i + 1));
    if ((high | low) > 15) throw new NixError("HEX_INVALID", `not hexadecimal: ${quote(text)}`);
    bytes[i] = (high << 4) | low;
  }
  return bytes;
}

/** UTF-8 bytes of text. Lone surrogates become U+FFFD, as everywhere in the platform. */
export function encodeUtf8(text: string): Uint8Array {
  // Short ASCII, which nearly everything here is, is several times faster by hand.
  if (text.length > 64) return encoder.encode(text);
  const bytes = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code > 0x7f) return encoder.encode(text);
    bytes[i] = code;
  }
  return bytes;
}

/**
 * Text of UTF-8 bytes; a byte order mark is kept as a character.
 * @throws NixError `UTF8_INVALID`
 */
export function decodeUtf8(bytes: Uint8Array): string {
  try {
    return strictDecoder.decode(bytes);
  } catch (cause) {
    throw new NixError("UTF8_INVALID", "not valid UTF-8", { cause });
  }
}

/** True when both have the same bytes. Not constant-time: for public values only. */
export function equalBytes(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}

/** One array with the bytes of all parts in order. */
export function concatBytes(...parts: readonly Uint8Array[]): Uint8Array {
  let length = 0;
  for (const part of parts) length += part.length;
  const whole = new Uint8Array(length);
  let offset = 0;
  for (const part of parts) {
    whole.set(part, offset);
    offset += part.length;
  }
  return whole;
}

/**
 * A non-negative safe integer from decimal digits without sign or leading zeros; undefined for anything else.
 */
export function parseDecimal(text: string): number | undefined {
  const length = text.length;
  if (length === 0 || length > 16 || (length > 1 && text.charCodeAt(0) === 0x30)) return undefined;
  let value = 0;
  for (let i = 0; i < length; i++) {
    const d = text.charCodeAt(i) - 0x30;
    if (d < 0 || d > 9) return undefined;
    value = value * 10 + d;
  }
  return value <= Number.MAX_SAFE_INTEGER ? value : undefined;
}

/** True when text has a character below U+0020 or U+007F: never wanted in a line-based format. */
export function hasControlCharacter(text: string): boolean {
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code < 0x20 || code === 0x7f) return true;
  }
  return false;
}
