import fc from "fast-check";
import { expect, test } from "vitest";
import { encodeBase64, encodeHex } from "../encoding.ts";
import { emptyRoot, leafHash, nodeHash } from "./hash.ts";
import { proveConsistency, proveInclusion, proveSubtree, subtreeHash } from "./prove.ts";
import { SyntheticTree } from "./synthetic-tree.test.util.ts";
import { completeNodes, isSubtree, splitPoint } from "./tree-math.ts";
import { verifyConsistency, verifyInclusion, verifySubtree } from "./verify.ts";

const tree = new SyntheticTree();
const SIZES = Array.from({ length: 200 }, (_, i) => i + 1);
const code = (name: string) => expect.objectContaining({ code: name });
const refused = expect.objectContaining({ code: expect.stringMatching(/^(PROOF|RANGE)_/) });

/** RFC 6962 section 2.1.1 and 2.1.2, word for word: an independent check on the order of proofs. */
function rfcPath(m: number, low: number, high: number): Uint8Array[] {
  if (high - low === 1) return [];
  const k = splitPoint(high - low);
  return m < k
    ? [...rfcPath(m, low, low + k), tree.rangeHash(low + k, high)]
    : [...rfcPath(m - k, low + k, high), tree.rangeHash(low, low + k)];
}

function rfcConsistency(m: number, low: number, high: number, whole: boolean): Uint8Array[] {
  if (m === high - low) return whole ? [] : [tree.rangeHash(low, high)];
  const k = splitPoint(high - low);
  return m <= k
    ? [...rfcConsistency(m, low, low + k, whole), tree.rangeHash(low + k, high)]
    : [...rfcConsistency(m - k, low + k, high, false), tree.rangeHash(low, low + k)];
}

test("inclusion of every index at every size to 200, as in RFC 6962", async () => {
  for (const size of SIZES) {
    const head = tree.head(size);
    for (let index = 0; index < size; index++) {
      const proof = await proveInclusion(index, size, tree);
      expect(proof).toEqual(rfcPath(index, 0, size));
      verifyInclusion(tree.leaf(index), index, head, proof);
    }
  }
});

test("consistency of every pair of sizes to 200, as in RFC 6962", async () => {
  for (const size of SIZES) {
    const newer = tree.head(size);
    for (let old = 1; old <= size; old++) {
      const proof = await proveConsistency(old, size, tree);
      expect(proof).toEqual(rfcConsistency(old, 0, size, true));
      verifyConsistency(tree.head(old), newer, proof);
    }
  }
});

test("every valid subtree at every size to 200", async () => {
  for (const size of SIZES) {
    const head = tree.head(size);
    for (let start = 0; start < size; start++) {
      for (let end = start + 1; end <= size && isSubtree(start, end); end++) {
        const hash = tree.rangeHash(start, end);
        verifySubtree({ start, end, hash }, head, await proveSubtree(start, end, size, tree));
      }
    }
  }
});

test("which ranges are subtrees", () => {
  for (let start = 0; start < 40; start++) {
    for (let end = start; end < 80; end++) {
      const power = 2 ** Math.ceil(Math.log2(end - start));
      expect(isSubtree(start, end)).toBe(end > start && start % power === 0);
    }
  }
  expect(isSubtree(2 ** 52, 2 ** 53 - 1)).toBe(true);
  expect(isSubtree(0.5, 1)).toBe(false);
});

const sizeAndParts = fc.tuple(fc.integer({ min: 1, max: 1_000_000 }), fc.nat(), fc.nat());

test("random sizes to a million", async () => {
  const large = new SyntheticTree(4096);
  await fc.assert(
    fc.asyncProperty(sizeAndParts, async ([size, a, b]) => {
      const head = large.head(size);
      const index = a % size;
      verifyInclusion(large.leaf(index), index, head, await proveInclusion(index, size, large));
      const old = (b % size) + 1;
      verifyConsistency(large.head(old), head, await proveConsistency(old, size, large));
      const { start, end } = subtreeNear(a, b, size);
      const hash = await subtreeHash(start, end, large);
      expect(hash).toEqual(large.rangeHash(start, end));
      verifySubtree({ start, end, hash }, head, await proveSubtree(start, end, size, large));
    }),
    { numRuns: 200 },
  );
});

/** Some valid subtree of a tree of `size`, chosen by `a` and `b`. */
function subtreeNear(a: number, b: number, size: number): { start: number; end: number } {
  const width = 2 ** (b % 20);
  const start = Math.floor((a % size) / width) * width;
  return { start, end: Math.min(size, start + 1 + (b % width)) };
}

test("sizes at the end of the range", async () => {
  const huge = new SyntheticTree(4);
  const size = Number.MAX_SAFE_INTEGER;
  const head = huge.head(size);
  for (const index of [0, 2 ** 31, 2 ** 32 + 5, 2 ** 52, size - 1]) {
    const proof = await proveInclusion(index, size, huge);
    verifyInclusion(huge.leaf(index), index, head, proof);
    expect(() => verifyInclusion(leafHash(new Uint8Array(9)), index, head, proof)).toThrowError(
      code("PROOF_INVALID"),
    );
  }
  for (const old of [1, 2 ** 31 + 1, 2 ** 52 + 12345, size - 1, size]) {
    verifyConsistency(huge.head(old), head, await proveConsistency(old, size, huge));
  }
  expect(completeNodes({ start: 0, end: size })).toHaveLength(53);
});

test("any changed byte of an inclusion proof, leaf or root is refused, and any other index or size", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.integer({ min: 2, max: 3000 }),
      fc.nat(),
      fc.nat(),
      fc.integer({ min: 1, max: 255 }),
      async (size, at, position, flip) => {
        const index = at % size;
        const head = tree.head(size);
        const proof = await proveInclusion(index, size, tree);
        const parts = [tree.leaf(index), head.root, ...proof].map((hash) => hash.slice());
        parts[position % parts.length]![position % 32]! ^= flip;
        const [leaf, root, ...changed] = parts as [Uint8Array, Uint8Array, ...Uint8Array[]];
        expect(() => verifyInclusion(leaf, index, { size, root }, changed)).toThrowError(
          code("PROOF_INVALID"),
        );
        const other = position % size;
        if (other !== index) {
          expect(() => verifyInclusion(tree.leaf(index), other, head, proof)).toThrowError(refused);
        }
        expect(() => verifyInclusion(tree.leaf(index), index, head, proof.slice(1))).toThrowError(
          code("PROOF_MALFORMED"),
        );
        expect(() =>
          verifyInclusion(tree.leaf(index), index, head, [...proof, new Uint8Array(32)]),
        ).toThrowError(code("PROOF_MALFORMED"));
        expect(() =>
          verifyInclusion(tree.leaf(index), index, head, [...proof.slice(1), new Uint8Array(31)]),
        ).toThrowError(code("PROOF_MALFORMED"));
      },
    ),
    { numRuns: 150 },
  );
});

test("any changed byte of a consistency or subtree proof or of its hashes is refused", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.integer({ min: 2, max: 3000 }),
      fc.nat(),
      fc.nat(),
      fc.integer({ min: 1, max: 255 }),
      async (size, a, position, flip) => {
        const { start, end } = subtreeNear(a, position, size);
        const proof = await proveSubtree(start, end, size, tree);
        const parts = [tree.rangeHash(start, end), tree.head(size).root, ...proof].map((hash) =>
          hash.slice(),
        );
        parts[a % parts.length]![position % 32]! ^= flip;
        const [hash, root, ...changed] = parts as [Uint8Array, Uint8Array, ...Uint8Array[]];
        expect(() => verifySubtree({ start, end, hash }, { size, root }, changed)).toThrowError(
          code("PROOF_INVALID"),
        );

        const old = (a % (size - 1)) + 1;
        const growth = await proveConsistency(old, size, tree);
        const heads = [tree.head(old).root, tree.head(size).root, ...growth].map((h) => h.slice());
        heads[position % heads.length]![a % 32]! ^= flip;
        const [oldRoot, newRoot, ...bad] = heads as [Uint8Array, Uint8Array, ...Uint8Array[]];
        const older = { size: old, root: oldRoot };
        expect(() => verifyConsistency(older, { size, root: newRoot }, bad)).toThrowError(
          code("PROOF_INVALID"),
        );
        const wrongSize = { size: (position % size) + 1, root: tree.head(old).root };
        if (wrongSize.size !== old) {
          expect(() => verifyConsistency(wrongSize, tree.head(size), growth)).toThrowError(refused);
        }
      },
    ),
    { numRuns: 150 },
  );
});

test("a wrong tree size is refused unless the proof cannot tell the sizes apart", async () => {
  // RFC 6962 proofs do not bind the size as such: a size with the same path gives the same root only by the same hashes.
  const leaf = tree.leaf(3);
  const proof = await proveInclusion(3, 8, tree);
  expect(() => verifyInclusion(leaf, 3, { size: 9, root: tree.head(8).root }, proof)).toThrowError(refused);
  expect(() => verifyInclusion(leaf, 3, { size: 4, root: tree.head(8).root }, proof)).toThrowError(refused);
});

test("sizes 0 and equal sizes", async () => {
  const empty = { size: 0, root: emptyRoot() };
  const five = tree.head(5);
  expect(await proveConsistency(0, 5, tree)).toEqual([]);
  expect(await proveConsistency(0, 0, tree)).toEqual([]);
  expect(await proveConsistency(5, 5, tree)).toEqual([]);
  verifyConsistency(empty, empty, []);
  verifyConsistency(empty, five, []);
  verifyConsistency(five, five, []);
  expect(() => verifyConsistency(empty, five, [five.root])).toThrowError(code("PROOF_MALFORMED"));
  expect(() => verifyConsistency({ size: 0, root: five.root }, five, [])).toThrowError(code("PROOF_INVALID"));
  expect(() => verifyConsistency(empty, { size: 0, root: five.root }, [])).toThrowError(
    code("PROOF_INVALID"),
  );
  expect(() => verifyConsistency(five, { size: 5, root: tree.head(6).root }, [])).toThrowError(
    code("PROOF_INVALID"),
  );
  expect(() => verifyConsistency(five, five, [five.root])).toThrowError(code("PROOF_MALFORMED"));
  expect(() => verifyConsistency(five, tree.head(4), [])).toThrowError(code("RANGE_INVALID"));
});

test("indices, sizes and ranges outside the tree are refused", async () => {
  const five = tree.head(5);
  for (const index of [5, -1, 0.5, Number.NaN, 2 ** 53]) {
    expect(() => verifyInclusion(five.root, index, five, [])).toThrowError(code("RANGE_INVALID"));
    await expect(proveInclusion(index, 5, tree)).rejects.toThrowError(code("RANGE_INVALID"));
  }
  for (const size of [0, 2 ** 53, -1, 1.5]) {
    await expect(proveInclusion(0, size, tree)).rejects.toThrowError(code("RANGE_INVALID"));
  }
  await expect(proveConsistency(6, 5, tree)).rejects.toThrowError(code("RANGE_INVALID"));
  await expect(proveSubtree(1, 3, 5, tree)).rejects.toThrowError(code("RANGE_INVALID"));
  await expect(proveSubtree(4, 6, 5, tree)).rejects.toThrowError(code("RANGE_INVALID"));
  expect(() => verifySubtree({ start: 1, end: 3, hash: five.root }, five, [])).toThrowError(
    code("RANGE_INVALID"),
  );
});

test("a hash source that gives too few or cut hashes is refused", async () => {
  const few = { readHashes: async () => [] };
  const cut = { readHashes: async (nodes: readonly unknown[]) => nodes.map(() => new Uint8Array(31)) };
  await expect(proveInclusion(0, 5, few)).rejects.toThrowError(code("RANGE_INVALID"));
  await expect(proveInclusion(0, 5, cut)).rejects.toThrowError(code("RANGE_INVALID"));
});

test("hashes by their definition", () => {
  expect(encodeHex(emptyRoot())).toBe("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  const [a, b, c] = ["a", "b", "c"].map((text) => leafHash(new TextEncoder().encode(text)));
  // Computed by an independent implementation: leaves "a", "b", "c".
  expect(encodeBase64(nodeHash(nodeHash(a!, b!), c!))).toBe("NmQuc8JUCrEh46a/lUWwokmCzYMOsT080Z3jzmwCHsE=");
});
