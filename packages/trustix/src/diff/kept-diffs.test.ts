import { mkdir, mkdtemp, readdir, rm, stat, utimes, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import type { DifferenceJson } from "../http/diff-schema.ts";
import { chooseByBuilders, choosePair } from "./choose-pair.ts";
import { type KeptDiff, KeptDiffs } from "./kept-diffs.ts";
import { reverseDiff } from "./reverse-diff.ts";

let directory: string;
beforeEach(async () => {
  directory = join(await mkdtemp(join(tmpdir(), "trustix-kept-")), "kept");
});
afterEach(() => rm(join(directory, ".."), { recursive: true }));

const hash = (character: string): string => `sha256:${character.repeat(52)}`;
const differences: DifferenceJson[] = [
  { path: "a", kind: "added", type: "regular", files: 1, bytes: 3 },
  { path: "b", kind: "mode", before: true, after: false },
  { path: "c", kind: "type", before: "regular", after: "symlink" },
  { path: "d", kind: "symlink", before: "x", after: "y", causes: [] },
  {
    path: "e",
    kind: "contents",
    beforeBytes: 1,
    afterBytes: 2,
    firstDifference: 0,
    causes: ["timestamp"],
    excerpt: { from: 0, before: "61", after: "6263" },
    text: { hunks: [{ before: 1, after: 1, lines: ["-a", "+b", "+c"] }], isWhole: true },
    elf: null,
    inside: {
      format: "tar",
      reordered: true,
      differences: [
        { path: "m", kind: "time", before: "1", after: "2" },
        { path: "m", kind: "metadata", before: "1", after: "2" },
        { path: "m", kind: "compression", before: 1, after: 2 },
      ],
      unlisted: 3,
    },
  },
];
const diff: KeptDiff = { comparedAt: "2026-11-22T18:00:00.000Z", differences, unlisted: 1 };

test("keeps a result for both ways round, and over a restart", async () => {
  const kept = await KeptDiffs.open(directory, 1 << 20);
  expect(await kept.get(hash("1"), hash("2"))).toBeUndefined();
  await kept.put(hash("2"), hash("1"), diff);
  for (const each of [kept, await KeptDiffs.open(directory, 1 << 20)]) {
    expect(await each.get(hash("2"), hash("1"))).toEqual(diff);
    expect(await each.get(hash("1"), hash("2"))).toEqual({ ...diff, ...reverseDiff(diff) });
    expect(await each.get(hash("1"), hash("3"))).toBeUndefined();
  }
});

test("reversing twice changes nothing", () => {
  const once = reverseDiff(diff);
  expect(once).not.toEqual(diff);
  expect(reverseDiff(once)).toEqual({ differences, unlisted: 1 });
  expect(once.differences[4]).toMatchObject({
    beforeBytes: 2,
    excerpt: { from: 0, before: "6263", after: "61" },
    text: { hunks: [{ lines: ["-b", "-c", "+a"] }] },
    inside: { differences: [{ before: "2", after: "1" }, {}, { before: 2, after: 1 }] },
  });
});

test("keeps no more than it may: the oldest go first", async () => {
  const one = JSON.stringify({ format: 1, ...diff }).length;
  const kept = await KeptDiffs.open(directory, 2 * one + 10);
  for (const other of ["1", "2", "3"]) await kept.put(hash("0"), hash(other), diff);
  expect(await kept.get(hash("0"), hash("1"))).toBeUndefined();
  expect(await kept.get(hash("0"), hash("3"))).toEqual(diff);
  // Put again, it is the newest.
  await kept.put(hash("0"), hash("2"), diff);
  await kept.put(hash("0"), hash("4"), diff);
  expect((await readdir(directory)).map((name) => name[53])).toEqual(["2", "4"]);
  // Also when less is allowed after a restart.
  const [older] = await readdir(directory);
  await utimes(join(directory, older!), 1, 1);
  await KeptDiffs.open(directory, one + 10);
  expect((await readdir(directory)).map((name) => name[53])).toEqual(["4"]);
  const none = await KeptDiffs.open(directory, 0);
  await none.put(hash("0"), hash("1"), diff);
  expect(await readdir(directory)).toEqual([]);
});

test("takes no file that is not as it should be", async () => {
  const kept = await KeptDiffs.open(directory, 1 << 30);
  const path = join(directory, `${"1".repeat(52)}-${"2".repeat(52)}.json`);
  const right = { format: 1, ...diff };
  for (const text of [
    "",
    "{",
    "null",
    JSON.stringify({ ...right, format: 2 }),
    JSON.stringify({ ...right, more: 1 }),
    JSON.stringify({ ...right, unlisted: -1 }),
    JSON.stringify({ ...right, differences: [{ ...differences[1], before: "yes" }] }),
    `${JSON.stringify(right)}${" ".repeat(17 << 20)}`,
  ]) {
    await kept.put(hash("1"), hash("2"), diff);
    await writeFile(path, text);
    expect(await kept.get(hash("1"), hash("2"))).toBeUndefined();
    await expect(stat(path)).rejects.toThrow();
  }
});

test("removes what does not belong there, and says when it cannot be used", async () => {
  await mkdir(join(directory, "folder"), { recursive: true });
  await writeFile(join(directory, "x.tmp"), "");
  await KeptDiffs.open(directory, 1000);
  expect(await readdir(directory)).toEqual([]);
  await writeFile(join(directory, "../file"), "");
  await expect(KeptDiffs.open(join(directory, "../file"), 1)).rejects.toMatchObject({
    code: "STORAGE_FAILED",
  });
});

const stated = [
  { narHash: hash("a"), operators: ["alice", "bob"] },
  { narHash: hash("b"), operators: ["chuck", "dan"] },
  { narHash: hash("c"), operators: ["dan"] },
];
const hashes = (pair: readonly { readonly narHash: string }[]): string =>
  pair.map(({ narHash }) => narHash[7]).join("");

test("chooses what has most support, unless told otherwise", () => {
  expect(hashes(choosePair(stated, {}))).toBe("ab");
  expect(hashes(choosePair(stated, { before: hash("b") }))).toBe("ba");
  expect(hashes(choosePair(stated, { after: hash("a") }))).toBe("ba");
  expect(hashes(choosePair(stated, { before: hash("c"), after: hash("b") }))).toBe("cb");
  expect(() => choosePair(stated, { before: hash("d") })).toThrow(/nobody states/);
  expect(() => choosePair(stated.slice(0, 1), {})).toThrow(/everybody states the same/);
  expect(() => choosePair([], {})).toThrow(/nobody states anything/);
});

test("chooses by builders", () => {
  expect(hashes(chooseByBuilders(stated, ["alice", "chuck"]))).toBe("ab");
  expect(hashes(chooseByBuilders(stated, ["chuck", "bob"]))).toBe("ba");
  expect(hashes(chooseByBuilders(stated, ["chuck"]))).toBe("ab");
  expect(hashes(chooseByBuilders(stated, ["alice"]))).toBe("ba");
  // Who contradicts himself.
  expect(hashes(chooseByBuilders(stated, ["dan"]))).toBe("bc");
  expect(hashes(chooseByBuilders(stated, ["dan", "chuck"]))).toBe("cb");
  expect(() => chooseByBuilders(stated, ["alice", "bob"])).toThrow(/they state the same/);
  expect(() => chooseByBuilders(stated, ["eve"])).toThrow(/eve states nothing/);
});
