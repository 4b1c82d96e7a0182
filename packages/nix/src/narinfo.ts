/**
 * narinfo: the text a binary cache serves at `/<hash part>.narinfo`, as Nix's nar-info.cc reads and writes it.
 *
 * Strict where Nix is (required fields, exactly ": " after a key, a final newline, base names in References),
 * tolerant where Nix is (unknown keys, any order, any hash spelling, missing Compression meaning bzip2, empty
 * References or CA before the real ones). Stricter on purpose: a repeated field is refused instead of one of the two
 * winning, and text that cannot be parsed never comes out of `formatNarInfo` again. Runs in browsers.
 */

import { type ContentAddress, formatContentAddress, parseContentAddress } from "./content-address.ts";
import { decodeUtf8, hasControlCharacter, parseDecimal } from "./encoding.ts";
import { NixError, quote } from "./errors.ts";
import type { Fingerprinted } from "./fingerprint.ts";
import { formatHash, type Hash, parseHash } from "./hash.ts";
import { formatSignature, parseSignature, type Signature } from "./keys.ts";
import {
  baseNameOf,
  DEFAULT_STORE_DIR,
  parseBaseName,
  parseStorePath,
  type StorePath,
  sortReferences,
} from "./store-path.ts";

/** The fields of a narinfo. */
export interface NarInfo extends Fingerprinted {
  /** Where the NAR is: relative to the cache root, or absolute. Opaque; resolve by RFC 3986, keep its query. */
  readonly url: string;
  /** How the NAR at `url` is compressed; `isCompression` tells whether Nix can read it. */
  readonly compression: string;
  /** Hash of the compressed file, of any algorithm. Nix never checks it. */
  readonly fileHash?: Hash | undefined;
  /** Bytes of the compressed file. Nix never checks it. */
  readonly fileSize?: number | undefined;
  /** The derivation that was built; absent when unknown. */
  readonly deriver?: StorePath | undefined;
  /** Signatures that parsed, in order. None of them is verified yet. */
  readonly signatures: readonly Signature[];
  /** Present on content-addressed paths. Not verified yet: see `provesItself`. */
  readonly contentAddress?: ContentAddress | undefined;
}

/** A narinfo from outside. */
export interface ParsedNarInfo extends NarInfo {
  /**
   * Values of `Sig` lines that are no signatures. Old Nix ignores them, Nix 2.34 refuses the whole narinfo, and a
   * wrong length is a hard error at all: `formatNarInfo` never writes them.
   */
  readonly malformedSignatures: readonly string[];
}

/** Limits and surroundings for `parseNarInfo`. */
export interface NarInfoOptions {
  /** The directory all paths must be in. Default `/nix/store`. */
  readonly storeDir?: string;
  /** Largest input in bytes (characters for a string). Default 1 MiB. */
  readonly maxSizeBytes?: number;
}

/** Largest narinfo that is parsed unless said otherwise, in bytes. */
export const MAX_NARINFO_SIZE_BYTES = 1024 * 1024;

/** Most `Sig` lines that are taken; real caches send one to five, and each costs a check later. */
const MAX_SIGNATURES = 100;

/** Values of `Compression` that Nix reads; those after `br` through libarchive. */
export const COMPRESSIONS: readonly string[] = [
  "none",
  "xz",
  "bzip2",
  "gzip",
  "zstd",
  "br",
  "compress",
  "grzip",
  "lrzip",
  "lz4",
  "lzip",
  "lzma",
  "lzop",
];

/** True for a value of `Compression` that Nix can read. `zst`, for one, is not. */
export function isCompression(text: string): boolean {
  return COMPRESSIONS.includes(text);
}

function invalid(why: string, options?: ErrorOptions & { line?: number }): NixError {
  return new NixError("NARINFO_INVALID", why, options);
}

/** The fields while lines come in; undefined until then. */
interface Draft {
  storePath?: StorePath;
  url?: string;
  compression?: string;
  fileHash?: Hash;
  fileSize?: number;
  narHash?: Hash;
  narSize?: number;
  references: StorePath[];
  hasDeriver: boolean;
  deriver?: StorePath;
  signatures: Signature[];
  malformedSignatures: string[];
  contentAddress?: ContentAddress;
}

function once(value: unknown, key: string): void {
  if (value !== undefined) throw invalid(`a second ${key}`);
}

function parseSize(text: string, key: string): number {
  const size = parseDecimal(text);
  if (size === undefined) throw invalid(`${key} is not a canonical integer: ${quote(text)}`);
  return size;
}

function readReferences(value: string, storeDir: string, references: StorePath[]): void {
  if (references.length > 0) throw invalid("a second References");
  for (let start = 0; start < value.length; ) {
    const space = value.indexOf(" ", start);
    const end = space < 0 ? value.length : space;
    if (end > start) references.push(parseBaseName(value.slice(start, end), storeDir));
    start = end + 1;
  }
}

function readField(draft: Draft, key: string, value: string, storeDir: string): void {
  switch (key) {
    case "StorePath":
      once(draft.storePath, key);
      draft.storePath = parseStorePath(value, storeDir);
      break;
    case "URL":
      once(draft.url, key);
      if (hasControlCharacter(value)) throw invalid("control character in URL");
      draft.url = value;
      break;
    case "Compression":
      once(draft.compression, key);
      if (hasControlCharacter(value)) throw invalid("control character in Compression");
      draft.compression = value;
      break;
    case "FileHash":
      once(draft.fileHash, key);
      draft.fileHash = parseHash(value);
      break;
    case "FileSize":
      once(draft.fileSize, key);
      draft.fileSize = parseSize(value, key);
      break;
    case "NarHash":
      once(draft.narHash, key);
      draft.narHash = parseHash(value); // with its algorithm, as Nix wants it
      break;
    case "NarSize":
      once(draft.narSize, key);
      draft.narSize = parseSize(value, key);
      break;
    case "References":
      readReferences(value, storeDir, draft.references);
      break;
    case "Deriver":
      if (draft.hasDeriver) throw invalid("a second Deriver");
      draft.hasDeriver = true;
      if (value !== "unknown-deriver") draft.deriver = parseBaseName(value, storeDir);
      break;
    case "Sig":
      if (draft.signatures.length + draft.malformedSignatures.length >= MAX_SIGNATURES) {
        throw invalid(`more than ${MAX_SIGNATURES} signatures`);
      }
      try {
        draft.signatures.push(parseSignature(value));
      } catch {
        draft.malformedSignatures.push(value);
      }
      break;
    case "CA":
      once(draft.contentAddress, key);
      if (value !== "") draft.contentAddress = parseContentAddress(value);
      break;
    default: // Nix ignores what it does not know, such as System.
  }
}

/**
 * The fields of a narinfo. References come out sorted and unique, hashes in normal form, so that
 * `formatFingerprint` of the result is what its signatures cover.
 * @param input hostile bytes (UTF-8) or text
 * @throws NixError `NARINFO_INVALID` with the line, `TOO_LARGE`, `UTF8_INVALID`
 */
export function parseNarInfo(input: Uint8Array | string, options: NarInfoOptions = {}): ParsedNarInfo {
  const { storeDir = DEFAULT_STORE_DIR, maxSizeBytes = MAX_NARINFO_SIZE_BYTES } = options;
  if (input.length > maxSizeBytes) {
    throw new NixError("TOO_LARGE", `a narinfo of ${input.length} bytes; at most ${maxSizeBytes}`);
  }
  const text = typeof input === "string" ? input : decodeUtf8(input);
  const draft: Draft = { references: [], hasDeriver: false, signatures: [], malformedSignatures: [] };
  let line = 1;
  for (let start = 0; start < text.length; line++) {
    const end = text.indexOf("\n", start);
    if (end < 0) throw invalid("no newline at the end: cut off?", { line });
    const colon = text.indexOf(":", start);
    if (colon < 0 || colon >= end || text.charCodeAt(colon + 1) !== 0x20) {
      throw invalid(`not "Key: value": ${quote(text.slice(start, Math.min(end, start + 100)))}`, { line });
    }
    const key = text.slice(start, colon);
    try {
      readField(draft, key, text.slice(colon + 2, end), storeDir);
    } catch (cause) {
      if (!(cause instanceof NixError)) throw cause;
      throw invalid(`${key}: ${cause.message}`, { line, cause });
    }
    start = end + 1;
  }
  const { storePath, url, narHash, narSize } = draft;
  if (storePath === undefined) throw invalid("no StorePath");
  if (url === undefined || url === "") throw invalid("no URL");
  if (narHash === undefined) throw invalid("no NarHash");
  if (narHash.algorithm !== "sha256") throw invalid("NarHash is not sha256");
  if (narSize === undefined || narSize === 0) throw invalid("no NarSize, or 0");
  return {
    storePath,
    url,
    compression: draft.compression || "bzip2",
    fileHash: draft.fileHash,
    fileSize: draft.fileSize,
    narHash,
    narSize,
    references: sortReferences(draft.references),
    deriver: draft.deriver,
    signatures: draft.signatures,
    contentAddress: draft.contentAddress,
    malformedSignatures: draft.malformedSignatures,
  };
}

/** A value that will be one line. */
function word(value: string, key: string): string {
  if (value === "" || hasControlCharacter(value)) throw invalid(`${key} is empty or has a control character`);
  return value;
}

/**
 * A narinfo in Nix's own order, hashes in nix32. What is absent has no line, except References, which is always there.
 * @throws NixError `NARINFO_INVALID` when URL or Compression would break the line format, NarHash is not sha256, or a
 * size is none; `HASH_INVALID`, `SIGNATURE_INVALID` for those that could not be parsed again
 */
export function formatNarInfo(info: NarInfo): string {
  if (info.narHash.algorithm !== "sha256") throw invalid("NarHash is not sha256");
  if (!Number.isSafeInteger(info.narSize) || info.narSize < 1) throw invalid("NarSize is not at least 1");
  let text = `StorePath: ${info.storePath}\nURL: ${word(info.url, "URL")}\nCompression: ${word(info.compression, "Compression")}\n`;
  if (info.fileHash !== undefined) text += `FileHash: ${formatHash(info.fileHash)}\n`;
  if (info.fileSize !== undefined) {
    if (!Number.isSafeInteger(info.fileSize) || info.fileSize < 0) throw invalid("FileSize is not a size");
    text += `FileSize: ${info.fileSize}\n`;
  }
  text += `NarHash: ${formatHash(info.narHash)}\nNarSize: ${info.narSize}\nReferences: `;
  const references = sortReferences(info.references);
  for (let i = 0; i < references.length; i++) text += (i === 0 ? "" : " ") + baseNameOf(references[i]!);
  text += "\n";
  if (info.deriver !== undefined) text += `Deriver: ${baseNameOf(info.deriver)}\n`;
  for (const signature of info.signatures) text += `Sig: ${formatSignature(signature)}\n`;
  if (info.contentAddress !== undefined) text += `CA: ${formatContentAddress(info.contentAddress)}\n`;
  return text;
}
