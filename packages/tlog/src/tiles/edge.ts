/**
 * The right edge of a tiled tree: the partial tile of each level from 0 up, empty where there is none. Between them these
 * hold every complete subtree that the tree is made of, so the root vouches for each of their bytes, and a tree grows
 * from them alone.
 */
import type { Hasher } from "../hasher/hasher.ts";
import { emptyRoot, nodeHash } from "../merkle/hash.ts";
import { hashesAtLevel, partialWidth, TILE_WIDTH, tileLevels } from "./tile.ts";
import { hashInTile } from "./tile-hash.ts";
import { fetchTile, type TileSource } from "./tile-source.ts";

/** Fetches the right edge of a tree of `size` entries. Nothing but its shape is checked. */
export function fetchEdge(
  source: TileSource,
  size: number,
  signal: AbortSignal | undefined,
): Promise<Uint8Array[]> {
  const levels = Array.from({ length: tileLevels(size) }, (_, level) => level);
  return Promise.all(
    levels.map((level) => {
      const width = partialWidth(level, size);
      const index = Math.floor(hashesAtLevel(level, size) / TILE_WIDTH);
      return width === 0 ? new Uint8Array(0) : fetchTile(source, { level, index, width }, signal);
    }),
  );
}

/** Root of the tree with this right edge. */
export function rootOfEdge(edge: readonly Uint8Array[], hasher: Hasher): Uint8Array {
  let root: Uint8Array | undefined;
  for (const tile of edge) {
    let end = tile.length / 32;
    for (let count = 1; end > 0; count *= 2) {
      if ((end & count) === 0) continue;
      end -= count;
      const peak = hashInTile(tile, end, count, hasher);
      root = root === undefined ? peak : nodeHash(peak, root);
    }
  }
  return root ?? emptyRoot();
}
