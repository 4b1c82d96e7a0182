/**
 * Hashes in every spelling Nix reads or writes: `sha256:<nix32>`, `sha256:<hex>`, `sha256:<base64>`, SRI
 * `sha256-<base64>`, bare digits where the algorithm is known, and the JSON object of Nix 2.33.
 * All become one normal form, algorithm and bytes; comparing spellings is always a mistake. Runs in browsers.
 */

import { decodeBase64, decodeHex, encodeBase64, encodeHex, equalBytes } from "./encoding.ts";
import { NixError, quote } from "./errors.ts";
import { decodeNix32, encodeNix32, nix32Length } from "./nix32.ts";

/** The hash algorithms of Nix; `blake3` since Nix 2.30. */
export type HashAlgorithm = "md5" | "sha1" | "sha256" | "sha512" | "blake3";

/** A hash in normal form. */
export interface Hash {
  readonly algorithm: HashAlgorithm;
  /** As many bytes as the algorithm has: 16, 20, 32, 64 or 32. */
  readonly bytes: Uint8Array;
}

/** How `formatHash` spells: the first three with the prefix `<algorithm>:`, `sri` as `<algorithm>-<base64>`. */
export type HashSpelling = "nix32" | "hex" | "base64" | "sri";

const SIZES: Readonly<Record<HashAlgorithm, number>> = {
  md5: 16,
  sha1: 20,
  sha256: 32,
  sha512: 64,
  blake3: 32,
};

/** The longest text worth looking at: `sha512:` with 128 hex digits, and room for the message of an error. */
const MAX_LENGTH = 256;

function isAlgorithm(text: string): text is HashAlgorithm {
  return Object.hasOwn(SIZES, text);
}

function invalid(text: string, why: string, cause?: unknown): NixError {
  return new NixError("HASH_INVALID", `${why}: ${quote(text)}`, { cause });
}

function sized(algorithm: HashAlgorithm, bytes: Uint8Array, text: string): Hash {
  if (bytes.length === SIZES[algorithm]) return { algorithm, bytes };
  throw invalid(text, `${algorithm} has ${SIZES[algorithm]} bytes, not ${bytes.length}`);
}

/** Digits without prefix: the length tells nix32, hex and base64 apart, as in Nix. */
function parseDigits(algorithm: HashAlgorithm, digits: string, text: string): Hash {
  const size = SIZES[algorithm];
  try {
    if (digits.length === nix32Length(size)) return { algorithm, bytes: decodeNix32(digits) };
    if (digits.length === size * 2) return { algorithm, bytes: decodeHex(digits) };
    return sized(algorithm, decodeBase64(digits), text);
  } catch (cause) {
    throw invalid(text, `wrong digits or length for ${algorithm}`, cause);
  }
}

/**
 * A hash from any text spelling.
 * @param text the hash, with or without its algorithm
 * @param algorithm what the hash must be; required when the text does not say so itself
 * @throws NixError `HASH_INVALID`
 */
export function parseHash(text: string, algorithm?: HashAlgorithm): Hash {
  if (text.length > MAX_LENGTH) throw invalid(text, "too long for a hash");
  const separator = text.search(/[:-]/);
  if (separator < 0) {
    if (algorithm === undefined) throw invalid(text, "a hash needs its algorithm, as in sha256:<digits>");
    return parseDigits(algorithm, text, text);
  }
  const named = text.slice(0, separator);
  if (!isAlgorithm(named)) throw invalid(text, "unknown hash algorithm");
  if (algorithm !== undefined && named !== algorithm) throw invalid(text, `expected a ${algorithm} hash`);
  const digits = text.slice(separator + 1);
  if (text.charCodeAt(separator) === 0x3a) return parseDigits(named, digits, text);
  let bytes: Uint8Array;
  try {
    bytes = decodeBase64(digits);
  } catch (cause) {
    throw invalid(text, "wrong base64 after the algorithm", cause);
  }
  return sized(named, bytes, text);
}

/**
 * A hash from JSON: any text spelling, or the object `{algorithm, format, hash}` whose format is one of `base16`,
 * `nix32` (also `base32`), `base64` and `sri`.
 * @throws NixError `HASH_INVALID`
 */
export function parseHashJson(value: unknown, algorithm?: HashAlgorithm): Hash {
  if (typeof value === "string") return parseHash(value, algorithm);
  if (typeof value !== "object" || value === null) throw invalid(String(value), "not a hash");
  const { algorithm: named, format, hash } = value as Readonly<Record<string, unknown>>;
  if (typeof named !== "string" || typeof format !== "string" || typeof hash !== "string") {
    throw invalid("", "a hash object needs the texts algorithm, format and hash");
  }
  if (!isAlgorithm(named)) throw invalid(named, "unknown hash algorithm");
  if (algorithm !== undefined && named !== algorithm) throw invalid(named, `expected a ${algorithm} hash`);
  if (hash.length > MAX_LENGTH) throw invalid(hash, "too long for a hash");
  if (format === "sri") return parseHash(hash, named);
  try {
    if (format === "base16") return sized(named, decodeHex(hash), hash);
    if (format === "nix32" || format === "base32") return sized(named, decodeNix32(hash), hash);
    if (format === "base64") return sized(named, decodeBase64(hash), hash);
  } catch (cause) {
    throw invalid(hash, `wrong ${format} for ${named}`, cause);
  }
  throw invalid(format, "unknown hash format");
}

/**
 * A hash as text, with its algorithm. Canonical in Nix's own files is `nix32`.
 * @throws NixError `HASH_INVALID` when there are not as many bytes as the algorithm has
 */
export function formatHash(hash: Hash, spelling: HashSpelling = "nix32"): string {
  sized(hash.algorithm, hash.bytes, "");
  switch (spelling) {
    case "nix32":
      return `${hash.algorithm}:${encodeNix32(hash.bytes)}`;
    case "hex":
      return `${hash.algorithm}:${encodeHex(hash.bytes)}`;
    case "base64":
      return `${hash.algorithm}:${encodeBase64(hash.bytes)}`;
    case "sri":
      return `${hash.algorithm}-${encodeBase64(hash.bytes)}`;
    default:
      return spelling satisfies never;
  }
}

/** True when both are the same algorithm and bytes. */
export function equalHash(a: Hash, b: Hash): boolean {
  return a.algorithm === b.algorithm && equalBytes(a.bytes, b.bytes);
}
