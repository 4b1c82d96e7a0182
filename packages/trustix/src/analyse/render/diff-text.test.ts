import { expect, test } from "vitest";
import type { DifferenceJson, PathDiffJson } from "../../http/diff-schema.ts";
import { renderDiff } from "./diff-text.ts";

const side = (character: string, ...operators: readonly string[]): PathDiffJson["before"] => ({
  storePath: "/nix/store/0123456789abcdfghijklmnpqrsvwxyz-thing-1.0",
  narHash: `sha256:${character.repeat(52)}`,
  narSize: 12_345,
  references: [`${character.repeat(32)}-glibc`],
  operators: [...operators],
});

const about = (...differences: readonly DifferenceJson[]): PathDiffJson => ({
  before: side("a", "alice", "bob"),
  after: side("b", "chuck"),
  comparedAt: "2026-11-22T18:00:00.000Z",
  differences: [...differences],
  unlisted: 0,
});

const contents = (more: Partial<Extract<DifferenceJson, { kind: "contents" }>>): DifferenceJson => ({
  path: "file",
  kind: "contents",
  beforeBytes: 2000,
  afterBytes: 2000,
  firstDifference: 0x14,
  causes: [],
  excerpt: { from: 0, before: `${"00".repeat(20)}4142ff`, after: `${"00".repeat(20)}4143` },
  text: null,
  elf: null,
  inside: null,
  ...more,
});

const plain = (_: unknown, text: string): string => text;
const render = (diff: PathDiffJson, full = false): string => renderDiff(diff, plain, { full });
const body = (diff: PathDiffJson, full = false): string =>
  render(diff, full).split("\n\n").slice(2).join("\n\n");

test("says who states what, and how much differs", () => {
  const diff = about(
    { path: "x", kind: "added", type: "directory", files: 3, bytes: 4000 },
    { path: "y", kind: "removed", type: "symlink", files: 0, bytes: 0 },
    { path: "z", kind: "mode", before: false, after: true },
    { path: "t", kind: "type", before: "regular", after: "directory" },
    { path: "s", kind: "symlink", before: "a", after: "b", causes: ["store-path"] },
  );
  expect(render(diff)).toBe(`/nix/store/0123456789abcdfghijklmnpqrsvwxyz-thing-1.0
  - sha256:${"a".repeat(52)}  12,345 bytes  alice, bob
  + sha256:${"b".repeat(52)}  12,345 bytes  chuck
  - refers to ${"a".repeat(32)}-glibc
  + refers to ${"b".repeat(32)}-glibc

5 differences: 1 added, 1 removed, 1 with another mode, 1 with another target, 1 of another type
1 of them of a usual kind: store paths

+ x  directory, 3 files, 4,000 bytes
- y  symlink
~ z  not executable → executable
~ t  regular → directory
~ s  target a → b: store paths`);
});

test("shows bytes in rows of sixteen, those that differ in colour", () => {
  expect(body(about(contents({})))).toBe(`~ file  2,000 bytes, first differs at 0x14
    - 0x10  00 00 00 00 41 42 ff                             ....AB.
    + 0x10  00 00 00 00 41 43                                ....AC`);
  const painted = renderDiff(about(contents({})), (style, text) => `<${style} ${text}>`);
  expect(painted).toContain("00 00 00 00 41 <red 42> <red ff>");
});

test("shows lines, sections and members", () => {
  const text = {
    hunks: [{ before: 1, after: 1, lines: [" a", "-b", "+c", "\\ No newline at end of file"] }],
    isWhole: true,
  };
  expect(
    body(about(contents({ text, causes: ["timestamp"] }))),
  ).toBe(`~ file  2,000 bytes, first differs at 0x14: timestamps
    @@ -1,2 +1,2 @@
     a
    -b
    +c
    \\ No newline at end of file`);
  const elf = { where: ".text", offset: 3, changed: [".text", ".data"] };
  expect(body(about(contents({ elf })))).toMatch(
    /^~ file .* first differs in \.text at 0x3\n {4}sections that differ: \.text \.data\n/,
  );
  const inside = {
    format: "gzip" as const,
    reordered: false,
    differences: [{ path: "", kind: "compression" as const, before: 1000, after: 2000 }],
    unlisted: 0,
  };
  expect(body(about(contents({ inside, causes: ["compression"] })))).toBe(
    `~ file  2,000 bytes, first differs at 0x14: compression
    ~ (inside the gzip)  same contents, compressed otherwise: 1,000 → 2,000 bytes`,
  );
  const tar = { ...inside, format: "tar" as const, reordered: true, unlisted: 2 };
  expect(body(about(contents({ inside: { ...tar, differences: [contents({ path: "m", text })] } })))).toMatch(
    /\n {4}tar: the same members come in another order\n {4}~ m {2}.*\n {8}@@ -1,2 \+1,2 @@\n(.*\n)+ {4}… and 2 more in this tar$/,
  );
});

test("says when all of it is of a usual kind, and when the bytes are the same", () => {
  expect(render(about(contents({ causes: ["timestamp", "build-id"] })))).toContain(
    "\nall of it is of a usual kind: timestamps, build id (as it looks; that proves nothing)\n",
  );
  expect(render({ ...about(contents({ causes: ["timestamp"] })), unlisted: 1 })).not.toContain("all of it");
  const same = { ...about(), after: { ...side("a", "chuck"), references: [] } };
  expect(render(same)).toMatch(/\n {2}- refers to a+-glibc\n\nthe bytes are the same/);
});

test("fits a screen or two unless all of it is wanted", () => {
  const many = about(...Array.from({ length: 300 }, (_, index) => contents({ path: `f${index}` })));
  expect(render(many).split("\n").length).toBeLessThan(140);
  expect(render(many)).toMatch(/\n… and 260 more differences \(--full\)$/);
  expect(render(many, true)).not.toContain("more");
  const lines = Array.from({ length: 100 }, (_, index) => `+${index}`);
  const long = about(contents({ text: { hunks: [{ before: 0, after: 1, lines }], isWhole: true } }));
  expect(body(long)).toMatch(/\n {4}… 77 more lines \(--full\)$/);
  expect(body(long, true)).toMatch(/\+99$/);
});

test("lets nothing from builders steer the terminal", () => {
  const evil = "\u001b]0;x\u0007\r\u202e";
  const text = { hunks: [{ before: 1, after: 1, lines: [`-a\t${evil}`, `+${evil}`] }], isWhole: true };
  const elf = { where: evil, offset: 0, changed: [evil] };
  const rendered = render({
    ...about(
      contents({ path: evil, text }),
      contents({ elf }),
      { path: evil, kind: "symlink", before: evil, after: evil, causes: [] },
      { path: evil, kind: "metadata", before: evil, after: evil },
      { path: evil, kind: "added", type: "regular", files: 1, bytes: 1 },
    ),
    before: { ...side("a", evil), references: [evil] },
  });
  expect(rendered).toContain("-a\t\\u{1b}]0;x\\u{7}\\u{d}\\u{202e}");
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for.
  expect(rendered).not.toMatch(/[\x00-\x08\x0b-\x1f\x7f\u202e]/);
});
