/**
 * The way from a subtree up to the root, which is what a proof is made along (Merkle Tree Certificates draft, section
 * 4.4). An inclusion proof is the case of one leaf, a consistency proof that of a subtree which starts at 0 (RFC 9162
 * sections 2.1.3 and 2.1.4), so one walk serves all three.
 */
import { type LeafRange, splitPoint } from "./tree-math.ts";

/** One hash of a proof: which leaves it covers, and where it goes. */
export interface ProofStep {
  readonly range: LeafRange;
  /** A sibling on the `left` or `right` of the tree's hash only, or a left sibling of both, tree and subtree. */
  readonly side: "left" | "right" | "both";
}

/** A proof's hashes, without the hashes. */
export interface ProofPath {
  /**
   * The leaves whose hash starts the climb, if the proof has to give it: the subtree is no node of the tree, and this is
   * the last part of it that is one. Otherwise the climb starts with the hash of the subtree.
   */
  readonly base: LeafRange | undefined;
  /** From the leaves up to the root. */
  readonly steps: readonly ProofStep[];
}

/** The proof for the valid subtree `start` to `end` in a tree of `size` entries. The caller has checked all three. */
export function proofPath(start: number, end: number, size: number): ProofPath {
  const steps: ProofStep[] = [];
  let from = start;
  let low = 0;
  let high = size;
  while (low !== from || high !== end) {
    const middle = low + splitPoint(high - low);
    if (end <= middle) {
      steps.push({ range: { start: middle, end: high }, side: "right" });
      high = middle;
    } else {
      steps.push({ range: { start: low, end: middle }, side: from < middle ? "both" : "left" });
      from = Math.max(from, middle);
      low = middle;
    }
  }
  return { base: from === start ? undefined : { start: low, end: high }, steps: steps.reverse() };
}
