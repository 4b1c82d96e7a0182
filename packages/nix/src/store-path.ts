/**
 * Store paths: `<store directory>/<32 characters of nix32>-<name>`, by the rules of Nix's `StorePath` and `checkName`.
 * Only ASCII can pass, so that JavaScript's string order is Nix's byte order. Runs in browsers.
 */

import { NixError, quote } from "./errors.ts";

/** A full store path that has been checked, such as `/nix/store/<hash part>-hello-2.12`. */
export type StorePath = string & { readonly "~storePath": true };

/** The store directory of nearly every Nix in the world. */
export const DEFAULT_STORE_DIR = "/nix/store";

/** Longest name after the hash part and its dash, in characters. */
export const MAX_NAME_LENGTH = 211;

/** Characters of the hash part: 20 bytes in nix32. */
export const HASH_PART_LENGTH = 32;

const HASH_CHARACTER = 1;
const NAME_CHARACTER = 2;

/** Per ASCII character: whether it may stand in a hash part, in a name. */
const CLASSES = /* @__PURE__ */ (() => {
  const classes = new Uint8Array(128);
  const mark = (text: string, bit: number) => {
    for (let i = 0; i < text.length; i++) classes[text.charCodeAt(i)]! |= bit;
  };
  const letters = "abcdefghijklmnopqrstuvwxyz";
  mark("0123456789abcdfghijklmnpqrsvwxyz", HASH_CHARACTER);
  mark(`0123456789${letters}${letters.toUpperCase()}+-._?=`, NAME_CHARACTER);
  return classes;
})();

function isOf(charClass: number, charCode: number): boolean {
  return charCode < 128 && (CLASSES[charCode]! & charClass) !== 0;
}

/** What is wrong with the name in a part of a text; undefined when nothing is. */
function nameFault(text: string, start: number, end: number): string | undefined {
  const length = end - start;
  if (length <= 0) return "the name is empty";
  if (length > MAX_NAME_LENGTH) return `the name is longer than ${MAX_NAME_LENGTH} characters`;
  for (let i = start; i < end; i++) {
    if (!isOf(NAME_CHARACTER, text.charCodeAt(i))) return "the name has a character that Nix forbids";
  }
  if (text.charCodeAt(start) === 0x2e) {
    const dots = length > 1 && text.charCodeAt(start + 1) === 0x2e ? 2 : 1;
    if (length === dots || text.charCodeAt(start + dots) === 0x2d)
      return "the name is or begins with a dot component";
  }
  return undefined;
}

/** What is wrong with the base name in a part of a text; undefined when nothing is. */
function baseNameFault(text: string, start: number, end: number): string | undefined {
  const dash = start + HASH_PART_LENGTH;
  if (end <= dash) return "too short for a hash part and a name";
  for (let i = start; i < dash; i++) {
    if (!isOf(HASH_CHARACTER, text.charCodeAt(i))) return "the hash part is not nix32";
  }
  if (text.charCodeAt(dash) !== 0x2d) return "no dash after the hash part";
  return nameFault(text, dash + 1, end);
}

/** What is wrong with the store path in a part of a text; undefined when nothing is. */
export function storePathFault(
  text: string,
  start: number,
  end: number,
  storeDir: string,
): string | undefined {
  const slash = start + storeDir.length;
  if (!text.startsWith(storeDir, start) || text.charCodeAt(slash) !== 0x2f)
    return `not a path in ${storeDir}`;
  return baseNameFault(text, slash + 1, end);
}

function invalid(text: string, why: string): NixError {
  return new NixError("STORE_PATH_INVALID", `${why}: ${quote(text, 300)}`);
}

/**
 * A store directory that can carry store paths: absolute, without empty, `.` or `..` components, and of characters
 * that need no quoting in any Nix text format. Returned as it is.
 * @throws NixError `STORE_PATH_INVALID`
 */
export function parseStoreDir(text: string): string {
  if (text === DEFAULT_STORE_DIR) return text;
  if (text.length > 1024 || !/^(?:\/(?!\.\.?(?:\/|$))[0-9A-Za-z+._?=@~-]+)+$/.test(text)) {
    throw invalid(text, "not a store directory such as /nix/store");
  }
  return text;
}

/**
 * A full store path.
 * @param storeDir the directory it must be in (from `parseStoreDir` when it is not trusted)
 * @throws NixError `STORE_PATH_INVALID`
 */
export function parseStorePath(text: string, storeDir: string = DEFAULT_STORE_DIR): StorePath {
  const fault = storePathFault(text, 0, text.length, storeDir);
  if (fault !== undefined) throw invalid(text, fault);
  return text as StorePath;
}

/** True for text that `parseStorePath` accepts. */
export function isStorePath(text: string, storeDir: string = DEFAULT_STORE_DIR): text is StorePath {
  return storePathFault(text, 0, text.length, storeDir) === undefined;
}

/**
 * The full path of a base name `<hash part>-<name>`.
 * @throws NixError `STORE_PATH_INVALID`
 */
export function parseBaseName(text: string, storeDir: string = DEFAULT_STORE_DIR): StorePath {
  const fault = baseNameFault(text, 0, text.length);
  if (fault !== undefined) throw invalid(text, fault);
  return `${storeDir}/${text}` as StorePath;
}

/**
 * A name, the part after the hash part and its dash, such as `hello-2.12`. Returned as it is.
 * @throws NixError `STORE_PATH_INVALID`
 */
export function parseStoreName(text: string): string {
  const fault = nameFault(text, 0, text.length);
  if (fault !== undefined) throw invalid(text, fault);
  return text;
}

/** True for 32 characters of nix32: what `GET /<hash part>.narinfo` may ask for. */
export function isHashPart(text: string): boolean {
  if (text.length !== HASH_PART_LENGTH) return false;
  for (let i = 0; i < text.length; i++) if (!isOf(HASH_CHARACTER, text.charCodeAt(i))) return false;
  return true;
}

/** `<hash part>-<name>` of a store path. */
export function baseNameOf(path: StorePath): string {
  return path.slice(path.lastIndexOf("/") + 1);
}

/** The 32 characters that identify a store path. */
export function hashPartOf(path: StorePath): string {
  const start = path.lastIndexOf("/") + 1;
  return path.slice(start, start + HASH_PART_LENGTH);
}

/** The name of a store path, such as `hello-2.12`. */
export function nameOf(path: StorePath): string {
  return path.slice(path.lastIndexOf("/") + HASH_PART_LENGTH + 2);
}

/** The directory of a store path, such as `/nix/store`. */
export function storeDirOf(path: StorePath): string {
  return path.slice(0, path.lastIndexOf("/"));
}

/** True for the path of a derivation: its name ends in `.drv`. */
export function isDerivationPath(path: StorePath): boolean {
  return path.endsWith(".drv");
}

/**
 * References as Nix keeps them: sorted bytewise, each once. Returns the argument itself when it is so already.
 */
export function sortReferences(references: readonly StorePath[]): readonly StorePath[] {
  for (let i = 1; i < references.length; i++) {
    if (references[i - 1]! >= references[i]!) return [...new Set(references)].sort();
  }
  return references;
}
