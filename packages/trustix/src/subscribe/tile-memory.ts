// Tiles that are asked for again within one look at a log: the right edge is read for the proof of growth, and once more
// for the entries.

import type { TileSource } from "@trustix/tlog";

/** Tiles remembered, at most 8 KiB each. */
const MAX_TILES = 64;

/** A source that remembers the first tiles asked for; not entry bundles. For one look only. */
export function rememberTiles(source: TileSource): TileSource {
  const known = new Map<string, Promise<Uint8Array | undefined>>();
  return {
    fetch(path, options) {
      if (path.startsWith("tile/entries/")) return source.fetch(path, options);
      const before = known.get(path);
      if (before !== undefined) return before;
      const pending = source.fetch(path, options);
      if (known.size < MAX_TILES) known.set(path, pending);
      pending.catch(() => known.delete(path));
      return pending;
    },
  };
}
