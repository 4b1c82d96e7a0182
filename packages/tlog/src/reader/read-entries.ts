/**
 * Reads the entries of a log and yields only what is proven to be in the tree of a trusted checkpoint.
 *
 * A full bundle is hashed into the root over its tile, which is a hash in a verified tile one level up; so level 0 tiles
 * need not be fetched, but for the last, partial one, which is part of the right edge.
 */
import { equalBytes } from "../encoding.ts";
import { TlogError } from "../errors.ts";
import { defaultHasher } from "../hasher/default-hasher.ts";
import type { Hasher } from "../hasher/hasher.ts";
import { checkSize, type TreeHead } from "../merkle/tree-math.ts";
import { decodeBundle } from "../tiles/bundle.ts";
import { bundlePath, TILE_WIDTH } from "../tiles/tile.ts";
import { hashInTile } from "../tiles/tile-hash.ts";
import { fetchBundle, type TileSource } from "../tiles/tile-source.ts";
import { VerifiedTiles } from "../tiles/verified-tiles.ts";
import { verifyGrowth } from "./growth.ts";
import { checkConcurrency, prefetch } from "./prefetch.ts";
import { checkResumePoint, type ResumePoint } from "./resume-point.ts";

/** What {@link readEntries} reads, from where on, and how. */
export interface ReadEntriesOptions {
  /** The tree to read: of a checkpoint whose signatures have been checked. */
  readonly checkpoint: TreeHead;
  readonly source: TileSource;
  /** Where an earlier run stopped. The checkpoint's tree must extend the one that was verified then. */
  readonly resume?: ResumePoint;
  /** Index of the first entry wanted, 0 to the size of the tree. Default: where `resume` says, or 0. */
  readonly from?: number;
  /** Bundles fetched ahead. Memory is bounded by this many bundles, each at most 16.8 MB and usually far less. Default 4. */
  readonly concurrency?: number;
  /** Ends the reading: the iterator then throws the signal's reason, even if the source never answers. */
  readonly signal?: AbortSignal;
  /** Default: {@link defaultHasher}. */
  readonly hasher?: Hasher;
}

/** Consecutive entries of a log, all of one bundle, proven. */
export interface EntryChunk {
  /** Index of the first of them. */
  readonly startIndex: number;
  /** Views of one buffer, at least one. */
  readonly entries: readonly Uint8Array[];
  /** Pass this on, once the chunk has been dealt with, to go on behind it. */
  readonly resume: ResumePoint;
}

/**
 * Yields the entries from `from` to the end of the tree, in order, a chunk for each bundle. Nothing is yielded before it
 * is proven. With a resume point, the consistency of the two trees is checked first, even if there is nothing to read.
 * @throws TlogError ROLLBACK or FORK if the log was rewritten since the resume point; ROOT_MISMATCH, TILE_INVALID,
 *   BUNDLE_MALFORMED or BUNDLE_MISMATCH if files do not belong to the tree; RESOURCE_MISSING, FETCH_FAILED; RANGE_INVALID
 *   if `from` or the sizes are out of range
 */
export async function* readEntries(options: ReadEntriesOptions): AsyncGenerator<EntryChunk, void, undefined> {
  const { checkpoint, source, resume, signal, hasher = defaultHasher() } = options;
  const { size } = checkpoint;
  checkSize(size);
  if (resume !== undefined) checkResumePoint(resume);
  const from = options.from ?? resume?.nextIndex ?? 0;
  const concurrency = checkConcurrency(options.concurrency ?? 4);
  const tiles = new VerifiedTiles({ checkpoint, source, hasher, cacheTiles: 16 });
  const reading = signal === undefined ? {} : { signal };
  if (resume !== undefined) await verifyGrowth(resume.verified, checkpoint, tiles, reading);
  if (!Number.isSafeInteger(from) || from < 0 || from > size) {
    throw new TlogError("RANGE_INVALID", `cannot read from entry ${from} of a tree of size ${size}`);
  }

  const bundles = prefetch(bundlesFrom(from, size), concurrency, signal, async (bundle, loading) => ({
    ...bundle,
    bytes: await fetchBundle(source, bundle, loading),
  }));
  const leaves = new Uint8Array(TILE_WIDTH * 32);
  for await (const { index, width, bytes } of bundles) {
    hasher.hashLeaves(bytes, 0, width, leaves, 0);
    const isProven =
      width === TILE_WIDTH
        ? equalBytes(
            hashInTile(leaves, 0, TILE_WIDTH, hasher),
            (await tiles.readHashes([{ level: 8, index }], reading))[0]!,
          )
        : equalBytes(leaves.subarray(0, width * 32), await tiles.readTile(0, index, reading));
    if (!isProven) {
      const path = bundlePath({ index, width });
      throw new TlogError("BUNDLE_MISMATCH", `${path} has other entries than the tree commits to`, { path });
    }
    const first = index * TILE_WIDTH;
    const startIndex = Math.max(from, first);
    yield {
      startIndex,
      entries: decodeBundle(bytes, width).slice(startIndex - first),
      resume: { nextIndex: first + width, verified: checkpoint },
    };
  }
}

function* bundlesFrom(from: number, size: number): Generator<{ index: number; width: number }> {
  for (let next = from; next < size; next += TILE_WIDTH - (next % TILE_WIDTH)) {
    const index = Math.floor(next / TILE_WIDTH);
    yield { index, width: Math.min(TILE_WIDTH, size - index * TILE_WIDTH) };
  }
}
