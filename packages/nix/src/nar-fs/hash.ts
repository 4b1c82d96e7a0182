/** Hash and size of an archive: the `NarHash` and `NarSize` of a narinfo. */

import { createHash } from "node:crypto";
import type { FsPath } from "./byte-path.ts";
import { dumpPathTo } from "./dump.ts";

/** SHA-256 and length of an archive. */
export interface NarDigest {
  /** 32 bytes. */
  readonly sha256: Uint8Array;
  /** Bytes of the archive. */
  readonly sizeBytes: number;
}

/**
 * Hash and size of the archive of what is at a path, without keeping the archive.
 * @throws NixError the codes of `dumpPath`
 */
export async function hashPath(path: FsPath): Promise<NarDigest> {
  const hash = createHash("sha256");
  const sizeBytes = await dumpPathTo(path, (chunk) => {
    hash.update(chunk);
  });
  return { sha256: new Uint8Array(hash.digest()), sizeBytes };
}
