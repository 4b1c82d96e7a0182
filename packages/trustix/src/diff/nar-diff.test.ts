import { gzipSync } from "node:zlib";
import { encodeNar, type NarTree } from "@trustix/nix";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { causesOf } from "./difference-cause.ts";
import { diffNars, type NarDiffOptions } from "./nar-diff.ts";

const bytes = (text: string) => new TextEncoder().encode(text);
const hex = (text: string) => Buffer.from(text).toString("hex");
const file = (text: string | Uint8Array, executable = false): NarTree => ({
  type: "regular",
  executable,
  contents: typeof text === "string" ? bytes(text) : text,
});
const link = (target: string): NarTree => ({ type: "symlink", target });
const dir = (entries: Record<string, NarTree>): NarTree => ({
  type: "directory",
  entries: Object.entries(entries),
});

function archive(tree: NarTree): Uint8Array {
  return Buffer.concat([...encodeNar(tree)]);
}

/** The archive in pieces of `size` bytes. */
function* pieces(nar: Uint8Array, size: number): Generator<Uint8Array> {
  for (let at = 0; at < nar.length; at += size) yield nar.subarray(at, at + size);
}

async function diff(before: NarTree, after: NarTree, options?: NarDiffOptions) {
  return await diffNars([archive(before)], [archive(after)], options);
}

const { tree: anyTree } = fc.letrec<{ tree: NarTree }>((tie) => ({
  tree: fc.oneof(
    { maxDepth: 3 },
    fc.tuple(fc.string({ maxLength: 40 }), fc.boolean()).map(([text, executable]) => file(text, executable)),
    fc.constantFrom("a", "b").map(link),
    fc.dictionary(fc.constantFrom("a", "b", "c", "d"), tie("tree")).map(dir),
  ),
}));

/** Bytes of a file as {@link flat} has it. */
const bytesIn = (what: string): number =>
  what
    .slice(what.indexOf(" ") + 1)
    .split(",")
    .filter((each) => each !== "").length;

describe("diffNars", () => {
  test("names all that can differ", async () => {
    const before = dir({
      bin: dir({ tool: file("same", true), mode: file("x", true) }),
      gone: dir({ a: file("1"), b: dir({}) }),
      kind: file("file"),
      lib: link("lib64"),
      "text.txt": file("one two three"),
    });
    const after = dir({
      bin: dir({ tool: file("same", true), mode: file("x") }),
      fresh: link("x"),
      kind: dir({ inside: file("") }),
      lib: link("lib32"),
      "text.txt": file("one TWO three"),
    });
    const { differences, unlisted } = await diff(before, after);
    expect(unlisted).toBe(0);
    expect(differences).toMatchObject([
      { path: "bin/mode", kind: "mode", before: true, after: false },
      { path: "fresh", kind: "added", type: "symlink" },
      { path: "gone", kind: "removed", type: "directory", files: 1, bytes: 1 },
      { path: "kind", kind: "type", before: "regular", after: "directory" },
      { path: "lib", kind: "symlink", before: "lib64", after: "lib32" },
      { path: "text.txt", kind: "contents", firstDifference: 4, beforeBytes: 13, afterBytes: 13, causes: [] },
    ]);
    expect(differences.at(-1)).toMatchObject({ excerpt: { from: 0, before: hex("one two three") } });
  });

  test("compares roots that are no directories", async () => {
    expect((await diff(file("abc"), file("abcdef"))).differences).toMatchObject([
      { path: "", kind: "contents", firstDifference: 3, beforeBytes: 3, afterBytes: 6 },
    ]);
    expect((await diff(link("a"), link("a"))).differences).toEqual([]);
  });

  test("shows names that are not UTF-8", async () => {
    const odd: NarTree = { type: "directory", entries: [[Uint8Array.of(0x61, 0xff), file("")]] };
    expect((await diff(dir({}), odd)).differences).toMatchObject([{ path: "a\\xff", kind: "added" }]);
  });

  test("keeps to its bounds", async () => {
    const many = (text: string) =>
      dir(Object.fromEntries(Array.from({ length: 20 }, (_, i) => [`f${i}`, file(text)])));
    const { differences, unlisted } = await diff(many("a"), many("b"), { maxDifferences: 5 });
    expect([differences.length, unlisted]).toEqual([5, 15]);
    const large = await diff(file("x".repeat(100)), file(`${"x".repeat(90)}y`), { maxFileBytes: 99 });
    const excerpt = { from: 58, before: hex("x".repeat(42)), after: hex(`${"x".repeat(32)}y`) };
    expect(large.differences).toMatchObject([{ firstDifference: 90, causes: [], excerpt, text: null }]);
    await expect(diff(many("a"), many("a"), { limits: { maxNarBytes: 500 } })).rejects.toMatchObject({
      code: "NAR_LIMIT",
    });
  });

  test("refuses an archive that is cut off", async () => {
    const nar = archive(dir({ a: file("abc") }));
    for (let length = 0; length < nar.length; length += 8) {
      await expect(diffNars([nar], [nar.subarray(0, length)])).rejects.toMatchObject({ name: "NixError" });
      await expect(diffNars([nar.subarray(0, length)], [nar])).rejects.toMatchObject({ name: "NixError" });
    }
  });

  test("finds nothing between equal archives, and the reverse in the other direction, however they are cut", async () => {
    await fc.assert(
      fc.asyncProperty(
        anyTree,
        anyTree,
        fc.integer({ min: 1, max: 64 }),
        fc.integer({ min: 1, max: 64 }),
        async (one, two, m, n) => {
          const [a, b] = [archive(one), archive(two)];
          expect((await diffNars(pieces(a, m), pieces(a, n))).differences).toEqual([]);
          const there = await diffNars(pieces(a, m), pieces(b, n));
          const back = await diffNars([b], [a]);
          expect(there.differences.length > 0).toBe(Buffer.compare(a, b) !== 0);
          const opposite = { added: "removed", removed: "added" } as Record<string, string>;
          expect(there.differences.map(({ path, kind }) => [path, kind])).toEqual(
            back.differences.map(({ path, kind }) => [path, opposite[kind] ?? kind]),
          );
        },
      ),
      { numRuns: 200 },
    );
  });
});

/** Paths of a tree with what is there, but for what is below `without`. */
function flat(tree: NarTree, without: ReadonlySet<string>, path = ""): Map<string, string> {
  const found = new Map<string, string>();
  if (without.has(path)) return found;
  if (tree.type !== "directory") {
    found.set(path, tree.type === "symlink" ? tree.target.toString() : `${tree.executable} ${tree.contents}`);
    return found;
  }
  found.set(path, "directory");
  for (const [name, entry] of tree.entries) {
    for (const each of flat(entry, without, path === "" ? `${name}` : `${path}/${name}`)) found.set(...each);
  }
  return found;
}

test("what is listed is all that differs: the trees without it are the same", async () => {
  await fc.assert(
    fc.asyncProperty(anyTree, anyTree, async (one, two) => {
      const { differences } = await diff(one, two);
      const listed = new Set(differences.map(({ path }) => path));
      expect(flat(one, listed)).toEqual(flat(two, listed));
      for (const difference of differences) {
        const [before, after] = [flat(one, new Set()), flat(two, new Set())];
        expect([before.has(difference.path), after.has(difference.path)]).toEqual([
          difference.kind !== "added",
          difference.kind !== "removed",
        ]);
        if (difference.kind !== "added" && difference.kind !== "removed") continue;
        const side = difference.kind === "added" ? after : before;
        const below = [...side].filter(
          ([path, what]) =>
            (path === difference.path || path.startsWith(`${difference.path}/`)) &&
            /^(true|false) /.test(what),
        );
        const bytes = below.reduce((sum, [, what]) => sum + bytesIn(what), 0);
        expect([difference.files, difference.bytes]).toEqual([below.length, bytes]);
      }
    }),
    { numRuns: 300 },
  );
});

test("whatever the bytes are, what is thrown is about them", async () => {
  const damaged = fc
    .tuple(anyTree, fc.array(fc.tuple(fc.nat(), fc.nat(255)), { maxLength: 3 }))
    .map(([tree, changes]) => {
      const nar = Buffer.from(archive(tree));
      for (const [at, value] of changes) nar[at % nar.length] = value;
      return nar;
    });
  const any = fc.oneof(damaged, fc.uint8Array({ maxLength: 300 }));
  await fc.assert(
    fc.asyncProperty(any, any, async (a, b) => {
      const outcome = await diffNars([a], [b]).catch((error: unknown) => error);
      if (outcome instanceof Error) expect(outcome.name).toBe("NixError");
    }),
    { numRuns: 500 },
  );
});

describe("causesOf", () => {
  const path = (character: string) => `/nix/store/${character.repeat(32)}-glibc-2.40/lib`;
  const gzip = (time: number) => {
    const packed = gzipSync("the same");
    packed.writeUInt32LE(time, 4);
    return packed;
  };
  test.each([
    ["a store path", `x ${path("a")} y`, `x ${path("b")} y`, ["store-path"]],
    ["an ISO date", "at 2024-01-02T03:04:05Z.", "at 2025-11-12T13:14:15.123Z.", ["timestamp"]],
    ["the date of C", 'build "Jan  2 2024 03:04:05"', 'build "Nov 12 2025 13:14:15"', ["timestamp"]],
    ["the date of mail", "Tue, 2 Jan 2024 03:04:05 +0000", "Wed, 12 Nov 2025 13:14:15 +0000", ["timestamp"]],
    ["the name of a month", "Mar", "May", []],
    ["seconds since 1970", "t=1700000000;", "t=1712345678;", ["timestamp"]],
    ["both", `${path("a")} 10:11:12`, `${path("b")} 10:11:13`, ["store-path", "timestamp"]],
    ["a date and more", "2024-01-02 evil", "2024-01-03 good", []],
    ["something else", "a", "b", []],
    ["nothing", "a", "a", []],
  ])("%s", (_, before, after, causes) => {
    expect(causesOf(bytes(before), bytes(after))).toEqual(causes);
  });

  test("the time in a gzip header", () => {
    expect(causesOf(gzip(1), gzip(2))).toEqual(["timestamp"]);
    expect(causesOf(gzipSync("aaaaaaaaaa", { level: 1 }), gzipSync("aaaabaaaaa", { level: 9 }))).toEqual([]);
  });
});
