import { encodeUtf8, leafHash, proveInclusion, type TreeHead, type TreeNode, treeRoot } from "@trustix/tlog";
import fc from "fast-check";
import { expect, test } from "vitest";
import { CheckFailed } from "./check.ts";
import { type AskEntry, type ProvenEntry, rootUpTo, verifyOneHistory } from "./growth.ts";

/** A log in memory: as many entries as it takes, all of them different. */
class Log {
  readonly entries: readonly Uint8Array[];

  constructor(names: readonly string[]) {
    this.entries = names.map(encodeUtf8);
  }

  head(size: number): TreeHead {
    return { size, root: treeRoot(this.entries.slice(0, size).map(leafHash)) };
  }

  async prove(index: number, size: number): Promise<ProvenEntry> {
    const leaves = this.entries.map(leafHash);
    const readHashes = async (nodes: readonly TreeNode[]) =>
      nodes.map(({ level, index: at }) => treeRoot(leaves.slice(at * 2 ** level, (at + 1) * 2 ** level)));
    const hashes = await proveInclusion(index, size, { readHashes });
    return { entry: this.entries[index]!, index, hashes, tree: this.head(size) };
  }
}

const named = (count: number, prefix = "entry"): string[] =>
  Array.from({ length: count }, (_, index) => `${prefix} ${index}`);

/** Sizes m <= n of two trees. */
const sizes = fc
  .tuple(fc.integer({ min: 1, max: 70 }), fc.integer({ min: 1, max: 70 }))
  .map(([a, b]) => [Math.min(a, b), Math.max(a, b)] as const);

const refuted = async (attempt: Promise<unknown>): Promise<void> => {
  await expect(attempt).rejects.toBeInstanceOf(CheckFailed);
};

test("the inclusion proof of a tree's last entry has the tree's root in it, in every larger tree", async () => {
  await fc.assert(
    fc.asyncProperty(sizes, async ([older, newer]) => {
      const log = new Log(named(newer));
      expect(rootUpTo(await log.prove(older - 1, newer))).toEqual(log.head(older).root);
    }),
  );
});

test("two trees of one log have one history, whichever was seen first and however far the log has grown since", async () => {
  await fc.assert(
    fc.asyncProperty(sizes, fc.nat({ max: 30 }), async ([older, newer], more) => {
      const log = new Log(named(newer + more));
      const ask: AskEntry = (index) => log.prove(index, newer + more);
      for (const [a, b] of [
        [older, newer],
        [newer, older],
      ] as const) {
        const newest = await verifyOneHistory(log.head(a), log.head(b), ask);
        expect(newest.size).toBe(older === newer ? newer : newer + more);
      }
    }),
  );
});

test("a log that changed any entry before the older tree's end has another history", async () => {
  await fc.assert(
    fc.asyncProperty(sizes, fc.nat(), async ([older, newer], seed) => {
      const honest = new Log(named(newer));
      const changed = named(newer);
      changed[seed % older] = "something else";
      const forked = new Log(changed);
      await refuted(
        verifyOneHistory(honest.head(older), forked.head(newer), (index) => forked.prove(index, newer)),
      );
    }),
  );
});

test("proofs under the history that was seen before do not help a newer tree of another one", async () => {
  const honest = new Log(named(9));
  const forked = new Log([...named(6), ...named(3, "other")]);
  // The entries agree up to the older tree's end, but the proofs are of another tree than the one to be believed.
  await refuted(verifyOneHistory(honest.head(9), forked.head(8), (index) => honest.prove(index, 9)));
});

test("a node that answers under an older tree than it showed before is found out", async () => {
  const log = new Log(named(20));
  await refuted(verifyOneHistory(log.head(8), log.head(20), (index) => log.prove(index, 12)));
});

test("a proof that does not lead to its own tree is refused", async () => {
  const log = new Log(named(20));
  const ask: AskEntry = async (index) => {
    const proven = await log.prove(index, 20);
    return { ...proven, hashes: proven.hashes.with(0, new Uint8Array(32)) };
  };
  await expect(verifyOneHistory(log.head(8), log.head(20), ask)).rejects.toMatchObject({
    code: "PROOF_INVALID",
  });
});

test("everything follows from the empty tree", async () => {
  const log = new Log(named(3));
  const empty = { size: 0, root: treeRoot([]) };
  expect(await verifyOneHistory(empty, log.head(3), () => Promise.reject(new Error("not asked")))).toEqual(
    log.head(3),
  );
});
