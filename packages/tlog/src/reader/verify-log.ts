/**
 * Full verification of a log: every entry bundle, every tile of every level, and the root, computed from the entries up
 * and compared byte by byte. One wrong byte anywhere is found.
 */
import { equalBytes } from "../encoding.ts";
import { TlogError } from "../errors.ts";
import { defaultHasher } from "../hasher/default-hasher.ts";
import type { Hasher } from "../hasher/hasher.ts";
import { checkSize, type TreeHead } from "../merkle/tree-math.ts";
import { rootOfEdge } from "../tiles/edge.ts";
import { bundlePath, TILE_WIDTH, tileAt, tileLevels, tilePath } from "../tiles/tile.ts";
import { hashInTile } from "../tiles/tile-hash.ts";
import { fetchBundle, fetchTile, type TileSource } from "../tiles/tile-source.ts";
import { VerifiedTiles } from "../tiles/verified-tiles.ts";
import { checkConcurrency, prefetch } from "./prefetch.ts";

/** What {@link verifyLog} checks, and how. */
export interface VerifyLogOptions {
  /** The tree to verify: of a checkpoint whose signatures have been checked. */
  readonly checkpoint: TreeHead;
  readonly source: TileSource;
  /** Bundles fetched ahead, each with its tile. Default 4. */
  readonly concurrency?: number;
  /** Ends the verification, which then throws the signal's reason. */
  readonly signal?: AbortSignal;
  /** Default: {@link defaultHasher}. */
  readonly hasher?: Hasher;
  /** Called after each bundle and at the end, with what has been verified so far. */
  readonly onProgress?: (progress: VerifiedCounts) => void;
}

/** How much of a log has been verified. */
export interface VerifiedCounts {
  readonly entries: number;
  readonly bundles: number;
  readonly tiles: number;
}

/**
 * Verifies a whole log against the tree of a checkpoint. Files that the tree does not imply, such as outgrown partial
 * tiles, are not looked at. Memory does not depend on the size of the log.
 * @throws TlogError, whose `path` names the first bad file: TILE_INVALID, BUNDLE_MALFORMED, BUNDLE_MISMATCH,
 *   RESOURCE_MISSING, FETCH_FAILED; ROOT_MISMATCH with path `checkpoint` if all files agree, but on another tree
 */
export async function verifyLog(options: VerifyLogOptions): Promise<VerifiedCounts> {
  const { checkpoint, source, signal, onProgress, hasher = defaultHasher() } = options;
  const { size } = checkpoint;
  checkSize(size);
  const verifier = new LogVerifier(checkpoint, source, hasher, signal);
  const concurrency = checkConcurrency(options.concurrency ?? 4);
  const rows = prefetch(leafTiles(size), concurrency, signal, async (tile, loading) => {
    const [bytes, stored] = await Promise.all([
      fetchBundle(source, tile, loading),
      fetchTile(source, tile, loading),
    ]);
    return { width: tile.width, bytes, stored };
  });
  for await (const { width, bytes, stored } of rows) {
    await verifier.addBundle(bytes, width, stored);
    onProgress?.(verifier.counts());
  }
  await verifier.finish();
  onProgress?.(verifier.counts());
  return verifier.counts();
}

function* leafTiles(size: number): Generator<{ level: 0; index: number; width: number }> {
  for (let index = 0; index * TILE_WIDTH < size; index++) {
    yield { level: 0, index, width: Math.min(TILE_WIDTH, size - index * TILE_WIDTH) };
  }
}

/** Computes the last tile of each level from what is below it, and compares each with the stored one. */
class LogVerifier {
  readonly #checkpoint: TreeHead;
  readonly #source: TileSource;
  readonly #hasher: Hasher;
  readonly #signal: AbortSignal | undefined;
  readonly #rows: { readonly hashes: Uint8Array; index: number; width: number }[];
  #entries = 0;
  #bundles = 0;
  #tiles = 0;

  constructor(checkpoint: TreeHead, source: TileSource, hasher: Hasher, signal: AbortSignal | undefined) {
    this.#checkpoint = checkpoint;
    this.#source = source;
    this.#hasher = hasher;
    this.#signal = signal;
    this.#rows = Array.from({ length: tileLevels(checkpoint.size) }, () => ({
      hashes: new Uint8Array(TILE_WIDTH * 32),
      index: 0,
      width: 0,
    }));
  }

  counts(): VerifiedCounts {
    return { entries: this.#entries, bundles: this.#bundles, tiles: this.#tiles };
  }

  async addBundle(bytes: Uint8Array, width: number, stored: Uint8Array): Promise<void> {
    const row = this.#rows[0]!;
    this.#hasher.hashLeaves(bytes, 0, width, row.hashes, 0);
    row.width = width;
    await this.#compare(0, stored);
    this.#entries += width;
    this.#bundles++;
    if (width === TILE_WIDTH) await this.#carry(0);
  }

  /** Compares the partial tiles above level 0, then the root. */
  async finish(): Promise<void> {
    for (let level = 1; level < this.#rows.length; level++) {
      if (this.#rows[level]!.width > 0) await this.#compareStored(level);
    }
    const edge = this.#rows.map((row) => row.hashes.subarray(0, row.width * 32));
    const { size, root } = this.#checkpoint;
    if (!equalBytes(rootOfEdge(edge, this.#hasher), root)) {
      const message = `all files agree, but not with the root of the checkpoint at size ${size}`;
      throw new TlogError("ROOT_MISMATCH", message, { path: "checkpoint" });
    }
  }

  /** Hands the root over a full tile to the level above. */
  async #carry(level: number): Promise<void> {
    const row = this.#rows[level]!;
    const above = this.#rows[level + 1]!;
    above.hashes.set(hashInTile(row.hashes, 0, TILE_WIDTH, this.#hasher), above.width * 32);
    above.width++;
    row.width = 0;
    row.index++;
    if (above.width < TILE_WIDTH) return;
    await this.#compareStored(level + 1);
    await this.#carry(level + 1);
  }

  async #compareStored(level: number): Promise<void> {
    const tile = tileAt(level, this.#rows[level]!.index, this.#checkpoint.size);
    await this.#compare(level, await fetchTile(this.#source, tile, this.#signal));
  }

  async #compare(level: number, stored: Uint8Array): Promise<void> {
    const { hashes, width, index } = this.#rows[level]!;
    if (!equalBytes(hashes.subarray(0, width * 32), stored)) await this.#blame(level, index, stored);
    this.#tiles++;
  }

  /** A tile and what is below it disagree. The one that the root vouches for is right; without a root, the lower one. */
  async #blame(level: number, index: number, stored: Uint8Array): Promise<never> {
    const checkpoint = this.#checkpoint;
    const tile = tileAt(level, index, checkpoint.size);
    const path = tilePath(tile);
    const tiles = new VerifiedTiles({ checkpoint, source: this.#source, hasher: this.#hasher });
    try {
      await tiles.readTile(level, index, this.#signal === undefined ? {} : { signal: this.#signal });
    } catch (cause) {
      if (!(cause instanceof TlogError) || cause.code !== "ROOT_MISMATCH") throw cause;
      throw new TlogError("TILE_INVALID", `${path} does not agree with what is below it`, { cause, path });
    }
    if (level === 0) {
      const below = bundlePath(tile);
      throw new TlogError("BUNDLE_MISMATCH", `${below} has other entries than the tree commits to`, {
        path: below,
      });
    }
    const { hashes } = this.#rows[level]!;
    const child = Math.floor(stored.findIndex((byte, i) => byte !== hashes[i]) / 32);
    const below = tilePath({ level: level - 1, index: index * TILE_WIDTH + child, width: TILE_WIDTH });
    throw new TlogError("TILE_INVALID", `${below} has other hashes than the tree commits to`, {
      path: below,
    });
  }
}
