/**
 * Verifies inclusion, consistency and subtree proofs (RFC 9162 sections 2.1.3.2 and 2.1.4.2; Merkle Tree Certificates
 * draft, section 4.4). A proof has exactly the hashes that its claim calls for, or it is refused.
 */
import { equalBytes } from "../encoding.ts";
import { TlogError } from "../errors.ts";
import { NODE_PREFIX } from "../hasher/hasher.ts";
import { ScalarSha256 } from "../hasher/sha256.ts";
import { emptyRoot } from "./hash.ts";
import { proofPath } from "./proof-path.ts";
import { checkIndex, checkSize, checkSubtree, type LeafRange, type TreeHead } from "./tree-math.ts";

/** A subtree and its hash: the leaves `start` up to `end` as a tree of their own. */
export interface SubtreeHead extends LeafRange {
  /** Hash of the subtree, 32 bytes. */
  readonly hash: Uint8Array;
}

/**
 * Checks that the entry with this leaf hash (32 bytes, see {@link leafHash}) is entry `index` of the tree.
 * @throws TlogError RANGE_INVALID for an index outside the tree, PROOF_MALFORMED for a proof of the wrong shape,
 *   PROOF_INVALID for one that leads to another root
 */
export function verifyInclusion(
  leafHash: Uint8Array,
  index: number,
  tree: TreeHead,
  proof: readonly Uint8Array[],
): void {
  checkIndex(index, tree.size);
  climb({ start: index, end: index + 1, hash: leafHash }, tree, proof);
}

/**
 * Checks that the newer tree extends the older one: it has all of its entries, unchanged, first. The empty tree is a
 * beginning of every tree, by an empty proof.
 * @throws TlogError RANGE_INVALID if the newer tree is smaller, PROOF_MALFORMED for a proof of the wrong shape,
 *   PROOF_INVALID for one that leads to other roots
 */
export function verifyConsistency(older: TreeHead, newer: TreeHead, proof: readonly Uint8Array[]): void {
  checkSize(newer.size);
  if (older.size !== 0) {
    checkSubtree(0, older.size, newer.size);
    climb({ start: 0, end: older.size, hash: older.root }, newer, proof);
    return;
  }
  if (proof.length !== 0) throw new TlogError("PROOF_MALFORMED", "a proof from the empty tree is empty");
  const empty = emptyRoot();
  if (!equalBytes(older.root, empty) || (newer.size === 0 && !equalBytes(newer.root, empty))) {
    throw new TlogError("PROOF_INVALID", "the root of the empty tree is the hash of nothing");
  }
}

/**
 * Checks that a subtree (see {@link isSubtree}) is part of the tree.
 * @throws TlogError RANGE_INVALID for a range that is no subtree of the tree, PROOF_MALFORMED for a proof of the wrong
 *   shape, PROOF_INVALID for one that leads to other hashes
 */
export function verifySubtree(subtree: SubtreeHead, tree: TreeHead, proof: readonly Uint8Array[]): void {
  checkSubtree(subtree.start, subtree.end, tree.size);
  climb(subtree, tree, proof);
}

/** Computes the hashes of subtree and tree side by side, from the proof, and compares both. */
function climb(subtree: SubtreeHead, tree: TreeHead, proof: readonly Uint8Array[]): void {
  const { base, steps } = proofPath(subtree.start, subtree.end, tree.size);
  const expected = steps.length + (base === undefined ? 0 : 1);
  if (proof.length !== expected) {
    throw new TlogError("PROOF_MALFORMED", `proof has ${proof.length} hashes, expected ${expected}`);
  }
  if (subtree.hash.length !== 32 || proof.some((hash) => hash.length !== 32)) {
    throw new TlogError("PROOF_MALFORMED", "a hash in a proof has 32 bytes");
  }
  const first = base === undefined ? subtree.hash : proof[0]!;
  const treeSide = new Climber(first);
  const subtreeSide = base === undefined ? undefined : new Climber(first);
  let next = base === undefined ? 0 : 1;
  for (const { side } of steps) {
    const sibling = proof[next++]!;
    if (side === "both") subtreeSide?.joinLeft(sibling);
    if (side === "right") treeSide.joinRight(sibling);
    else treeSide.joinLeft(sibling);
  }
  const subtreeMatches = subtreeSide === undefined || equalBytes(subtreeSide.hash, subtree.hash);
  if (!subtreeMatches || !equalBytes(treeSide.hash, tree.root)) {
    throw new TlogError("PROOF_INVALID", "proof does not lead to the expected root");
  }
}

/** A hash on its way up. */
class Climber {
  readonly #engine = new ScalarSha256();
  readonly #pair = new Uint8Array(64);
  readonly hash: Uint8Array;

  constructor(hash: Uint8Array) {
    this.hash = new Uint8Array(hash);
  }

  joinLeft(sibling: Uint8Array): void {
    this.#join(sibling, this.hash);
  }

  joinRight(sibling: Uint8Array): void {
    this.#join(this.hash, sibling);
  }

  #join(left: Uint8Array, right: Uint8Array): void {
    this.#pair.set(left);
    this.#pair.set(right, 32);
    this.#engine.hash(NODE_PREFIX, this.#pair, 0, 64, this.hash, 0);
  }
}
