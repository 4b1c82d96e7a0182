/**
 * NAR listings (`<hash>.ls` of a binary cache): what an archive holds, and where, without the contents. Version 1:
 *
 *     {"version":1,"root":node}
 *     node = {"type":"directory","entries":{name:node}}
 *          | {"type":"regular","size":n,"executable":true,"narOffset":n} | {"type":"symlink","target":text}
 *
 * Names and targets are JSON text here, so an archive with names that are not UTF-8 has no listing. Runs in browsers.
 */

import { decodeUtf8 } from "../encoding.ts";
import { NixError, quote } from "../errors.ts";
import type { ByteSource } from "./events.ts";
import {
  checkNarName,
  checkNarTarget,
  defaultNarLimits,
  type NarLimits,
  narBytes,
  narText,
  showBytes,
} from "./format.ts";
import { NarParser } from "./parser.ts";

/** A listing: the root node of an archive. */
export interface NarListing {
  readonly version: 1;
  readonly root: NarListingNode;
}

/** A node of a listing. */
export type NarListingNode = NarListingDirectory | NarListingFile | NarListingSymlink;

/** A directory; entries in archive order (bytewise by name) when they come from `listNar`. */
export interface NarListingDirectory {
  readonly type: "directory";
  readonly entries: ReadonlyMap<string, NarListingNode>;
}

/** A regular file. */
export interface NarListingFile {
  readonly type: "regular";
  /** Length of the contents. */
  readonly sizeBytes: number;
  readonly executable: boolean;
  /** Offset of the contents in the uncompressed archive; absent in listings that were not made from an archive. */
  readonly narOffset?: number;
}

/** A symbolic link. */
export interface NarListingSymlink {
  readonly type: "symlink";
  readonly target: string;
}

/** Bounds on a listing. */
export interface NarListingLimits {
  /** Nodes in the whole tree. Default 1,000,000. */
  readonly maxNodes?: number;
  /** Length of the JSON, in UTF-16 code units of text or in bytes. Default 128 MiB. */
  readonly maxLength?: number;
}

const DEFAULT_MAX_NODES = 1_000_000;
const DEFAULT_MAX_LENGTH = 128 * 1024 * 1024;

/**
 * Reads an archive and gives its listing. Memory grows with the number of nodes, not with their contents.
 * @throws NixError the codes of `NarParser`; `NAR_LISTING_INVALID` for a name or target that is not UTF-8;
 * `NAR_LIMIT` for more than `maxNodes`
 */
export async function listNar(
  source: ByteSource,
  limits?: NarLimits & NarListingLimits,
): Promise<NarListing> {
  const builder = new ListingBuilder(limits?.maxNodes ?? DEFAULT_MAX_NODES);
  const parser = new NarParser(builder, limits);
  for await (const chunk of source) parser.write(chunk);
  parser.end();
  return builder.listing();
}

/** Collects the nodes that a parser reports. */
class ListingBuilder {
  readonly #maxNodes: number;
  #nodes = 0;
  #root: NarListingNode | undefined;
  readonly #open: Map<string, NarListingNode>[] = [];

  constructor(maxNodes: number) {
    this.#maxNodes = maxNodes;
  }

  openDirectory(name: Uint8Array | undefined): void {
    const entries = new Map<string, NarListingNode>();
    this.#add(name, { type: "directory", entries });
    this.#open.push(entries);
  }

  closeDirectory(): void {
    this.#open.pop();
  }

  openFile(name: Uint8Array | undefined, file: Omit<NarListingFile, "type">): void {
    this.#add(name, { type: "regular", ...file });
  }

  contents(): void {}

  closeFile(): void {}

  symlink(name: Uint8Array | undefined, target: Uint8Array): void {
    this.#add(name, { type: "symlink", target: textOf(target) });
  }

  listing(): NarListing {
    return { version: 1, root: this.#root! };
  }

  #add(name: Uint8Array | undefined, node: NarListingNode): void {
    if (++this.#nodes > this.#maxNodes) {
      throw new NixError("NAR_LIMIT", `archive has more than the allowed ${this.#maxNodes} nodes`);
    }
    if (name === undefined) this.#root = node;
    else this.#open.at(-1)!.set(textOf(name), node);
  }
}

function textOf(bytes: Uint8Array): string {
  const text = narText(bytes);
  if (text === undefined) {
    throw new NixError(
      "NAR_LISTING_INVALID",
      `${showBytes(bytes)} is not UTF-8, so this archive has no listing`,
    );
  }
  return text;
}

/**
 * JSON text of a listing, as Nix writes it: compact, all keys sorted (by code point, which is bytewise), `executable`
 * only when true.
 */
export function formatNarListing(listing: NarListing): string {
  // No recursion: depth is only bounded by what the caller parsed.
  let text = '{"root":';
  const open: { readonly entries: (readonly [string, NarListingNode])[]; next: number }[] = [];
  let node: NarListingNode | undefined = listing.root;
  while (true) {
    if (node !== undefined) {
      switch (node.type) {
        case "directory":
          text += '{"entries":{';
          open.push({ entries: [...node.entries].sort(([a], [b]) => compareCodePoints(a, b)), next: 0 });
          break;
        case "regular": {
          const executable = node.executable ? '"executable":true,' : "";
          const offset = node.narOffset === undefined ? "" : `"narOffset":${node.narOffset},`;
          text += `{${executable}${offset}"size":${node.sizeBytes},"type":"regular"}`;
          break;
        }
        case "symlink":
          text += `{"target":${JSON.stringify(node.target)},"type":"symlink"}`;
          break;
        default:
          node satisfies never;
      }
    }
    const directory = open.at(-1);
    if (directory === undefined) return `${text},"version":1}`;
    const entry = directory.entries[directory.next];
    if (entry === undefined) {
      text += '},"type":"directory"}';
      open.pop();
      node = undefined;
    } else {
      text += `${directory.next === 0 ? "" : ","}${JSON.stringify(entry[0])}:`;
      directory.next++;
      node = entry[1];
    }
  }
}

/** Order by code point; `<` on strings orders by UTF-16 code unit, which differs past U+FFFF. */
function compareCodePoints(a: string, b: string): number {
  const length = Math.min(a.length, b.length);
  for (let i = 0; i < length; i++) {
    const x = a.charCodeAt(i);
    const y = b.charCodeAt(i);
    if (x === y) continue;
    const xSurrogate = x >= 0xd800 && x < 0xe000;
    const ySurrogate = y >= 0xd800 && y < 0xe000;
    return xSurrogate === ySurrogate ? x - y : xSurrogate ? 1 : -1;
  }
  return a.length - b.length;
}

/**
 * Parses and checks a listing. Whoever serves the file controls it: names are held to the rules of an archive, sizes and
 * offsets are safe integers. Keys it does not know are ignored; of a name given twice the last counts, as in Nix.
 * @throws NixError `TOO_LARGE`; `NAR_LISTING_INVALID`; `NAR_LIMIT` for more nodes or more depth than allowed
 */
export function parseNarListing(json: string | Uint8Array, limits?: NarListingLimits): NarListing {
  const maxLength = limits?.maxLength ?? DEFAULT_MAX_LENGTH;
  const maxNodes = limits?.maxNodes ?? DEFAULT_MAX_NODES;
  if (json.length > maxLength) {
    throw new NixError("TOO_LARGE", `listing of ${json.length} bytes, at most ${maxLength} are allowed`);
  }
  let value: unknown;
  try {
    value = JSON.parse(typeof json === "string" ? json : decodeUtf8(json));
  } catch (cause) {
    throw new NixError("NAR_LISTING_INVALID", "listing is not JSON", { cause });
  }
  const top = objectOf(value, "listing");
  if (top.version !== 1) throw new NixError("NAR_LISTING_INVALID", "listing is not of version 1");
  const names = new Map<string, NarListingNode>();
  const todo: {
    readonly value: unknown;
    readonly name: string;
    readonly into: typeof names;
    readonly depth: number;
  }[] = [{ value: top.root, name: "", into: names, depth: 0 }];
  /** Nodes taken off `todo`. What is on it counts too, before anything is made for it. */
  let nodes = 0;
  for (let next = todo.pop(); next !== undefined; next = todo.pop()) {
    nodes++;
    if (next.depth > defaultNarLimits.maxDepth) {
      throw new NixError("NAR_LIMIT", `listing nests deeper than ${defaultNarLimits.maxDepth} directories`);
    }
    const node = objectOf(next.value, `node ${quote(next.name)}`);
    if (node.type !== "directory") {
      next.into.set(next.name, leafOf(node, next.name));
      continue;
    }
    const entries = new Map<string, NarListingNode>();
    const directory: NarListingNode = { type: "directory", entries };
    next.into.set(next.name, directory);
    const children = Object.entries(objectOf(node.entries, `entries of ${quote(next.name)}`));
    if (nodes + todo.length + children.length > maxNodes) {
      throw new NixError("NAR_LIMIT", `listing has more than ${maxNodes} nodes`);
    }
    for (const [name] of children) checkText(name, "NAR_NAME_INVALID");
    children.sort(([a], [b]) => compareCodePoints(a, b));
    // The map keeps the order in which names are first set; children are worked off later, from the end.
    for (const [name, child] of children) {
      entries.set(name, directory);
      todo.push({ value: child, name, into: entries, depth: next.depth + 1 });
    }
  }
  return { version: 1, root: names.get("")! };
}

function leafOf(node: Record<string, unknown>, name: string): NarListingNode {
  const { type, size, executable = false, narOffset, target } = node;
  if (type === "symlink") {
    if (typeof target !== "string") {
      throw new NixError("NAR_LISTING_INVALID", `symlink ${quote(name)} has no target`);
    }
    checkText(target, "NAR_TARGET_INVALID");
    return { type, target };
  }
  if (type !== "regular") {
    throw new NixError("NAR_LISTING_INVALID", `node ${quote(name)} is no directory, regular file or symlink`);
  }
  if (!isSize(size) || typeof executable !== "boolean" || (narOffset !== undefined && !isSize(narOffset))) {
    throw new NixError(
      "NAR_LISTING_INVALID",
      `file ${quote(name)} needs a size; size and narOffset are whole numbers, executable is true or false`,
    );
  }
  return narOffset === undefined
    ? { type, sizeBytes: size, executable }
    : { type, sizeBytes: size, executable, narOffset };
}

function isSize(value: unknown): value is number {
  return typeof value === "number" && Number.isSafeInteger(value) && value >= 0;
}

function objectOf(value: unknown, what: string): Record<string, unknown> {
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw new NixError("NAR_LISTING_INVALID", `${what} is not a JSON object`);
  }
  return value as Record<string, unknown>;
}

function checkText(text: string, code: "NAR_NAME_INVALID" | "NAR_TARGET_INVALID"): void {
  try {
    const bytes = narBytes(text, code);
    if (code === "NAR_NAME_INVALID") checkNarName(bytes, defaultNarLimits.maxNameBytes, "");
    else checkNarTarget(bytes, defaultNarLimits.maxTargetBytes, "");
  } catch (cause) {
    throw new NixError("NAR_LISTING_INVALID", cause instanceof Error ? cause.message : String(cause), {
      cause,
    });
  }
}

/**
 * The node at a path such as `bin/sh` (empty: the root), or undefined. Symlinks are not followed.
 */
export function findInListing(listing: NarListing, path: string): NarListingNode | undefined {
  let node: NarListingNode | undefined = listing.root;
  if (path === "") return node;
  for (const name of path.split("/")) {
    node = node?.type === "directory" ? node.entries.get(name) : undefined;
  }
  return node;
}

/**
 * The contents of one file out of an archive that is not otherwise read: the bytes of a listing's node, as views of the
 * chunks of the source. Only the length is checked: a listing is not signed, so compare a hash of the whole archive
 * where it matters. Where the archive can be read at an offset, read `sizeBytes` from `narOffset` instead.
 * @throws NixError `NAR_LISTING_INVALID` (the node has no offset), `NAR_TRUNCATED` (the archive ends before the file)
 */
export async function* readListedFile(
  source: ByteSource,
  file: NarListingFile,
): AsyncGenerator<Uint8Array, void, undefined> {
  if (file.narOffset === undefined) throw new NixError("NAR_LISTING_INVALID", "the file has no narOffset");
  let skip = file.narOffset;
  let left = file.sizeBytes;
  if (left === 0) return;
  for await (const chunk of source) {
    const from = Math.min(skip, chunk.length);
    const part = chunk.subarray(from, from + left);
    skip -= from;
    left -= part.length;
    if (part.length > 0) yield part;
    if (left === 0) return;
  }
  throw new NixError("NAR_TRUNCATED", `the archive ends ${left} bytes before the end of the file`);
}
