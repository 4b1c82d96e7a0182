// What differs between two NARs, file by file, in one pass over both and without holding either.
//
// A NAR has its names in order, so two of them are walked in step as in a merge. Whoever made the archives controls all of
// it: what is kept of files, how much is looked into, and how much is listed is bounded.

import {
  type ByteSource,
  compareNarNames,
  type NarEvent,
  type NarLimits,
  narText,
  parseNar,
} from "@trustix/nix";
import type { DifferenceJson, PathDiffJson } from "../http/diff-schema.ts";
import {
  type Budget,
  type ContentsFindings,
  EXCERPT_BYTES,
  examine,
  NO_FINDINGS,
  sharedLength,
} from "./contents-diff.ts";
import { causesOf } from "./difference-cause.ts";

/** The differences, in archive order, as `diff-schema.ts` describes them. */
export type NarDiff = Pick<PathDiffJson, "differences" | "unlisted">;

/** Bounds. */
export interface NarDiffOptions {
  /** Differences that are listed. Default 1000. */
  readonly maxDifferences?: number;
  /** Size of all that is listed, in characters of JSON. Default 2 Mi. */
  readonly maxOutput?: number;
  /** Files up to this size are kept while they are compared, two at a time, to be looked into. Default 16 MiB. */
  readonly maxFileBytes?: number;
  /** Bytes of files that differ, and of what they decompress to, that are looked into in all. Default 256 MiB. */
  readonly maxWorkBytes?: number;
  /** For both archives. Default: directories 200 deep, otherwise those of `NarParser`. */
  readonly limits?: NarLimits;
}

const MAX_DEPTH = 200;
const MAX_TEXT_LINES = 10_000;

type Node = Exclude<NarEvent, { readonly type: "close" | "contents" }>;

/**
 * Compares two archives, `before` and `after`, both read to their ends.
 * @throws NixError as `parseNar` does, for either archive; whatever a source throws
 */
export async function diffNars(
  before: ByteSource,
  after: ByteSource,
  options: NarDiffOptions = {},
): Promise<NarDiff> {
  const limits = { maxDepth: MAX_DEPTH, ...options.limits };
  await using left = new Cursor(parseNar(before, limits));
  await using right = new Cursor(parseNar(after, limits));
  const walk = new Walk(left, right, options);
  await walk.nodes("", (await left.next()) as Node, (await right.next()) as Node);
  await Promise.all([left.next(), right.next()]);
  return { differences: walk.differences, unlisted: walk.unlisted };
}

/** An archive being read. */
class Cursor implements AsyncDisposable {
  readonly #events: AsyncGenerator<NarEvent, void, undefined>;
  #peeked: NarEvent | undefined;

  constructor(events: AsyncGenerator<NarEvent, void, undefined>) {
    this.#events = events;
  }

  /** The next event; undefined after the last one, when the whole archive proved well-formed. */
  async next(): Promise<NarEvent | undefined> {
    const peeked = this.#peeked;
    this.#peeked = undefined;
    return peeked ?? (await this.#events.next()).value ?? undefined;
  }

  /** The next entry of the open directory, or undefined at its end. */
  async entry(): Promise<Node | undefined> {
    const event = await this.next();
    return event === undefined || event.type === "close" || event.type === "contents" ? undefined : event;
  }

  /** The next bytes of the open file, or undefined at its end. */
  async contents(): Promise<Uint8Array | undefined> {
    const event = await this.next();
    if (event?.type === "contents") return event.chunk;
    this.#peeked = event;
    return undefined;
  }

  /** Passes over a node and all that is below; counts its regular files, and their bytes. */
  async skip(node: Node): Promise<{ readonly files: number; readonly bytes: number }> {
    let [files, bytes] = [0, 0];
    const count = (each: NarEvent): void => {
      if (each.type !== "regular") return;
      files++;
      bytes += each.sizeBytes;
    };
    count(node);
    if (node.type === "regular") while ((await this.contents()) !== undefined);
    for (let depth = node.type === "directory" ? 1 : 0; depth > 0; ) {
      const event = await this.next();
      if (event === undefined) break;
      if (event.type === "directory") depth++;
      if (event.type === "close") depth--;
      count(event);
    }
    return { files, bytes };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#events.return();
  }
}

class Walk {
  readonly differences: DifferenceJson[] = [];
  unlisted = 0;
  readonly #left: Cursor;
  readonly #right: Cursor;
  readonly #maxDifferences: number;
  readonly #maxFileBytes: number;
  readonly #budget: Budget;
  #outputLeft: number;

  constructor(left: Cursor, right: Cursor, options: NarDiffOptions) {
    this.#left = left;
    this.#right = right;
    this.#maxDifferences = options.maxDifferences ?? 1000;
    this.#maxFileBytes = options.maxFileBytes ?? 16 << 20;
    this.#outputLeft = options.maxOutput ?? 2 << 20;
    this.#budget = { workBytes: options.maxWorkBytes ?? 256 << 20, textLines: MAX_TEXT_LINES };
  }

  #found(difference: DifferenceJson): void {
    this.#outputLeft -= JSON.stringify(difference).length;
    if (this.#outputLeft >= 0 && this.differences.length < this.#maxDifferences) {
      this.differences.push(difference);
    } else this.unlisted++;
  }

  /** Compares two nodes of the same name, and all below. */
  async nodes(path: string, before: Node, after: Node): Promise<void> {
    if (before.type === "directory" && after.type === "directory") return await this.#directories(path);
    if (before.type === "regular" && after.type === "regular") {
      if (before.executable !== after.executable) {
        this.#found({ path, kind: "mode", before: before.executable, after: after.executable });
      }
      return await this.#files(path, before.sizeBytes, after.sizeBytes);
    }
    if (before.type === "symlink" && after.type === "symlink") {
      if (compareNarNames(before.target, after.target) !== 0) {
        const causes = causesOf(before.target, after.target);
        const targets = { before: show(before.target), after: show(after.target) };
        this.#found({ path, kind: "symlink", ...targets, causes });
      }
      return;
    }
    this.#found({ path, kind: "type", before: before.type, after: after.type });
    await Promise.all([this.#left.skip(before), this.#right.skip(after)]);
  }

  async #directories(path: string): Promise<void> {
    let [before, after] = await Promise.all([this.#left.entry(), this.#right.entry()]);
    while (before !== undefined || after !== undefined) {
      const order =
        before === undefined ? 1 : after === undefined ? -1 : compareNarNames(before.name!, after.name!);
      if (order < 0) {
        const below = await this.#left.skip(before!);
        this.#found({ path: join(path, before!), kind: "removed", type: before!.type, ...below });
      } else if (order > 0) {
        const below = await this.#right.skip(after!);
        this.#found({ path: join(path, after!), kind: "added", type: after!.type, ...below });
      } else await this.nodes(join(path, before!), before!, after!);
      if (order <= 0) before = await this.#left.entry();
      if (order >= 0) after = await this.#right.entry();
    }
  }

  async #files(path: string, beforeBytes: number, afterBytes: number): Promise<void> {
    const keep = Math.max(beforeBytes, afterBytes) <= this.#maxFileBytes;
    const [before, after] = [
      new Side(this.#left, keep ? beforeBytes : 0),
      new Side(this.#right, keep ? afterBytes : 0),
    ];
    let firstDifference = 0;
    // Up to the first difference both are read in step, however they are cut into chunks.
    while ((await before.fill()) && (await after.fill())) {
      const shared = sharedLength(before.chunk, after.chunk);
      firstDifference += shared;
      before.pass(shared);
      after.pass(shared);
      if (before.chunk.length > 0 && after.chunk.length > 0) break;
    }
    const isEqual = beforeBytes === afterBytes && firstDifference === beforeBytes;
    const excerpt = await excerptFrom(before, after, firstDifference);
    await before.finish();
    await after.finish();
    if (isEqual) return;
    const isListed = this.differences.length < this.#maxDifferences;
    const findings: ContentsFindings =
      keep && isListed ? examine(before.kept, after.kept, this.#budget) : NO_FINDINGS;
    const sizes = { beforeBytes, afterBytes, firstDifference };
    this.#found({ path, kind: "contents", ...sizes, excerpt, ...findings });
  }
}

/** A file of one archive while it is read. */
class Side {
  /** All of it once it is read, when it is to be kept. */
  readonly kept: Uint8Array;
  /** What was read and not passed yet. */
  chunk: Uint8Array = new Uint8Array();
  /** The last bytes passed. */
  recent: Uint8Array = new Uint8Array();
  readonly #cursor: Cursor;
  #length = 0;

  constructor(cursor: Cursor, keepBytes: number) {
    this.#cursor = cursor;
    this.kept = new Uint8Array(keepBytes);
  }

  /** Reads on when there is nothing left. @returns whether there is now */
  async fill(): Promise<boolean> {
    if (this.chunk.length > 0) return true;
    const next = await this.#cursor.contents();
    if (next === undefined) return false;
    if (this.kept.length > 0) this.kept.set(next, this.#length);
    this.#length += next.length;
    this.chunk = next;
    return true;
  }

  pass(length: number): void {
    const passed = this.chunk.subarray(Math.max(0, length - EXCERPT_BYTES.before), length);
    this.chunk = this.chunk.subarray(length);
    this.recent = Buffer.concat([this.recent, passed]).subarray(-EXCERPT_BYTES.before);
  }

  /** The last bytes passed, and up to `length` of those that follow, which are passed by this. */
  async around(length: number): Promise<Buffer> {
    const parts: Uint8Array[] = [this.recent];
    for (let left = length; left > 0 && (await this.fill()); ) {
      const part = this.chunk.subarray(0, left);
      left -= part.length;
      this.chunk = this.chunk.subarray(part.length);
      parts.push(part);
    }
    return Buffer.concat(parts);
  }

  async finish(): Promise<void> {
    do this.chunk = new Uint8Array();
    while (await this.fill());
  }
}

async function excerptFrom(before: Side, after: Side, at: number) {
  const from = at - before.recent.length;
  const [left, right] = [await before.around(EXCERPT_BYTES.after), await after.around(EXCERPT_BYTES.after)];
  return { from, before: left.toString("hex"), after: right.toString("hex") };
}

function join(path: string, { name }: Node): string {
  return path === "" ? show(name!) : `${path}/${show(name!)}`;
}

function show(bytes: Uint8Array): string {
  return (
    narText(bytes) ??
    Array.from(bytes, (byte) =>
      byte < 0x80 ? String.fromCharCode(byte) : `\\x${byte.toString(16).padStart(2, "0")}`,
    ).join("")
  );
}
