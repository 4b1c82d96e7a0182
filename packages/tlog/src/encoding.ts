/**
 * The encodings that all C2SP log formats share: base64 (RFC 4648 section 4), decimal, hex and UTF-8.
 * Decoders accept exactly one spelling of a value, so that `encode(decode(x)) === x` always holds.
 */
import { TlogError } from "./errors.ts";

const ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
const PADDING = 0x3d;

/** ASCII code to six-bit value; 64 marks a character outside the alphabet. */
const SEXTETS = new Uint8Array(128).fill(64);
for (let i = 0; i < 64; i++) SEXTETS[ALPHABET.charCodeAt(i)] = i;

const HEX_DIGITS = "0123456789abcdef";

const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** Standard base64 with padding. */
export function encodeBase64(bytes: Uint8Array): string {
  const whole = bytes.length - (bytes.length % 3);
  let text = "";
  for (let i = 0; i < whole; i += 3) {
    const group = (bytes[i]! << 16) | (bytes[i + 1]! << 8) | bytes[i + 2]!;
    text +=
      ALPHABET[group >> 18]! +
      ALPHABET[(group >> 12) & 63]! +
      ALPHABET[(group >> 6) & 63]! +
      ALPHABET[group & 63]!;
  }
  if (bytes.length - whole === 1) {
    const group = bytes[whole]! << 4;
    text += `${ALPHABET[group >> 6]!}${ALPHABET[group & 63]!}==`;
  } else if (bytes.length - whole === 2) {
    const group = (bytes[whole]! << 10) | (bytes[whole + 1]! << 2);
    text += `${ALPHABET[group >> 12]!}${ALPHABET[(group >> 6) & 63]!}${ALPHABET[group & 63]!}=`;
  }
  return text;
}

/**
 * Decodes standard base64 in its one canonical spelling: full padding, no white space, unused bits zero.
 * @param maxBytes longest accepted result; checked before anything is allocated.
 * @throws TlogError BASE64_INVALID
 */
export function decodeBase64(text: string, maxBytes: number): Uint8Array<ArrayBuffer> {
  const length = text.length;
  if (length % 4 !== 0) throw new TlogError("BASE64_INVALID", "base64 length is not a multiple of four");
  const padding =
    length === 0 || text.charCodeAt(length - 1) !== PADDING
      ? 0
      : text.charCodeAt(length - 2) !== PADDING
        ? 1
        : 2;
  const size = (length / 4) * 3 - padding;
  if (size > maxBytes) throw new TlogError("BASE64_INVALID", `base64 holds ${size} bytes, limit ${maxBytes}`);
  const bytes = new Uint8Array(size);
  const digits = length - padding;
  let at = 0;
  let pending = 0;
  let bits = 0;
  for (let i = 0; i < digits; i++) {
    const code = text.charCodeAt(i);
    const sextet = code < 128 ? SEXTETS[code]! : 64;
    if (sextet === 64)
      throw new TlogError("BASE64_INVALID", `base64 has an invalid character at offset ${i}`);
    pending = ((pending << 6) | sextet) & 0xffff;
    bits += 6;
    if (bits >= 8) {
      bits -= 8;
      bytes[at++] = pending >> bits;
    }
  }
  if ((pending & ((1 << bits) - 1)) !== 0) {
    throw new TlogError("BASE64_INVALID", "base64 has non-zero unused bits in its last character");
  }
  return bytes;
}

/**
 * Decodes canonical base64 of exactly `size` bytes, such as a 32-byte hash.
 * @throws TlogError BASE64_INVALID
 */
export function decodeBase64Exact(text: string, size: number): Uint8Array<ArrayBuffer> {
  const bytes = decodeBase64(text, size);
  if (bytes.length !== size) {
    throw new TlogError("BASE64_INVALID", `base64 holds ${bytes.length} bytes, expected ${size}`);
  }
  return bytes;
}

/**
 * A canonical non-negative decimal: ASCII digits, no sign, no leading zero, at most 2^53 - 1.
 * @throws TlogError INTEGER_INVALID
 */
export function parseDecimal(text: string): number {
  const value = /^(?:0|[1-9][0-9]{0,15})$/.test(text) ? Number(text) : Number.NaN;
  if (!Number.isSafeInteger(value)) {
    throw new TlogError(
      "INTEGER_INVALID",
      "expected a decimal number without leading zero, at most 2^53 - 1",
    );
  }
  return value;
}

/** Lowercase hexadecimal. */
export function encodeHex(bytes: Uint8Array): string {
  let text = "";
  for (const byte of bytes) text += HEX_DIGITS[byte >> 4]! + HEX_DIGITS[byte & 15]!;
  return text;
}

/**
 * Decodes lowercase hexadecimal of exactly `size` bytes.
 * @throws TlogError HEX_INVALID
 */
export function decodeHex(text: string, size: number): Uint8Array<ArrayBuffer> {
  if (text.length !== size * 2 || !/^[0-9a-f]*$/.test(text)) {
    throw new TlogError("HEX_INVALID", `expected ${size * 2} lowercase hexadecimal digits`);
  }
  const bytes = new Uint8Array(size);
  for (let i = 0; i < size; i++) bytes[i] = Number.parseInt(text.slice(i * 2, i * 2 + 2), 16);
  return bytes;
}

/**
 * The UTF-8 bytes of a string.
 * @throws TlogError UTF8_INVALID if the string has a lone surrogate
 */
export function encodeUtf8(text: string): Uint8Array<ArrayBuffer> {
  if (!text.isWellFormed()) throw new TlogError("UTF8_INVALID", "string has a lone surrogate");
  return encoder.encode(text);
}

/**
 * Decodes UTF-8 without repairs; a byte order mark is kept as U+FEFF.
 * @throws TlogError UTF8_INVALID
 */
export function decodeUtf8(bytes: Uint8Array): string {
  try {
    return decoder.decode(bytes);
  } catch (cause) {
    throw new TlogError("UTF8_INVALID", "bytes are not valid UTF-8", { cause });
  }
}

/** The byte strings one after another, in a new array. */
export function concatBytes(...parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  let size = 0;
  for (const part of parts) size += part.length;
  const bytes = new Uint8Array(size);
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}

/** Whether two byte strings are the same. Not constant-time: for public values only. */
export function equalBytes(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}
