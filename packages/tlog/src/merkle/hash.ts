/** RFC 6962 hashing (RFC 9162 section 2.1.1), one hash at a time. Bulk hashing is the work of a `Hasher`. */
import { concatBytes } from "../encoding.ts";
import { TlogError } from "../errors.ts";
import { LEAF_PREFIX, NODE_PREFIX } from "../hasher/hasher.ts";
import { ScalarSha256, sha256 } from "../hasher/sha256.ts";
import { splitPoint } from "./tree-math.ts";

/** Hash of an entry as a leaf: SHA-256(0x00 ‖ entry), 32 bytes. */
export function leafHash(entry: Uint8Array): Uint8Array<ArrayBuffer> {
  const hash = new Uint8Array(32);
  new ScalarSha256().hash(LEAF_PREFIX, entry, 0, entry.length, hash, 0);
  return hash;
}

/** Hash of an inner node: SHA-256(0x01 ‖ left ‖ right), 32 bytes. */
export function nodeHash(left: Uint8Array, right: Uint8Array): Uint8Array<ArrayBuffer> {
  const hash = new Uint8Array(32);
  new ScalarSha256().hash(NODE_PREFIX, concatBytes(left, right), 0, 64, hash, 0);
  return hash;
}

/** Root of the empty tree: SHA-256 of nothing. A new array each time. */
export function emptyRoot(): Uint8Array<ArrayBuffer> {
  return sha256(new Uint8Array(0));
}

/**
 * Root of the tree with these leaf hashes, straight from the definition. For small trees; a `TreeBuilder` keeps a
 * growing one.
 * @throws TlogError RANGE_INVALID if one of them has not 32 bytes
 */
export function treeRoot(leafHashes: readonly Uint8Array[]): Uint8Array {
  for (const hash of leafHashes) {
    if (hash.length !== 32) throw new TlogError("RANGE_INVALID", "a leaf hash has 32 bytes");
  }
  const rootOf = (start: number, end: number): Uint8Array => {
    if (end - start === 1) return leafHashes[start]!;
    const split = start + splitPoint(end - start);
    return nodeHash(rootOf(start, split), rootOf(split, end));
  };
  return leafHashes.length === 0 ? emptyRoot() : rootOf(0, leafHashes.length);
}
