// What differs between two NARs, file by file, in one pass over both and without holding either.
//
// A NAR has its names in order, so two of them are walked in step as in a merge. Whoever made the archives controls all of
// it: what is kept of files and how many differences are listed is bounded.

import {
  type ByteSource,
  compareNarNames,
  type NarEvent,
  type NarLimits,
  narText,
  parseNar,
} from "@trustix/nix";
import { causesOf, type DifferenceCause } from "./difference-cause.ts";

/** What a name in an archive stands for. */
export type NarNodeType = "directory" | "regular" | "symlink";

/** One difference. `path` is relative to the root, `""` for the root itself; bytes that are not UTF-8 are `\xNN`. */
export type NarDifference = { readonly path: string } & (
  | { readonly kind: "added" | "removed"; readonly type: NarNodeType }
  | { readonly kind: "type"; readonly before: NarNodeType; readonly after: NarNodeType }
  /** Whether it is executable, before and after. */
  | { readonly kind: "mode"; readonly before: boolean; readonly after: boolean }
  | { readonly kind: "symlink"; readonly before: string; readonly after: string }
  | ({ readonly kind: "contents" } & ContentsDifference)
);

/** How the contents of a file differ. */
export interface ContentsDifference {
  readonly beforeBytes: number;
  readonly afterBytes: number;
  /** Offset of the first byte that differs; the shorter size when one file is the beginning of the other. */
  readonly firstDifference: number;
  /** What explains all that differs. Empty for anything else, and for files above `maxExplainBytes`. */
  readonly causes: readonly DifferenceCause[];
  /** Bytes of both around the first difference, from the offset `from` on; undefined above `maxExplainBytes`. */
  readonly excerpt:
    | { readonly from: number; readonly before: Uint8Array; readonly after: Uint8Array }
    | undefined;
}

/** The differences, in archive order. */
export interface NarDiff {
  readonly differences: readonly NarDifference[];
  /** Differences found but not listed. A file that is not listed was not looked into. */
  readonly unlisted: number;
}

/** Bounds. */
export interface NarDiffOptions {
  /** Differences that are listed. Default 1000. */
  readonly maxDifferences?: number;
  /** Files up to this size are kept while they are compared, two at a time, to explain the difference. Default 1 MiB. */
  readonly maxExplainBytes?: number;
  /** For both archives. Default: directories 200 deep, otherwise those of `NarParser`. */
  readonly limits?: NarLimits;
}

const MAX_DEPTH = 200;
const EXCERPT = { before: 32, after: 96 };

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
  const walk = new Walk(left, right, options.maxDifferences ?? 1000, options.maxExplainBytes ?? 1024 * 1024);
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

  /** Passes over all that is below a node. */
  async skip(node: Node): Promise<void> {
    if (node.type === "regular") while ((await this.contents()) !== undefined);
    if (node.type !== "directory") return;
    for (let depth = 1; depth > 0; ) {
      const event = await this.next();
      if (event?.type === "directory") depth++;
      if (event?.type === "close" || event === undefined) depth--;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#events.return();
  }
}

class Walk {
  readonly differences: NarDifference[] = [];
  unlisted = 0;
  readonly #left: Cursor;
  readonly #right: Cursor;
  readonly #maxDifferences: number;
  readonly #maxExplainBytes: number;

  constructor(left: Cursor, right: Cursor, maxDifferences: number, maxExplainBytes: number) {
    this.#left = left;
    this.#right = right;
    this.#maxDifferences = maxDifferences;
    this.#maxExplainBytes = maxExplainBytes;
  }

  #found(difference: NarDifference): void {
    if (this.differences.length < this.#maxDifferences) this.differences.push(difference);
    else this.unlisted++;
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
        this.#found({ path, kind: "symlink", before: show(before.target), after: show(after.target) });
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
        this.#found({ path: join(path, before!), kind: "removed", type: before!.type });
        await this.#left.skip(before!);
      } else if (order > 0) {
        this.#found({ path: join(path, after!), kind: "added", type: after!.type });
        await this.#right.skip(after!);
      } else await this.nodes(join(path, before!), before!, after!);
      if (order <= 0) before = await this.#left.entry();
      if (order >= 0) after = await this.#right.entry();
    }
  }

  async #files(path: string, beforeBytes: number, afterBytes: number): Promise<void> {
    const keep =
      Math.max(beforeBytes, afterBytes) <= this.#maxExplainBytes &&
      this.differences.length < this.#maxDifferences;
    const [before, after] = [new Kept(keep ? beforeBytes : 0), new Kept(keep ? afterBytes : 0)];
    let same = 0;
    let equal = true;
    let left: Uint8Array = new Uint8Array();
    let right: Uint8Array = new Uint8Array();
    while (true) {
      if (left.length === 0) {
        left = (await this.#left.contents()) ?? left;
        before.add(left);
      }
      if (right.length === 0) {
        right = (await this.#right.contents()) ?? right;
        after.add(right);
      }
      const length = Math.min(left.length, right.length);
      if (length === 0) break;
      if (equal) {
        const shared = sharedPrefix(left, right, length);
        same += shared;
        equal = shared === length;
      }
      left = left.subarray(length);
      right = right.subarray(length);
    }
    // One of them is at its end; the other may have more.
    for (let more = await this.#left.contents(); more !== undefined; more = await this.#left.contents()) {
      before.add(more);
    }
    for (let more = await this.#right.contents(); more !== undefined; more = await this.#right.contents()) {
      after.add(more);
    }
    if (equal && beforeBytes === afterBytes) return;
    const from = Math.max(0, same - EXCERPT.before);
    const to = same + EXCERPT.after;
    this.#found({
      path,
      kind: "contents",
      beforeBytes,
      afterBytes,
      firstDifference: same,
      causes: keep ? causesOf(before.bytes, after.bytes) : [],
      excerpt: keep
        ? { from, before: before.bytes.slice(from, to), after: after.bytes.slice(from, to) }
        : undefined,
    });
  }
}

/** The first bytes of a file, as many as there is room for. */
class Kept {
  readonly bytes: Uint8Array;
  #length = 0;

  constructor(sizeBytes: number) {
    this.bytes = new Uint8Array(sizeBytes);
  }

  add(chunk: Uint8Array): void {
    if (this.#length + chunk.length > this.bytes.length) return;
    this.bytes.set(chunk, this.#length);
    this.#length += chunk.length;
  }
}

function sharedPrefix(a: Uint8Array, b: Uint8Array, length: number): number {
  if (Buffer.compare(a.subarray(0, length), b.subarray(0, length)) === 0) return length;
  let at = 0;
  while (a[at] === b[at]) at++;
  return at;
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
