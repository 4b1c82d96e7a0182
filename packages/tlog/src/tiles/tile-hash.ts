/** Hashes that are not in tiles as such, but follow from them: nodes inside a tile, and the root of the whole tree. */
import type { Hasher } from "../hasher/hasher.ts";
import { emptyRoot, nodeHash } from "../merkle/hash.ts";

/** Root over `count` hashes of a tile, a power of two, from hash `start` on. */
export function hashInTile(tile: Uint8Array, start: number, count: number, hasher: Hasher): Uint8Array {
  const row = tile.slice(32 * start, 32 * (start + count));
  for (let width = count / 2; width >= 1; width /= 2) hasher.hashNodes(row, row, width);
  return row.slice(0, 32);
}

/**
 * Root of a tree from its right edge: the bytes of the partial tile of each level from 0 up, empty where there is none.
 * Between them these hold every complete subtree that the tree is made of, so the root vouches for each of their bytes.
 */
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
