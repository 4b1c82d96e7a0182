// Whether a log has only grown, from inclusion proofs alone.
//
// The inclusion proof of the last entry of an older tree, in a newer one, has all hashes that the older root is made of:
// they are the left siblings on the way up. What is to the right came later. So an inclusion proof that leads to the newer
// root, and whose left siblings lead to the older root, proves what a consistency proof proves (RFC 9162 section 2.1.4).
import { equalBytes, leafHash, nodeHash, type TreeHead, verifyInclusion } from "@trustix/tlog";
import { formatCount } from "../text.ts";
import { CheckFailed } from "./check.ts";

/** An entry with the proof that it is in a tree whose signature was checked. */
export interface ProvenEntry {
  readonly entry: Uint8Array;
  readonly index: number;
  readonly hashes: readonly Uint8Array[];
  readonly tree: TreeHead;
}

/**
 * Checks that an entry is in its tree, and returns the root that the tree had when the entry was its last.
 * @throws TlogError as `verifyInclusion`
 */
export function rootUpTo({ entry, index, hashes, tree }: ProvenEntry): Uint8Array {
  const leaf = leafHash(entry);
  verifyInclusion(leaf, index, tree, hashes);
  let root: Uint8Array = leaf;
  siblingsAreLeft(index, tree.size).forEach((isLeft, at) => {
    if (isLeft) root = nodeHash(hashes[at] as Uint8Array, root);
  });
  return root;
}

/** For each hash of an inclusion proof, the leaf's sibling first: whether it stands left of the entry. */
function siblingsAreLeft(index: number, size: number): boolean[] {
  const sides: boolean[] = [];
  for (let low = 0, high = size; high - low > 1; ) {
    let half = 1;
    while (half * 2 < high - low) half *= 2;
    const isRight = index >= low + half;
    sides.push(isRight);
    if (isRight) low += half;
    else high = low + half;
  }
  return sides.reverse();
}

/** Asks the log for an entry, proven under its newest checkpoint. */
export type AskEntry = (index: number) => Promise<ProvenEntry>;

/** Newer checkpoints that may come up while a proof is asked for. */
const MAX_STEPS = 4;

/**
 * Checks that two trees of a log, both signed and shown by this node before, are beginnings of one that it shows now.
 * @returns the newest tree that came up and of which both are beginnings
 * @throws CheckFailed when they are not; and what `ask` rejects with
 */
export async function verifyOneHistory(
  a: TreeHead,
  b: TreeHead,
  ask: AskEntry,
  steps = MAX_STEPS,
): Promise<TreeHead> {
  const [older, newer] = a.size <= b.size ? [a, b] : [b, a];
  if (older.size === newer.size) {
    if (equalBytes(older.root, newer.root)) return newer;
    throw new CheckFailed(
      `the log has signed two different trees of ${formatCount(older.size)} entries: it shows different histories to different readers`,
    );
  }
  if (older.size === 0) return newer;
  const proven = await ask(older.size - 1);
  const root = rootUpTo(proven);
  const { tree } = proven;
  if (!equalBytes(root, older.root)) {
    throw new CheckFailed(
      `the log was rewritten: its first ${formatCount(older.size)} entries are not those that it signed before`,
    );
  }
  if (tree.size < newer.size) {
    throw new CheckFailed(
      `the node now shows a tree of ${formatCount(tree.size)} entries, older than one of ${formatCount(newer.size)} that was verified here before`,
    );
  }
  if (steps === 0) throw new CheckFailed("the log shows another tree each time it is asked");
  return await verifyOneHistory(tree, newer, ask, steps - 1);
}
