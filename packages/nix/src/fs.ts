/**
 * The file-system side of NAR (`@trustix/nix/fs`): Node only. Everything else of this package is pure.
 */

export type { FsPath } from "./nar-fs/byte-path.ts";
export { dumpPath, dumpPathTo } from "./nar-fs/dump.ts";
export { hashPath, type NarDigest } from "./nar-fs/hash.ts";
export { restorePath } from "./nar-fs/restore.ts";
