/**
 * Where things are in a tiled log: coordinates, paths and widths of tiles and entry bundles (c2sp.org/tlog-tiles).
 *
 * Hash i of tile n at level l is that of the complete subtree over 256^l leaves with index n * 256 + i. A tile of fewer
 * than 256 hashes is partial; only the last one of a level is. Level l + 1 is made of full tiles of level l.
 */
import { TlogError } from "../errors.ts";
import { checkSize, type TreeNode } from "../merkle/tree-math.ts";

/** Hashes in a full tile, entries in a full bundle. */
export const TILE_WIDTH = 256;

/** A tile: level 0 to 63, index in its level, and how many hashes it has, 1 to 256. */
export interface TileCoordinates {
  readonly level: number;
  readonly index: number;
  readonly width: number;
}

/** An entry bundle: its index (that of the level 0 tile with the leaf hashes) and how many entries it has, 1 to 256. */
export interface BundleCoordinates {
  readonly level: "entries";
  readonly index: number;
  readonly width: number;
}

/** A file of a log other than the checkpoint. */
export type LogFile = TileCoordinates | BundleCoordinates;

/**
 * Path of a tile below the log's prefix, such as `tile/0/x001/x234/067` or `tile/1/001.p/17`.
 * @throws TlogError TILE_INVALID for coordinates outside their ranges
 */
export function tilePath(tile: TileCoordinates): string {
  if (!Number.isInteger(tile.level) || tile.level < 0 || tile.level > 63) {
    throw new TlogError("TILE_INVALID", `tile level ${tile.level} is not an integer from 0 to 63`);
  }
  return `tile/${tile.level}/${indexPath(tile.index, tile.width)}`;
}

/**
 * Path of an entry bundle below the log's prefix, such as `tile/entries/000.p/5`.
 * @throws TlogError TILE_INVALID for coordinates outside their ranges
 */
export function bundlePath(bundle: { readonly index: number; readonly width: number }): string {
  return `tile/entries/${indexPath(bundle.index, bundle.width)}`;
}

/** Path of a tile or a bundle. Inverse of {@link parseTilePath}. @throws TlogError TILE_INVALID */
export function logFilePath(file: LogFile): string {
  return file.level === "entries" ? bundlePath(file) : tilePath(file);
}

function indexPath(index: number, width: number): string {
  if (!Number.isSafeInteger(index) || index < 0) {
    throw new TlogError("TILE_INVALID", `tile index ${index} is not an integer from 0 to 2^53 - 1`);
  }
  if (!Number.isInteger(width) || width < 1 || width > TILE_WIDTH) {
    throw new TlogError("TILE_INVALID", `tile width ${width} is not an integer from 1 to ${TILE_WIDTH}`);
  }
  let path = String(index % 1000).padStart(3, "0");
  for (let rest = Math.floor(index / 1000); rest > 0; rest = Math.floor(rest / 1000)) {
    path = `x${String(rest % 1000).padStart(3, "0")}/${path}`;
  }
  return width === TILE_WIDTH ? path : `${path}.p/${width}`;
}

const PATH =
  /^tile\/(entries|[0-9]|[1-5][0-9]|6[0-3])\/((?:x[0-9]{3}\/){0,5}[0-9]{3})(?:\.p\/([1-9][0-9]{0,2}))?$/;

/**
 * Parses the path of a tile or a bundle as a client asks for it: the one canonical spelling only, without a leading
 * slash.
 * @throws TlogError TILE_INVALID
 */
export function parseTilePath(path: string): LogFile {
  const [, level, digits, partial] = (path.length <= 64 && PATH.exec(path)) || [];
  const index = Number(digits?.replaceAll(/[x/]/g, ""));
  const width = partial === undefined ? TILE_WIDTH : Number(partial);
  const isCanonical = Number.isSafeInteger(index) && !digits!.startsWith("x000");
  if (!isCanonical || (partial !== undefined && width >= TILE_WIDTH)) {
    throw new TlogError("TILE_INVALID", "not the path of a tile or an entry bundle");
  }
  return level === "entries" ? { level, index, width } : { level: Number(level), index, width };
}

/** Number of hashes on a level of the tiles of a tree of `size` entries. */
export function hashesAtLevel(level: number, size: number): number {
  return Math.floor(size / TILE_WIDTH ** level);
}

/** Width of the partial tile at a level of a tree of `size` entries, 0 to 255; 0 means that there is none. */
export function partialWidth(level: number, size: number): number {
  return hashesAtLevel(level, size) % TILE_WIDTH;
}

/** Number of levels that have tiles in a tree of `size` entries. */
export function tileLevels(size: number): number {
  let levels = 0;
  for (let rest = size; rest >= 1; rest = Math.floor(rest / TILE_WIDTH)) levels++;
  return levels;
}

/**
 * The tile at `index` of `level` as a tree of `size` entries implies it: full, or partial at the end of the level.
 * @throws TlogError RANGE_INVALID if the tree has no such tile
 */
export function tileAt(level: number, index: number, size: number): TileCoordinates {
  checkSize(size);
  const width = Math.min(hashesAtLevel(level, size) - index * TILE_WIDTH, TILE_WIDTH);
  if (!Number.isSafeInteger(level) || level < 0 || !Number.isSafeInteger(index) || index < 0 || width < 1) {
    throw new TlogError("RANGE_INVALID", `a tree of size ${size} has no tile ${index} at level ${level}`);
  }
  return { level, index, width };
}

/**
 * The files that a tree of `newSize` implies and one of `oldSize` does not, that is, what a log writes when it grows:
 * bundles first, then tiles by level, each by index. From 0 it lists all files of a log, without outgrown partial ones.
 * @throws TlogError RANGE_INVALID unless 0 <= oldSize <= newSize
 */
export function* tilesBetween(oldSize: number, newSize: number): Generator<LogFile, void, undefined> {
  checkSize(oldSize);
  checkSize(newSize);
  if (oldSize > newSize) {
    throw new TlogError("RANGE_INVALID", `a tree does not shrink from ${oldSize} to ${newSize}`);
  }
  for (const { index, width } of levelBetween(0, oldSize, newSize)) yield { level: "entries", index, width };
  for (let level = 0; hashesAtLevel(level, newSize) > 0; level++) {
    yield* levelBetween(level, oldSize, newSize);
  }
}

function* levelBetween(level: number, oldSize: number, newSize: number): Generator<TileCoordinates> {
  const total = hashesAtLevel(level, newSize);
  const known = hashesAtLevel(level, oldSize);
  if (total === known) return;
  for (let index = Math.floor(known / TILE_WIDTH); index * TILE_WIDTH < total; index++) {
    yield { level, index, width: Math.min(total - index * TILE_WIDTH, TILE_WIDTH) };
  }
}

/** Which hashes of which tile make a node: `count` of them, a power of two, from hash `start` on. */
export interface TileSlice {
  readonly level: number;
  readonly index: number;
  readonly start: number;
  readonly count: number;
}

/** Where in the tiles a complete subtree is found. Its hash is the root over that slice. */
export function tileSlice(node: TreeNode): TileSlice {
  const level = Math.floor(node.level / 8);
  const count = 2 ** (node.level % 8);
  const first = node.index * count;
  return { level, index: Math.floor(first / TILE_WIDTH), start: first % TILE_WIDTH, count };
}
