/**
 * Content addresses (`CA:` of a narinfo) and the store paths that follow from them: Nix manual, "Store path
 * specification" and "Content-addressing store objects". Such a path proves itself: the name is a hash over the
 * content address, so nobody's word is needed that this content belongs under this name. Runs in browsers.
 */

import { encodeHex, encodeUtf8 } from "./encoding.ts";
import { NixError, quote } from "./errors.ts";
import { equalHash, formatHash, type Hash, parseHash } from "./hash.ts";
import { encodeNix32 } from "./nix32.ts";
import { sha256 } from "./sha256.ts";
import {
  DEFAULT_STORE_DIR,
  nameOf,
  parseStoreName,
  type StorePath,
  sortReferences,
  storeDirOf,
} from "./store-path.ts";

/**
 * What of a store object is hashed: the bytes of its single file (`text`, `flat`), its NAR (`nar`), or its Git tree
 * (`git`). `text` is `flat` for files that Nix itself writes, and the only one of the two that may have references.
 */
export type ContentAddressMethod = "text" | "flat" | "nar" | "git";

/** A content address in normal form. */
export interface ContentAddress {
  readonly method: ContentAddressMethod;
  /** Hash of the content by the method. With a reference to itself: of the NAR with its own hash part zeroed. */
  readonly hash: Hash;
}

const PREFIXES: Readonly<Record<ContentAddressMethod, string>> = {
  text: "text:",
  flat: "fixed:",
  nar: "fixed:r:",
  git: "fixed:git:",
};

function invalid(why: string, cause?: unknown): NixError {
  return new NixError("CONTENT_ADDRESS_INVALID", why, { cause });
}

/**
 * A content address as narinfo and path-info write it: `text:sha256:…`, `fixed:sha256:…`, `fixed:r:sha256:…`,
 * `fixed:git:sha1:…`; the hash in any spelling.
 * @throws NixError `CONTENT_ADDRESS_INVALID`
 */
export function parseContentAddress(text: string): ContentAddress {
  const method: ContentAddressMethod | undefined = text.startsWith("text:")
    ? "text"
    : text.startsWith("fixed:r:")
      ? "nar"
      : text.startsWith("fixed:git:")
        ? "git"
        : text.startsWith("fixed:")
          ? "flat"
          : undefined;
  if (method === undefined)
    throw invalid(`a content address begins with text: or fixed:, not ${quote(text)}`);
  try {
    const hash = parseHash(text.slice(PREFIXES[method].length));
    if (method === "text" && hash.algorithm !== "sha256") throw invalid("a text content address is sha256");
    return { method, hash };
  } catch (cause) {
    throw invalid(`not a content address: ${quote(text, 200)}`, cause);
  }
}

/** The canonical text of a content address, its hash in nix32. */
export function formatContentAddress(address: ContentAddress): string {
  return PREFIXES[address.method] + formatHash(address.hash);
}

/** A digest folded by XOR to fewer bytes, as the hash part is from SHA-256 to 20 bytes. */
export function compressHash(digest: Uint8Array, sizeBytes: number): Uint8Array {
  const folded = new Uint8Array(sizeBytes);
  for (let i = 0; i < digest.length; i++) folded[i % sizeBytes]! ^= digest[i]!;
  return folded;
}

/**
 * The store path with a given fingerprint `<type>:<hash>:<store directory>:<name>`: Nix's `makeStorePath`.
 * @param type such as `source`, `text:<reference>…` or `output:out`
 * @throws NixError `STORE_PATH_INVALID` for a bad name
 */
export function makeStorePath(
  type: string,
  hash: Hash,
  name: string,
  storeDir = DEFAULT_STORE_DIR,
): StorePath {
  const preimage = `${type}:${formatHash(hash, "hex")}:${storeDir}:${parseStoreName(name)}`;
  const hashPart = encodeNix32(compressHash(sha256(encodeUtf8(preimage)), 20));
  return `${storeDir}/${hashPart}-${name}` as StorePath;
}

/** What besides the content goes into a content-addressed store path. */
export interface ContentAddressedReferences {
  /** References to other paths, in any order. */
  readonly references?: readonly StorePath[];
  /** Whether the object refers to itself. Only `nar` with sha256 can. Default false. */
  readonly selfReference?: boolean;
  /** Default `/nix/store`. */
  readonly storeDir?: string;
}

/**
 * The store path of content: what `nix-store --add`, `--add-fixed` and `builtins.toFile` compute.
 * @throws NixError `CONTENT_ADDRESS_INVALID` when the method cannot have these references; `STORE_PATH_INVALID` for a
 * bad name
 */
export function contentAddressedPath(
  address: ContentAddress,
  name: string,
  { references = [], selfReference = false, storeDir = DEFAULT_STORE_DIR }: ContentAddressedReferences = {},
): StorePath {
  const { method, hash } = address;
  const typed = (type: string) =>
    [type, ...sortReferences(references), ...(selfReference ? ["self"] : [])].join(":");
  if (method === "text") {
    if (selfReference) throw invalid("a text object cannot refer to itself");
    return makeStorePath(typed("text"), hash, name, storeDir);
  }
  if (method === "nar" && hash.algorithm === "sha256") {
    return makeStorePath(typed("source"), hash, name, storeDir);
  }
  if (references.length > 0 || selfReference) {
    throw invalid(`an object addressed by ${method} and ${hash.algorithm} cannot have references`);
  }
  if (method === "git" && hash.algorithm !== "sha1" && hash.algorithm !== "sha256") {
    throw invalid("a Git tree is addressed by sha1 or sha256");
  }
  const preimage = `fixed:out:${PREFIXES[method].slice("fixed:".length)}${hash.algorithm}:${encodeHex(hash.bytes)}:`;
  return makeStorePath(
    "output:out",
    { algorithm: "sha256", bytes: sha256(encodeUtf8(preimage)) },
    name,
    storeDir,
  );
}

/** The fields of a narinfo or path-info that decide whether its path proves itself. */
export interface SelfProving {
  readonly storePath: StorePath;
  readonly narHash: Hash;
  /** All references, with the path itself if it refers to itself. */
  readonly references: readonly StorePath[];
  readonly contentAddress?: ContentAddress | undefined;
}

/**
 * True when the store path follows from content address and references, and the NAR hash does not contradict it:
 * then Nix takes it without any signature.
 *
 * The name proves the content address. The NAR hash is proven too for `nar` with sha256 without a reference to
 * itself, where both are the same hash; for every other method the content has to be hashed by its method once it is
 * there, as Nix does on import, before the claimed NAR hash may be believed (`provesNarHash` tells the cases apart).
 */
export function provesItself(info: SelfProving): boolean {
  const { storePath, references, contentAddress } = info;
  if (contentAddress === undefined) return false;
  const others = references.filter((reference) => reference !== storePath);
  const selfReference = others.length < references.length;
  try {
    const storeDir = storeDirOf(storePath);
    const expected = contentAddressedPath(contentAddress, nameOf(storePath), {
      references: others,
      selfReference,
      storeDir,
    });
    if (expected !== storePath) return false;
  } catch (error) {
    if (error instanceof NixError) return false;
    throw error;
  }
  const { method, hash } = contentAddress;
  const namesNar = method === "nar" && !selfReference && hash.algorithm === info.narHash.algorithm;
  return !namesNar || equalHash(hash, info.narHash);
}

/** True when the store path alone proves the NAR hash: `provesItself`, by the very hash that `narHash` is. */
export function provesNarHash(info: SelfProving): boolean {
  return (
    info.contentAddress?.method === "nar" &&
    !info.references.includes(info.storePath) &&
    equalHash(info.contentAddress.hash, info.narHash) &&
    provesItself(info)
  );
}
