/**
 * Shapes of RFC 6962 trees, without any hash: where a range splits, which complete subtrees it is made of.
 *
 * Sizes go to 2^53 - 1, where 32-bit operators are wrong, so this is done with division and powers of two throughout.
 */
import { TlogError } from "../errors.ts";

/** A complete subtree: the 2^`level` leaves from leaf `index` * 2^`level` on. Level 0 is a leaf. */
export interface TreeNode {
  readonly level: number;
  readonly index: number;
}

/** A tree at one size: what a checkpoint signs. */
export interface TreeHead {
  /** Number of entries. */
  readonly size: number;
  /** Root hash, 32 bytes. */
  readonly root: Uint8Array;
}

/** The leaves from `start` up to, and without, `end`. */
export interface LeafRange {
  readonly start: number;
  readonly end: number;
}

/** @throws TlogError RANGE_INVALID unless `size` is an integer from 0 to 2^53 - 1 */
export function checkSize(size: number): void {
  if (!Number.isSafeInteger(size) || size < 0) {
    throw new TlogError("RANGE_INVALID", `tree size ${size} is not an integer from 0 to 2^53 - 1`);
  }
}

/** @throws TlogError RANGE_INVALID unless `index` is that of an entry in a tree of `size` entries */
export function checkIndex(index: number, size: number): void {
  checkSize(size);
  if (!Number.isSafeInteger(index) || index < 0 || index >= size) {
    throw new TlogError("RANGE_INVALID", `index ${index} is outside a tree of size ${size}`);
  }
}

/** @throws TlogError RANGE_INVALID unless `start` to `end` is a valid subtree (see {@link isSubtree}) within `size` */
export function checkSubtree(start: number, end: number, size: number): void {
  checkSize(size);
  if (!isSubtree(start, end) || end > size) {
    throw new TlogError("RANGE_INVALID", `[${start}, ${end}) is not a subtree of a tree of size ${size}`);
  }
}

/**
 * Whether the leaves `start` up to `end` can be a subtree: not empty, and `start` is a multiple of the smallest power of
 * two that is at least `end - start` (Merkle Tree Certificates draft, section 4.1).
 */
export function isSubtree(start: number, end: number): boolean {
  if (!Number.isSafeInteger(start) || !Number.isSafeInteger(end) || start < 0 || start >= end) return false;
  return start % (2 * splitPoint(end - start) || 1) === 0;
}

/** The largest power of two below `count`: where the tree over `count` leaves splits. 0 for a single leaf. */
export function splitPoint(count: number): number {
  if (count <= 1) return 0;
  let power = 1;
  while (power * 2 < count) power *= 2;
  return power;
}

/**
 * The complete subtrees that a valid subtree is made of, left to right, each smaller than the one before it.
 * Its hash is theirs, folded from the right.
 */
export function completeNodes(range: LeafRange): TreeNode[] {
  const nodes: TreeNode[] = [];
  let level = 0;
  for (let span = range.end - range.start; span >= 2; span = Math.floor(span / 2)) level++;
  for (let start = range.start; start < range.end; level--) {
    const width = 2 ** level;
    if (range.end - start < width) continue;
    nodes.push({ level, index: start / width });
    start += width;
  }
  return nodes;
}
