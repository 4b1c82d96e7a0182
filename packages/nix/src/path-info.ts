/**
 * `nix path-info --json` in every shape it has had, as one type:
 *
 * - an array of objects with `path` (Nix 2.0 to 2.18, Lix); a missing path is `{path, valid: false}`
 * - an object keyed by full path (2.19 and newer; with `version` and `storeDir` inside since 2.33 as format 1); a
 *   missing path is null
 * - `{version: 2 | 3, storeDir, info}` keyed by base name (2.33 and newer, formats 2 and 3)
 *
 * Within them hashes are nix32, SRI or an object, references and derivers full paths or base names, signatures text
 * or `{keyName, sig}`, content addresses text or `{method, hash}`, and absent fields left out, null, [] or false.
 * Every combination is accepted, so that a release that mixes them still works. Runs in browsers.
 */

import { type ContentAddress, type ContentAddressMethod, parseContentAddress } from "./content-address.ts";
import { decodeUtf8 } from "./encoding.ts";
import { NixError, quote } from "./errors.ts";
import type { Fingerprinted } from "./fingerprint.ts";
import { parseHashJson } from "./hash.ts";
import { parseSignature, type Signature } from "./keys.ts";
import {
  DEFAULT_STORE_DIR,
  parseBaseName,
  parseStorePath,
  type StorePath,
  sortReferences,
} from "./store-path.ts";

/** What the local store knows of a valid path. */
export interface PathInfo extends Fingerprinted {
  /** The derivation that was built, if known. */
  readonly deriver?: StorePath | undefined;
  /** When the path entered this store, in seconds since 1970, if known. */
  readonly registrationTime?: number | undefined;
  /** True when the path was built here and not copied. False too where the source of the facts cannot say. */
  readonly ultimate: boolean;
  /**
   * Signatures that parsed, in order; old Nix keeps malformed ones in its database too, which are left out here. None
   * of them is verified yet.
   */
  readonly signatures: readonly Signature[];
  /** Present on content-addressed paths. */
  readonly contentAddress?: ContentAddress | undefined;
}

/** Answer to a question for several paths, each in the order of the input. */
export interface PathInfoResult {
  readonly valid: readonly PathInfo[];
  /** Paths that were asked for and are not in the store. */
  readonly missing: readonly StorePath[];
}

/** Limits and surroundings for `parsePathInfoJson`. */
export interface PathInfoOptions {
  /** The directory all paths must be in. Default `/nix/store`. */
  readonly storeDir?: string;
  /** Largest input in bytes (characters for a string). Default 256 MiB: `--all` on a large store. */
  readonly maxSizeBytes?: number;
}

type JsonObject = Readonly<Record<string, unknown>>;

const DEFAULT_MAX_SIZE_BYTES = 256 * 1024 * 1024;

function invalid(why: string, cause?: unknown): NixError {
  return new NixError("PATH_INFO_INVALID", why, { cause });
}

function isObject(value: unknown): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function asText(value: unknown, field: string): string {
  if (typeof value !== "string") throw invalid(`${field} is not a text`);
  return value;
}

function asInteger(value: unknown, field: string, minimum: number): number {
  if (!Number.isSafeInteger(value) || (value as number) < minimum) {
    throw invalid(`${field} is not an integer of at least ${minimum}`);
  }
  return value as number;
}

/** An array; absent and null count as empty. */
function asArray(value: unknown, field: string): readonly unknown[] {
  if (value === undefined || value === null) return [];
  if (!Array.isArray(value)) throw invalid(`${field} is not an array`);
  return value;
}

/** A full path or a base name. */
function asPath(value: unknown, field: string, storeDir: string): StorePath {
  const text = asText(value, field);
  return text.startsWith("/") ? parseStorePath(text, storeDir) : parseBaseName(text, storeDir);
}

const METHODS: Readonly<Record<string, ContentAddressMethod>> = {
  text: "text",
  flat: "flat",
  nar: "nar",
  git: "git",
};

function asContentAddress(value: unknown): ContentAddress | undefined {
  if (value === undefined || value === null || value === "") return undefined;
  if (typeof value === "string") return parseContentAddress(value);
  if (!isObject(value)) throw invalid("ca is neither a text nor an object");
  const method = asText(value.method, "ca.method");
  if (!Object.hasOwn(METHODS, method)) throw invalid(`unknown ca.method ${quote(method)}`);
  return { method: METHODS[method]!, hash: parseHashJson(value.hash) };
}

function asSignatures(value: unknown): Signature[] {
  const signatures: Signature[] = [];
  for (const item of asArray(value, "signatures")) {
    const text = isObject(item)
      ? `${asText(item.keyName, "keyName")}:${asText(item.sig, "sig")}`
      : asText(item, "a signature");
    try {
      signatures.push(parseSignature(text));
    } catch {
      // Not a signature: nothing that could be verified or forwarded.
    }
  }
  return signatures;
}

function readInfo(storePath: StorePath, fields: JsonObject, storeDir: string): PathInfo {
  const { deriver, registrationTime, ultimate } = fields;
  if (ultimate !== undefined && ultimate !== null && typeof ultimate !== "boolean") {
    throw invalid("ultimate is neither true nor false");
  }
  return {
    storePath,
    narHash: parseHashJson(fields.narHash, "sha256"),
    narSize: asInteger(fields.narSize, "narSize", 1),
    references: sortReferences(
      asArray(fields.references, "references").map((item) => asPath(item, "a reference", storeDir)),
    ),
    deriver:
      deriver === undefined || deriver === null || deriver === "" || deriver === "unknown-deriver"
        ? undefined
        : asPath(deriver, "deriver", storeDir),
    registrationTime:
      registrationTime === undefined || registrationTime === null
        ? undefined
        : asInteger(registrationTime, "registrationTime", 0),
    ultimate: ultimate === true,
    signatures: asSignatures(fields.signatures),
    contentAddress: asContentAddress(fields.ca),
  };
}

/** The paths of a document with their fields, whatever its shape; null for a missing path. */
function* entriesOf(document: unknown, storeDir: string): Generator<readonly [unknown, unknown]> {
  if (Array.isArray(document)) {
    for (const item of document) {
      if (!isObject(item)) throw invalid("an item of the array is not an object");
      yield [item.path, item.valid === false ? null : item];
    }
    return;
  }
  if (!isObject(document)) throw invalid("neither an array nor an object");
  if (!("info" in document)) {
    yield* Object.entries(document);
    return;
  }
  const { version, storeDir: named = storeDir, info } = document;
  if (version !== 2 && version !== 3) {
    const found = typeof version === "number" ? version : "that is no number";
    throw invalid(`unknown version ${found}; 2 and 3 are known`);
  }
  if (named !== storeDir) throw invalid(`facts of another store directory than ${storeDir}`);
  if (!isObject(info)) throw invalid("info is not an object");
  yield* Object.entries(info);
}

/**
 * Facts of store paths from `nix path-info --json`, of any version of Nix or Lix.
 * @param input its output, as bytes (UTF-8) or text
 * @throws NixError `PATH_INFO_INVALID` naming the path, `TOO_LARGE`, `UTF8_INVALID`
 */
export function parsePathInfoJson(input: Uint8Array | string, options: PathInfoOptions = {}): PathInfoResult {
  const { storeDir = DEFAULT_STORE_DIR, maxSizeBytes = DEFAULT_MAX_SIZE_BYTES } = options;
  if (input.length > maxSizeBytes) {
    throw new NixError("TOO_LARGE", `path-info of ${input.length} bytes; at most ${maxSizeBytes}`);
  }
  const text = typeof input === "string" ? input : decodeUtf8(input);
  let document: unknown;
  try {
    document = JSON.parse(text);
  } catch (cause) {
    throw invalid("not JSON", cause);
  }
  const valid: PathInfo[] = [];
  const missing: StorePath[] = [];
  for (const [path, fields] of entriesOf(document, storeDir)) {
    try {
      const storePath = asPath(path, "path", storeDir);
      if (fields === null) missing.push(storePath);
      else if (isObject(fields)) valid.push(readInfo(storePath, fields, storeDir));
      else throw invalid("neither an object nor null");
    } catch (cause) {
      if (!(cause instanceof NixError)) throw cause;
      throw invalid(`${typeof path === "string" ? quote(path, 300) : "an item"}: ${cause.message}`, cause);
    }
  }
  return { valid, missing };
}
