/**
 * Grows a tiled log in batches and says which files to write for each (c2sp.org/tlog-tiles).
 *
 * All that a tree needs in order to grow is its right edge: the partial tile of each level and the partial bundle.
 * These are never changed in place, so copies of a builder are cheap.
 */
import { equalBytes } from "../encoding.ts";
import { TlogError } from "../errors.ts";
import { defaultHasher } from "../hasher/default-hasher.ts";
import type { Hasher } from "../hasher/hasher.ts";
import { checkSize } from "../merkle/tree-math.ts";
import { checkEntries, extendBundle } from "./bundle.ts";
import { fetchEdge, rootOfEdge } from "./edge.ts";
import { bundlePath, hashesAtLevel, partialWidth, TILE_WIDTH, tileLevels, tilePath } from "./tile.ts";
import { hashInTile } from "./tile-hash.ts";
import { fetchBundle, type TileSource } from "./tile-source.ts";

/** A file of a log: where it goes below the log's prefix, and what is in it. The bytes must not be changed. */
export interface FileToWrite {
  readonly path: string;
  readonly bytes: Uint8Array;
}

/** A tree after a batch of entries, and the files that are new with it. */
export interface AppendResult {
  /** Number of entries of the tree, with the new ones. */
  readonly size: number;
  /** Root hash of the tree, 32 bytes. */
  readonly root: Uint8Array;
  /**
   * Exactly the files that the new size implies and the old one did not: full tiles and bundles, and the new partial
   * ones. Empty if no entry was appended. They must be durable before a checkpoint for the new size is signed.
   */
  readonly files: readonly FileToWrite[];
}

const NOTHING = new Uint8Array(0);

/**
 * The writing end of a log. It does no I/O: {@link append} returns the files, the caller writes them, and then signs a
 * checkpoint. Where writing may fail, append to a {@link fork} and keep that once its files are safe.
 */
export class TreeBuilder {
  readonly #hasher: Hasher;
  #size: number;
  #root: Uint8Array;
  /** The partial tile of each level, empty where there is none. */
  #edge: readonly Uint8Array[];
  /** The partial entry bundle. */
  #bundle: Uint8Array;

  private constructor(
    hasher: Hasher,
    size: number,
    root: Uint8Array,
    edge: readonly Uint8Array[],
    bundle: Uint8Array,
  ) {
    this.#hasher = hasher;
    this.#size = size;
    this.#root = root;
    this.#edge = edge;
    this.#bundle = bundle;
  }

  /** A builder for a new log. `hasher` defaults to {@link defaultHasher}. */
  static empty(options: { readonly hasher?: Hasher } = {}): TreeBuilder {
    const hasher = options.hasher ?? defaultHasher();
    return new TreeBuilder(hasher, 0, rootOfEdge([], hasher), [], NOTHING);
  }

  /**
   * A builder for a log that has `size` entries, whose root must be `expectedRoot`: that of the last signed checkpoint.
   * Reads the right edge from `source` and hashes it again: the partial tiles must give the root, and the partial bundle
   * the partial tile.
   * @throws TlogError ROOT_MISMATCH, BUNDLE_MISMATCH, TILE_INVALID, BUNDLE_MALFORMED, RESOURCE_MISSING, FETCH_FAILED,
   *   RANGE_INVALID
   */
  static async resume(
    size: number,
    source: TileSource,
    options: { readonly expectedRoot: Uint8Array; readonly hasher?: Hasher; readonly signal?: AbortSignal },
  ): Promise<TreeBuilder> {
    checkSize(size);
    const { expectedRoot, signal, hasher = defaultHasher() } = options;
    const edge = await fetchEdge(source, size, signal);
    if (!equalBytes(rootOfEdge(edge, hasher), expectedRoot)) {
      throw new TlogError(
        "ROOT_MISMATCH",
        `the stored tiles do not hash to the root of the log at size ${size}`,
      );
    }
    const width = partialWidth(0, size);
    if (width === 0) return new TreeBuilder(hasher, size, new Uint8Array(expectedRoot), edge, NOTHING);
    const coordinates = { index: Math.floor(size / TILE_WIDTH), width };
    const bytes = await fetchBundle(source, coordinates, signal);
    const leaves = new Uint8Array(width * 32);
    hasher.hashLeaves(bytes, 0, width, leaves, 0);
    if (!equalBytes(leaves, edge[0]!)) {
      const path = bundlePath(coordinates);
      throw new TlogError("BUNDLE_MISMATCH", `${path} has other entries than the tree commits to`, { path });
    }
    return new TreeBuilder(hasher, size, new Uint8Array(expectedRoot), edge, bytes);
  }

  /** Number of entries. */
  get size(): number {
    return this.#size;
  }

  /** Root hash of the tree, 32 bytes; a copy. */
  root(): Uint8Array {
    return this.#root.slice();
  }

  /** A second builder in the same state; from here on they are independent. Costs no copying. */
  fork(): TreeBuilder {
    return new TreeBuilder(this.#hasher, this.#size, this.#root, this.#edge, this.#bundle);
  }

  /**
   * Appends entries of 0 to 65,535 bytes each, in order. They are copied. Nothing changes if this throws.
   * @throws TlogError BUNDLE_MALFORMED if an entry is too long, RANGE_INVALID if the tree would pass 2^53 - 1 entries
   */
  append(entries: readonly Uint8Array[]): AppendResult {
    checkEntries(entries);
    checkSize(this.#size + entries.length);
    const files: FileToWrite[] = [];
    const levels = new GrowingLevels(this.#size, this.#edge, this.#hasher, files);
    let bundle = this.#bundle;
    let size = this.#size;
    for (let start = 0; start < entries.length; ) {
      const width = size % TILE_WIDTH;
      const count = Math.min(TILE_WIDTH - width, entries.length - start);
      const bytes = extendBundle(bundle, entries, start, start + count);
      const index = Math.floor(size / TILE_WIDTH);
      files.push({ path: bundlePath({ index, width: width + count }), bytes });
      this.#hasher.hashLeaves(bytes, bundle.length, count, levels.tile(0), width * 32);
      levels.grow(0, count);
      bundle = width + count === TILE_WIDTH ? NOTHING : bytes;
      start += count;
      size += count;
    }
    this.#edge = levels.finish();
    this.#root = rootOfEdge(this.#edge, this.#hasher);
    this.#bundle = bundle;
    this.#size = size;
    return { size, root: this.root(), files };
  }
}

/** The last tile of each level while a batch is appended. */
class GrowingLevels {
  readonly #edge: readonly Uint8Array[];
  readonly #hasher: Hasher;
  readonly #files: FileToWrite[];
  /** Hashes on each level, and a full-size buffer for the last tile of those that grew. */
  readonly #counts: number[];
  readonly #buffers: (Uint8Array | undefined)[] = [];

  constructor(size: number, edge: readonly Uint8Array[], hasher: Hasher, files: FileToWrite[]) {
    this.#edge = edge;
    this.#hasher = hasher;
    this.#files = files;
    this.#counts = Array.from({ length: tileLevels(size) }, (_, level) => hashesAtLevel(level, size));
  }

  /** The buffer of the last tile of a level, for adding hashes before {@link grow} counts them. */
  tile(level: number): Uint8Array {
    let buffer = this.#buffers[level];
    if (buffer === undefined) {
      buffer = new Uint8Array(TILE_WIDTH * 32);
      buffer.set(this.#edge[level] ?? NOTHING);
      this.#buffers[level] = buffer;
    }
    return buffer;
  }

  /** Counts `added` hashes in the last tile of a level, and hands its root to the level above once it is full. */
  grow(level: number, added: number): void {
    const count = (this.#counts[level] ?? 0) + added;
    this.#counts[level] = count;
    if (count % TILE_WIDTH !== 0) return;
    const bytes = this.tile(level);
    this.#files.push({ path: tilePath({ level, index: count / TILE_WIDTH - 1, width: TILE_WIDTH }), bytes });
    const parents = this.#counts[level + 1] ?? 0;
    const parent = this.tile(level + 1);
    parent.set(hashInTile(bytes, 0, TILE_WIDTH, this.#hasher), (parents % TILE_WIDTH) * 32);
    this.#buffers[level] = new Uint8Array(TILE_WIDTH * 32);
    this.grow(level + 1, 1);
  }

  /** The new right edge. Adds its new partial tiles to the files. */
  finish(): Uint8Array[] {
    return this.#counts.map((count, level) => {
      const buffer = this.#buffers[level];
      if (buffer === undefined) return this.#edge[level]!;
      const width = count % TILE_WIDTH;
      if (width === 0) return NOTHING;
      const bytes = buffer.slice(0, width * 32);
      this.#files.push({ path: tilePath({ level, index: Math.floor(count / TILE_WIDTH), width }), bytes });
      return bytes;
    });
  }
}
