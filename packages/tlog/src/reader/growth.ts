/** Checks that a log has only grown, with hashes at hand instead of a proof. */
import { equalBytes } from "../encoding.ts";
import { TlogError } from "../errors.ts";
import { emptyRoot } from "../merkle/hash.ts";
import { type HashSource, type ReadOptions, subtreeHash } from "../merkle/prove.ts";
import { checkSize, type TreeHead } from "../merkle/tree-math.ts";

/**
 * Checks that tree `newer` extends tree `older`, which was verified before.
 * @param hashes of the newer tree, proven against its root: usually `VerifiedTiles`
 * @throws TlogError ROLLBACK if the newer tree is smaller, FORK if it begins with other entries, and whatever `hashes`
 *   rejects with
 */
export async function verifyGrowth(
  older: TreeHead,
  newer: TreeHead,
  hashes: HashSource,
  options?: ReadOptions,
): Promise<void> {
  checkSize(older.size);
  checkSize(newer.size);
  if (newer.size < older.size) {
    throw new TlogError("ROLLBACK", `the log went back from size ${older.size} to size ${newer.size}`);
  }
  let root = newer.root;
  if (older.size === 0 && newer.size > 0) root = emptyRoot();
  else if (older.size < newer.size) root = await subtreeHash(0, older.size, hashes, options);
  if (!equalBytes(root, older.root)) {
    throw new TlogError(
      "FORK",
      `the tree of size ${newer.size} does not begin with the entries of the one of size ${older.size} seen before`,
    );
  }
}
