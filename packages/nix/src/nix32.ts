/**
 * Nix's base-32 ("nix32"): little-endian 5-bit digits, most significant first, no padding, no letters e o u t.
 * It shares nothing with RFC 4648 base-32 but the number 32. Runs in browsers.
 */

import { digit, digitTable } from "./encoding.ts";
import { NixError, quote } from "./errors.ts";

const ALPHABET = "0123456789abcdfghijklmnpqrsvwxyz";
const DIGITS = /* @__PURE__ */ digitTable(ALPHABET);

/** Number of nix32 characters for a number of bytes: 20 → 32, 32 → 52. */
export function nix32Length(sizeBytes: number): number {
  return Math.ceil((sizeBytes * 8) / 5);
}

/** nix32 text of bytes. */
export function encodeNix32(bytes: Uint8Array): string {
  let text = "";
  for (let i = nix32Length(bytes.length) - 1; i >= 0; i--) {
    const byte = (i * 5) >> 3;
    const shift = (i * 5) & 7;
    const word = bytes[byte]! | (byte + 1 < bytes.length ? bytes[byte + 1]! << 8 : 0);
    text += ALPHABET[(word >> shift) & 31]!;
  }
  return text;
}

/**
 * Bytes of nix32 text. Stricter than Nix: the unused high bits of the first character must be zero, so that every
 * value has one spelling.
 * @throws NixError `NIX32_INVALID` for a foreign character, an impossible length, or overflow bits
 */
export function decodeNix32(text: string): Uint8Array {
  const bytes = new Uint8Array(Math.floor((text.length * 5) / 8));
  if (nix32Length(bytes.length) !== text.length) {
    throw new NixError(
      "NIX32_INVALID",
      `nix32 text cannot be ${text.length} characters long: ${quote(text)}`,
    );
  }
  // Digits come in with the least significant first; `pending` holds the `bits` bits that do not fill a byte yet.
  let pending = 0;
  let bits = 0;
  let out = 0;
  for (let i = text.length - 1; i >= 0; i--) {
    const value = digit(DIGITS, text.charCodeAt(i));
    if (value === 255) throw new NixError("NIX32_INVALID", `not a nix32 character at ${i}: ${quote(text)}`);
    pending |= value << bits;
    bits += 5;
    if (bits >= 8) {
      bytes[out++] = pending;
      pending >>= 8;
      bits -= 8;
    }
  }
  if (pending !== 0) throw new NixError("NIX32_INVALID", `nix32 text with overflow bits: ${quote(text)}`);
  return bytes;
}
