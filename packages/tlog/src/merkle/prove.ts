/** Makes inclusion, consistency and subtree proofs from any store of hashes. */
import { TlogError } from "../errors.ts";
import { nodeHash } from "./hash.ts";
import { proofPath } from "./proof-path.ts";
import {
  checkIndex,
  checkSize,
  checkSubtree,
  completeNodes,
  type LeafRange,
  type TreeNode,
} from "./tree-math.ts";

/** A store of the hashes of complete subtrees: tiles, a database, memory. */
export interface HashSource {
  /**
   * The hashes of `nodes`, 32 bytes each, in the same order. All of them are complete subtrees of the tree that the
   * proof is for. Rejects if it cannot give them all.
   */
  readHashes(nodes: readonly TreeNode[], options?: ReadOptions): Promise<readonly Uint8Array[]>;
}

/** How to read hashes; `signal` asks to give up. */
export interface ReadOptions {
  readonly signal?: AbortSignal;
}

/**
 * Proves that entry `index` is in the tree of the first `size` entries. The hashes go from the leaf's sibling up.
 * @throws TlogError RANGE_INVALID, and whatever `source` rejects with
 */
export async function proveInclusion(
  index: number,
  size: number,
  source: HashSource,
  options?: ReadOptions,
): Promise<Uint8Array[]> {
  checkIndex(index, size);
  return proveRange({ start: index, end: index + 1 }, size, source, options);
}

/**
 * Proves that the tree of the first `newSize` entries extends that of the first `oldSize`. Empty if the sizes are equal
 * or the old one is 0.
 * @throws TlogError RANGE_INVALID, and whatever `source` rejects with
 */
export async function proveConsistency(
  oldSize: number,
  newSize: number,
  source: HashSource,
  options?: ReadOptions,
): Promise<Uint8Array[]> {
  checkSize(newSize);
  if (oldSize === 0) return [];
  checkSubtree(0, oldSize, newSize);
  return proveRange({ start: 0, end: oldSize }, newSize, source, options);
}

/**
 * Proves that a subtree, the leaves `start` up to `end` (see {@link isSubtree}), is part of the tree of the first `size`
 * entries.
 * @throws TlogError RANGE_INVALID, and whatever `source` rejects with
 */
export async function proveSubtree(
  start: number,
  end: number,
  size: number,
  source: HashSource,
  options?: ReadOptions,
): Promise<Uint8Array[]> {
  checkSubtree(start, end, size);
  return proveRange({ start, end }, size, source, options);
}

/**
 * Hash of a subtree: of the leaves `start` up to `end`, as a tree of their own. `[0, size)` gives the root at that size.
 * @throws TlogError RANGE_INVALID, and whatever `source` rejects with
 */
export async function subtreeHash(
  start: number,
  end: number,
  source: HashSource,
  options?: ReadOptions,
): Promise<Uint8Array> {
  checkSubtree(start, end, end);
  const [hash] = await hashRanges([{ start, end }], source, options);
  return hash!;
}

function proveRange(
  range: LeafRange,
  size: number,
  source: HashSource,
  options: ReadOptions | undefined,
): Promise<Uint8Array[]> {
  const { base, steps } = proofPath(range.start, range.end, size);
  const ranges = steps.map((step) => step.range);
  return hashRanges(base === undefined ? ranges : [base, ...ranges], source, options);
}

/** Hashes of several ranges with one read. */
async function hashRanges(
  ranges: readonly LeafRange[],
  source: HashSource,
  options: ReadOptions | undefined,
): Promise<Uint8Array[]> {
  const parts = ranges.map(completeNodes);
  const nodes = parts.flat();
  if (nodes.length === 0) return [];
  const hashes = await source.readHashes(nodes, options);
  if (hashes.length !== nodes.length || hashes.some((hash) => hash.length !== 32)) {
    throw new TlogError("RANGE_INVALID", `hash source did not give ${nodes.length} hashes of 32 bytes`);
  }
  let end = 0;
  return parts.map((part) => {
    const start = end;
    end += part.length;
    return hashes.slice(start, end).reduceRight((right, left) => nodeHash(left, right));
  });
}
