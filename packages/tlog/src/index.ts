export { defaultHasher } from "./hasher/default-hasher.ts";
export type { Hasher } from "./hasher/hasher.ts";
export { createScalarHasher } from "./hasher/scalar-hasher.ts";
export { sha256 } from "./hasher/sha256.ts";
export { emptyRoot, leafHash, nodeHash, treeRoot } from "./merkle/hash.ts";
export { isSubtree, type LeafRange, type TreeHead, type TreeNode } from "./merkle/tree-math.ts";
export { decodeBundle, encodeBundle, MAX_ENTRY_BYTES, maxBundleBytes } from "./tiles/bundle.ts";
export {
  type BundleCoordinates,
  bundlePath,
  type LogFile,
  logFilePath,
  parseTilePath,
  partialWidth,
  TILE_WIDTH,
  type TileCoordinates,
  tileAt,
  tilePath,
  tilesBetween,
} from "./tiles/tile.ts";
export type { FetchOptions, TileSource } from "./tiles/tile-source.ts";
export { type AppendResult, type FileToWrite, TreeBuilder } from "./tiles/tree-builder.ts";
