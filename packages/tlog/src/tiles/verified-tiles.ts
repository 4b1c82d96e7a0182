/**
 * The hashes of a tree, read from the tiles of an untrusted source and believed only once they are proven to be part of
 * a tree that is trusted.
 *
 * The right edge (the partial tile of each level) holds every complete subtree that the tree is made of, so the root
 * vouches for it. The root over a full tile is a hash in the tile above, up to one in the right edge. So each tile costs
 * as many fetches as there are levels above it, most of them already in the cache.
 */
import { equalBytes } from "../encoding.ts";
import { TlogError } from "../errors.ts";
import { defaultHasher } from "../hasher/default-hasher.ts";
import type { Hasher } from "../hasher/hasher.ts";
import { emptyRoot } from "../merkle/hash.ts";
import type { HashSource, ReadOptions } from "../merkle/prove.ts";
import { checkSize, type TreeHead, type TreeNode } from "../merkle/tree-math.ts";
import { fetchEdge, rootOfEdge } from "./edge.ts";
import { hashesAtLevel, TILE_WIDTH, type TileCoordinates, tileAt, tilePath, tileSlice } from "./tile.ts";
import { hashInTile } from "./tile-hash.ts";
import { fetchTile, type TileSource } from "./tile-source.ts";

/** What {@link VerifiedTiles} reads, and with what. */
export interface VerifiedTilesOptions {
  /** The tree to verify against: of a checkpoint whose signatures have been checked. */
  readonly checkpoint: TreeHead;
  readonly source: TileSource;
  /** Default: {@link defaultHasher}. */
  readonly hasher?: Hasher;
  /** Most full tiles kept, 8 KiB each, the least recently used going first. Default 256. */
  readonly cacheTiles?: number;
}

type TilePosition = Pick<TileCoordinates, "level" | "index">;

/**
 * The tiles of one tree, verified. A {@link HashSource}, so proofs are made from it. It works for the tree of the
 * checkpoint and, since a log only grows, for all smaller ones.
 */
export class VerifiedTiles implements HashSource {
  readonly #checkpoint: TreeHead;
  readonly #source: TileSource;
  readonly #hasher: Hasher;
  readonly #capacity: number;
  /** Verified full tiles by position, least recently used first. */
  readonly #cache = new Map<string, Uint8Array>();
  #edge: readonly Uint8Array[] | undefined;

  /**
   * @throws TlogError RANGE_INVALID if the size of the checkpoint is out of range; ROOT_MISMATCH if the tree is empty
   *   and its root is not that of the empty tree, which no tile could show
   */
  constructor(options: VerifiedTilesOptions) {
    const { size, root } = options.checkpoint;
    checkSize(size);
    if (size === 0 && !equalBytes(root, emptyRoot())) {
      throw new TlogError("ROOT_MISMATCH", "the root of the empty tree is the hash of nothing");
    }
    this.#checkpoint = options.checkpoint;
    this.#source = options.source;
    this.#hasher = options.hasher ?? defaultHasher();
    this.#capacity = options.cacheTiles ?? 256;
  }

  /**
   * Hashes of complete subtrees.
   * @throws TlogError RANGE_INVALID for a node outside the tree, ROOT_MISMATCH, TILE_INVALID, RESOURCE_MISSING,
   *   FETCH_FAILED
   */
  async readHashes(nodes: readonly TreeNode[], options: ReadOptions = {}): Promise<Uint8Array[]> {
    for (const { level, index } of nodes) {
      const isNode = Number.isSafeInteger(level) && level >= 0 && Number.isSafeInteger(index) && index >= 0;
      if (!isNode || (index + 1) * 2 ** level > this.#checkpoint.size) {
        throw new TlogError("RANGE_INVALID", `node ${index} at level ${level} is not within the tree`);
      }
    }
    const slices = nodes.map(tileSlice);
    const tiles = await this.#load(slices, options.signal);
    return slices.map(({ level, index, start, count }) =>
      hashInTile(tiles.get(keyOf(level, index))!, start, count, this.#hasher),
    );
  }

  /**
   * Bytes of the tile at `index` of `level`, as wide as the size of the tree implies. They must not be changed.
   * @throws TlogError RANGE_INVALID for a tile that the tree does not have, ROOT_MISMATCH, TILE_INVALID,
   *   RESOURCE_MISSING, FETCH_FAILED
   */
  async readTile(level: number, index: number, options: ReadOptions = {}): Promise<Uint8Array> {
    tileAt(level, index, this.#checkpoint.size);
    const tiles = await this.#load([{ level, index }], options.signal);
    return tiles.get(keyOf(level, index))!;
  }

  /** The wanted tiles, verified: fetches those that are not known, and the unknown ones above them, all at once. */
  async #load(
    wanted: readonly TilePosition[],
    signal: AbortSignal | undefined,
  ): Promise<Map<string, Uint8Array>> {
    this.#edge ??= await this.#verifiedEdge(signal);
    const tiles = new Map<string, Uint8Array>();
    const unknown = new Map<string, TilePosition>();
    for (const position of wanted) {
      for (let { level, index } = position; ; level++, index = Math.floor(index / TILE_WIDTH)) {
        const key = keyOf(level, index);
        if (tiles.has(key) || unknown.has(key)) break;
        const known = this.#known(level, index, this.#edge);
        if (known !== undefined) {
          tiles.set(key, known);
          break;
        }
        unknown.set(key, { level, index });
      }
    }
    const fetched = await Promise.all(
      [...unknown.values()].map(async ({ level, index }) => {
        const bytes = await fetchTile(this.#source, { level, index, width: TILE_WIDTH }, signal);
        return { level, index, bytes };
      }),
    );
    for (const { level, index, bytes } of fetched.sort((a, b) => b.level - a.level)) {
      const above = tiles.get(keyOf(level + 1, Math.floor(index / TILE_WIDTH)))!;
      const at = (index % TILE_WIDTH) * 32;
      if (!equalBytes(hashInTile(bytes, 0, TILE_WIDTH, this.#hasher), above.subarray(at, at + 32))) {
        const path = tilePath({ level, index, width: TILE_WIDTH });
        throw new TlogError("TILE_INVALID", `${path} has other hashes than the tree commits to`, { path });
      }
      tiles.set(keyOf(level, index), bytes);
      this.#remember(keyOf(level, index), bytes);
    }
    return tiles;
  }

  async #verifiedEdge(signal: AbortSignal | undefined): Promise<readonly Uint8Array[]> {
    const { size, root } = this.#checkpoint;
    const edge = await fetchEdge(this.#source, size, signal);
    if (!equalBytes(rootOfEdge(edge, this.#hasher), root)) {
      throw new TlogError(
        "ROOT_MISMATCH",
        `the partial tiles do not hash to the root of the tree at size ${size}`,
      );
    }
    return edge;
  }

  #known(level: number, index: number, edge: readonly Uint8Array[]): Uint8Array | undefined {
    if (index === Math.floor(hashesAtLevel(level, this.#checkpoint.size) / TILE_WIDTH)) return edge[level];
    const key = keyOf(level, index);
    const tile = this.#cache.get(key);
    if (tile !== undefined) this.#remember(key, tile);
    return tile;
  }

  #remember(key: string, tile: Uint8Array): void {
    this.#cache.delete(key);
    this.#cache.set(key, tile);
    if (this.#cache.size > this.#capacity) this.#cache.delete(this.#cache.keys().next().value!);
  }
}

function keyOf(level: number, index: number): string {
  return `${level}/${index}`;
}
