/** Trees for NAR tests: arbitrary ones, and a plain comparable form. */

import fc from "fast-check";
import { encodeUtf8 } from "../encoding.ts";
import type { NarTree } from "./writer.ts";

const decoder = new TextDecoder("windows-1252");

/** Text with a character for each byte, whatever the bytes are. */
function characters(bytes: Uint8Array): string {
  return decoder.decode(bytes);
}

/** Names that are legal, among them ones that are no UTF-8, hold a newline, or sort differently as UTF-16. */
const arbitraryName: fc.Arbitrary<Uint8Array> = fc
  .oneof(
    {
      weight: 4,
      arbitrary: fc.stringMatching(/^[a-z0-9.-]{1,12}$/).map((text) => new TextEncoder().encode(text)),
    },
    { weight: 2, arbitrary: fc.uint8Array({ minLength: 1, maxLength: 20 }) },
    {
      weight: 1,
      arbitrary: fc
        .constantFrom(
          "\n",
          "a\nb",
          " ",
          "\\",
          '"',
          "é",
          "\u{ffff}",
          "\u{1f600}",
          "...",
          "__proto__",
          "10",
          "9",
          "x".repeat(255),
        )
        .map((text) => new TextEncoder().encode(text)),
    },
  )
  .map((bytes) => bytes.map((byte) => (byte === 0 || byte === 0x2f ? 0x5f : byte)))
  .filter((bytes) => !/^\.{1,2}$/.test(characters(bytes)));

const arbitraryTarget: fc.Arbitrary<Uint8Array> = fc
  .oneof(
    fc
      .constantFrom("/", "..", "../../etc/passwd", "/nix/store/x", "a\nb")
      .map((text) => new TextEncoder().encode(text)),
    fc.uint8Array({ minLength: 1, maxLength: 300 }),
  )
  .map((bytes) => bytes.map((byte) => byte || 1));

/** Sizes around the borders of padding, pipes, pages and our own buffers. */
const borderSizes = [0, 1, 7, 8, 9, 15, 16, 4095, 4096, 4097, 8191, 8192, 8193, 65_535, 65_536, 65_537];
const bigSizes = [262_143, 262_144, 262_145, 261_900, 524_289];

function arbitraryContents(sizes: readonly number[]): fc.Arbitrary<Uint8Array> {
  return fc.oneof(
    { weight: 6, arbitrary: fc.uint8Array({ maxLength: 40 }) },
    {
      weight: 1,
      arbitrary: fc
        .tuple(fc.constantFrom(...sizes), fc.nat(255))
        .map(([size, seed]) => Uint8Array.from({ length: size }, (_, i) => i * 31 + (i >> 8) + seed)),
    },
  );
}

/** Arbitrary trees; `big` adds files as long as the writer's buffers. */
export function arbitraryTree(big = false): fc.Arbitrary<NarTree> {
  const contents = arbitraryContents(big ? [...borderSizes, ...bigSizes] : borderSizes);
  return fc.letrec<{ node: NarTree; directory: NarTree }>((tie) => ({
    node: fc.oneof(
      { maxDepth: 6, depthSize: "small" },
      {
        weight: 3,
        arbitrary: fc.record({ type: fc.constant("regular"), executable: fc.boolean(), contents }),
      },
      { weight: 1, arbitrary: fc.record({ type: fc.constant("symlink"), target: arbitraryTarget }) },
      { weight: 3, arbitrary: tie("directory") },
    ) as fc.Arbitrary<NarTree>,
    directory: fc.record({
      type: fc.constant("directory"),
      entries: fc.uniqueArray(fc.tuple(arbitraryName, tie("node")), {
        maxLength: 8,
        selector: ([name]) => characters(name),
      }),
    }) as fc.Arbitrary<NarTree>,
  })).node;
}

/** A tree as plain data that `toEqual` compares: bytes as text, entries sorted. */
export function plainTree(tree: NarTree): unknown {
  const text = (value: string | Uint8Array) =>
    characters(typeof value === "string" ? encodeUtf8(value) : value);
  switch (tree.type) {
    case "regular":
      return { executable: tree.executable === true, contents: text(tree.contents as Uint8Array) };
    case "symlink":
      return { target: text(tree.target) };
    case "directory":
      return [...tree.entries]
        .map(([name, node]) => [text(name), plainTree(node)] as const)
        .sort(([a], [b]) => (a < b ? -1 : 1));
  }
}

/** Nests directories named `d` around a tree. */
export function nested(depth: number, tree: NarTree): NarTree {
  let outer = tree;
  for (let i = 0; i < depth; i++) outer = { type: "directory", entries: [["d", outer]] };
  return outer;
}
