/**
 * The fingerprint of a store path: what a narinfo signature covers and, in Trustix, what a builder states.
 *
 *     1;<store path>;sha256:<52 nix32>;<NAR size>;<references, full paths, sorted, comma-joined>
 *
 * URL, Compression, FileHash, FileSize, Deriver, CA and System are not covered. Runs in browsers.
 */

import { encodeUtf8, parseDecimal } from "./encoding.ts";
import { NixError, quote } from "./errors.ts";
import { formatHash, type Hash } from "./hash.ts";
import { decodeNix32 } from "./nix32.ts";
import { DEFAULT_STORE_DIR, type StorePath, sortReferences, storePathFault } from "./store-path.ts";

/** The facts that a fingerprint covers. A `NarInfo` and a `PathInfo` are such facts too. */
export interface Fingerprinted {
  readonly storePath: StorePath;
  /** SHA-256 of the uncompressed NAR. */
  readonly narHash: Hash;
  /** Bytes of the uncompressed NAR, at least 1. */
  readonly narSize: number;
  /** Full paths; in any order for `formatFingerprint`, sorted and unique from `parseFingerprint`. */
  readonly references: readonly StorePath[];
}

/** Longest fingerprint that is parsed, in characters; the largest real ones have some thousand references. */
export const MAX_FINGERPRINT_LENGTH = 4 * 1024 * 1024;

/** The fields of a fingerprint before the references, and where in the text these begin. */
interface FingerprintFields extends Omit<Fingerprinted, "references"> {
  readonly referencesStart: number;
}

function invalid(why: string, cause?: unknown): NixError {
  return new NixError("FINGERPRINT_INVALID", why, { cause });
}

/** Splits a fingerprint and checks all but the references. */
export function parseFingerprintFields(text: string, storeDir: string): FingerprintFields {
  if (text.length > MAX_FINGERPRINT_LENGTH) {
    throw new NixError(
      "TOO_LARGE",
      `a fingerprint of ${text.length} characters; at most ${MAX_FINGERPRINT_LENGTH}`,
    );
  }
  if (!text.startsWith("1;")) throw invalid(`a fingerprint begins with "1;", not ${quote(text, 20)}`);
  const pathEnd = text.indexOf(";", 2);
  const hashEnd = text.indexOf(";", pathEnd + 1);
  const sizeEnd = text.indexOf(";", hashEnd + 1);
  if (pathEnd < 0 || hashEnd <= pathEnd || sizeEnd <= hashEnd) {
    throw invalid("a fingerprint has five fields, separated by semicolons");
  }
  const narSize = parseDecimal(text.slice(hashEnd + 1, sizeEnd));
  if (narSize === undefined || narSize < 1)
    throw invalid("the NAR size is not a canonical integer of at least 1");
  if (!text.startsWith("sha256:", pathEnd + 1) || hashEnd - pathEnd !== 1 + 7 + 52) {
    throw invalid("the NAR hash is not sha256:<52 characters of nix32>");
  }
  const fault = storePathFault(text, 2, pathEnd, storeDir);
  if (fault !== undefined) throw invalid(`the store path is malformed: ${fault}`);
  let bytes: Uint8Array;
  try {
    bytes = decodeNix32(text.slice(pathEnd + 8, hashEnd));
  } catch (cause) {
    throw invalid("the NAR hash is malformed", cause);
  }
  return {
    storePath: text.slice(2, pathEnd) as StorePath,
    narHash: { algorithm: "sha256", bytes },
    narSize,
    referencesStart: sizeEnd + 1,
  };
}

/**
 * References at the end of a fingerprint, from an offset on: full paths, strictly ascending, comma-joined. Read in
 * place, as scanning a slice costs twice as much.
 * @throws NixError `FINGERPRINT_INVALID`
 */
export function parseReferences(text: string, offset: number, storeDir: string): readonly StorePath[] {
  const references: StorePath[] = [];
  if (offset === text.length) return references;
  let previous = "";
  for (let start = offset; start <= text.length; ) {
    const comma = text.indexOf(",", start);
    const end = comma < 0 ? text.length : comma;
    const fault = storePathFault(text, start, end, storeDir);
    if (fault !== undefined) throw invalid(`reference ${references.length + 1} is malformed: ${fault}`);
    const reference = text.slice(start, end) as StorePath;
    if (reference <= previous)
      throw invalid(`reference ${references.length + 1} is out of order or repeated`);
    references.push(reference);
    previous = reference;
    start = end + 1;
  }
  return references;
}

/** Text of references in a fingerprint: sorted, unique, comma-joined; empty for none. */
export function formatReferences(references: readonly StorePath[]): string {
  return sortReferences(references).join(",");
}

/** A fingerprint up to and with the semicolon before its references. */
export function formatFingerprintHead(facts: Omit<Fingerprinted, "references">): string {
  if (facts.narHash.algorithm !== "sha256" || facts.narHash.bytes.length !== 32) {
    throw invalid("a fingerprint needs a sha256 NAR hash");
  }
  if (!Number.isSafeInteger(facts.narSize) || facts.narSize < 1) {
    throw invalid("a fingerprint needs a NAR size of at least 1");
  }
  return `1;${facts.storePath};${formatHash(facts.narHash)};${facts.narSize};`;
}

/**
 * The fingerprint of a store path: exactly the text that Nix signs.
 * @throws NixError `FINGERPRINT_INVALID` when the NAR hash is not sha256 or the NAR size not at least 1
 */
export function formatFingerprint(facts: Fingerprinted): string {
  return formatFingerprintHead(facts) + formatReferences(facts.references);
}

/** The bytes that a signature covers: UTF-8 of `formatFingerprint`. */
export function fingerprintBytes(facts: Fingerprinted): Uint8Array {
  return encodeUtf8(formatFingerprint(facts));
}

/**
 * The facts of a fingerprint. Only the canonical text is accepted: `formatFingerprint` of the result is the argument.
 * @param storeDir the directory that all its paths must be in
 * @throws NixError `FINGERPRINT_INVALID`, `TOO_LARGE`
 */
export function parseFingerprint(text: string, storeDir: string = DEFAULT_STORE_DIR): Fingerprinted {
  const fields = parseFingerprintFields(text, storeDir);
  return {
    storePath: fields.storePath,
    narHash: fields.narHash,
    narSize: fields.narSize,
    references: parseReferences(text, fields.referencesStart, storeDir),
  };
}
