/** The hashes of nodes that lie inside a tile. */
import type { Hasher } from "../hasher/hasher.ts";

/** Root over `count` hashes of a tile, a power of two, from hash `start` on. */
export function hashInTile(tile: Uint8Array, start: number, count: number, hasher: Hasher): Uint8Array {
  // A copy, hashed in place. Not slice(): of a Buffer, which a source may well return, that is a view.
  const row = new Uint8Array(tile.subarray(32 * start, 32 * (start + count)));
  for (let width = count / 2; width >= 1; width /= 2) hasher.hashNodes(row, row, width);
  return row.slice(0, 32);
}
