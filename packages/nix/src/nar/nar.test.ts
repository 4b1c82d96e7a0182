import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { concatBytes, encodeUtf8, equalBytes } from "../encoding.ts";
import { NixError } from "../errors.ts";
import { parseNar } from "./events.ts";
import { narText } from "./format.ts";
import { type NarHandler, NarParser } from "./parser.ts";
import { arbitraryTree, nested, plainTree } from "./trees.test.util.ts";
import { encodeNar, type NarTree } from "./writer.ts";

/** A NAR string, with padding of choice. */
function str(value: string | Uint8Array, padding = 0): Uint8Array {
  const bytes = typeof value === "string" ? encodeUtf8(value) : value;
  return concatBytes(u64(bytes.length), bytes, new Uint8Array(-bytes.length & 7).fill(padding));
}

function u64(value: number | bigint): Uint8Array {
  const bytes = new Uint8Array(8);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(value), true);
  return bytes;
}

/** Tokens of an archive; bytes are raw. */
function nar(...parts: readonly (string | Uint8Array)[]): Uint8Array {
  return concatBytes(
    ...["nix-archive-1", ...parts].map((part) => (typeof part === "string" ? str(part) : part)),
  );
}

const FILE = ["(", "type", "regular", "contents", "", ")"] as const;
const directory = (...names: readonly (string | Uint8Array)[]) =>
  nar(
    "(",
    "type",
    "directory",
    ...names.flatMap((name) => ["entry", "(", "name", str(name), "node", ...FILE, ")"]),
    ")",
  );

function parse(
  bytes: Uint8Array,
  chunkBytes = bytes.length,
  handler: Partial<NarHandler> = {},
  limits = {},
): number {
  const ignore = () => {};
  const parser = new NarParser(
    {
      openDirectory: ignore,
      closeDirectory: ignore,
      openFile: ignore,
      contents: ignore,
      closeFile: ignore,
      symlink: ignore,
      ...handler,
    },
    limits,
  );
  for (let at = 0; at < bytes.length; at += chunkBytes) parser.write(bytes.subarray(at, at + chunkBytes));
  parser.end();
  return parser.sizeBytes;
}

function codeOf(call: () => unknown): string {
  try {
    call();
  } catch (error) {
    if (error instanceof NixError) return error.code;
    throw error;
  }
  return "accepted";
}

/** What Node streams give: an array whose `slice` is no copy. */
class ViewSlicedArray extends Uint8Array {
  override slice(start?: number, end?: number): Uint8Array<ArrayBuffer> {
    return this.subarray(start, end);
  }
}

/** Rebuilds the tree that a parser reports, out of one buffer that every chunk overwrites. */
function rebuild(bytes: Uint8Array, cuts: readonly number[]): NarTree {
  type Open = { type: "directory"; entries: [Uint8Array, NarTree][] };
  let root: NarTree | undefined;
  const open: Open[] = [];
  let parts: Uint8Array[] = [];
  const add = (name: Uint8Array | undefined, node: NarTree) => {
    if (name === undefined) root = node;
    else open.at(-1)!.entries.push([name, node]);
  };
  let file:
    | { name: Uint8Array | undefined; executable: boolean; narOffset: number; sizeBytes: number }
    | undefined;
  const parser = new NarParser({
    openDirectory(name) {
      const node: Open = { type: "directory", entries: [] };
      add(name, node);
      open.push(node);
    },
    closeDirectory: () => void open.pop(),
    openFile(name, header) {
      file = { name, ...header };
      parts = [];
    },
    contents: (chunk) => void parts.push(new Uint8Array(chunk)),
    closeFile() {
      const contents = concatBytes(...parts);
      expect(contents.length).toBe(file!.sizeBytes);
      expect(bytes.subarray(file!.narOffset, file!.narOffset + file!.sizeBytes)).toEqual(contents);
      add(file!.name, { type: "regular", executable: file!.executable, contents });
    },
    symlink: (name, target) => add(name, { type: "symlink", target }),
  });
  const buffer = new ViewSlicedArray(bytes.length);
  let at = 0;
  for (let i = 0; at < bytes.length; i++) {
    const length = Math.min(cuts[i % cuts.length]!, bytes.length - at);
    buffer.fill(0xee);
    buffer.set(bytes.subarray(at, at + length));
    parser.write(buffer.subarray(0, length));
    at += length;
  }
  parser.end();
  return root!;
}

describe("round trips", () => {
  test("any tree, cut anywhere, comes back as it was", () => {
    fc.assert(
      fc.property(
        arbitraryTree(),
        fc.array(fc.oneof(fc.integer({ min: 1, max: 9 }), fc.integer({ min: 1, max: 70_000 })), {
          minLength: 1,
        }),
        (tree, cuts) => {
          const bytes = concatBytes(...encodeNar(tree));
          expect(bytes.length % 8).toBe(0);
          const again = rebuild(bytes, cuts);
          expect(plainTree(again)).toEqual(plainTree(tree));
          expect(equalBytes(concatBytes(...encodeNar(again)), bytes)).toBe(true);
        },
      ),
      { numRuns: 400 },
    );
  });

  test("one byte at a time", () => {
    const tree: NarTree = {
      type: "directory",
      entries: [
        ["b", { type: "symlink", target: "../x" }],
        ["a", { type: "regular", executable: true, contents: encodeUtf8("#!/bin/sh\n") }],
        ["dir", { type: "directory", entries: [] }],
        ["empty", { type: "regular", contents: new Uint8Array(0) }],
      ],
    };
    const bytes = concatBytes(...encodeNar(tree));
    expect(plainTree(rebuild(bytes, [1]))).toEqual(plainTree(tree));
  });

  test("events come in archive order, with offsets", async () => {
    const tree: NarTree = {
      type: "directory",
      entries: new Map<string, NarTree>([
        ["z", { type: "symlink", target: "a" }],
        ["a", { type: "regular", contents: { sizeBytes: 3, chunks: [encodeUtf8("x"), encodeUtf8("yz")] } }],
      ]),
    };
    const events = [];
    for await (const event of parseNar(encodeNar(tree))) {
      events.push(
        "name" in event && event.name !== undefined ? { ...event, name: narText(event.name) } : event,
      );
    }
    const offset = directory("a").length - 16 - 16 - 16;
    expect(events).toEqual([
      { type: "directory", name: undefined },
      { type: "regular", name: "a", executable: false, sizeBytes: 3, narOffset: offset },
      { type: "contents", chunk: encodeUtf8("xyz") },
      { type: "symlink", name: "z", target: encodeUtf8("a") },
      { type: "close" },
    ]);
  });

  test("contents are views of the chunk that was written, never copies", () => {
    const bytes = concatBytes(...encodeNar({ type: "regular", contents: new Uint8Array(1000).fill(7) }));
    let seen = 0;
    parse(bytes, 100, {
      contents(chunk) {
        expect(chunk.buffer).toBe(bytes.buffer);
        seen += chunk.length;
      },
    });
    expect(seen).toBe(1000);
  });

  test("text that is not UTF-8 has no text", () => {
    expect(narText(Uint8Array.of(0xff))).toBeUndefined();
    expect(narText(encodeUtf8("\u{feff}é"))).toBe("\u{feff}é");
  });
});

describe("malformed archives", () => {
  const long = "n".repeat(256);
  const cases: readonly (readonly [what: string, code: string, bytes: Uint8Array])[] = [
    ["nothing at all", "NAR_TRUNCATED", new Uint8Array(0)],
    ["another magic", "NAR_TOKEN_INVALID", concatBytes(str("nix-archive-2"), nar(...FILE).subarray(24))],
    ["gzip", "NAR_TOKEN_INVALID", Uint8Array.of(0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3)],
    ["magic only", "NAR_TRUNCATED", nar()],
    ["no parenthesis", "NAR_TOKEN_INVALID", nar("type", "regular", "contents", "", ")")],
    ["no type", "NAR_TOKEN_INVALID", nar("(", "regular", "contents", "", ")")],
    ["an unknown type", "NAR_TOKEN_INVALID", nar("(", "type", "fifo", ")")],
    ["a type in upper case", "NAR_TOKEN_INVALID", nar("(", "type", "Regular", "contents", "", ")")],
    ["a file without contents", "NAR_TOKEN_INVALID", nar("(", "type", "regular", ")")],
    ["contents twice", "NAR_TOKEN_INVALID", nar("(", "type", "regular", "contents", "", "contents", "", ")")],
    [
      "executable after contents",
      "NAR_TOKEN_INVALID",
      nar("(", "type", "regular", "contents", "", "executable", "", ")"),
    ],
    [
      "executable twice",
      "NAR_TOKEN_INVALID",
      nar("(", "type", "regular", "executable", "", "executable", "", "contents", "", ")"),
    ],
    [
      "executable with a value",
      "NAR_TOKEN_INVALID",
      nar("(", "type", "regular", "executable", "1", "contents", "", ")"),
    ],
    [
      "executable without a value",
      "NAR_TOKEN_INVALID",
      nar("(", "type", "regular", "executable", "contents", "", ")"),
    ],
    ["type twice", "NAR_TOKEN_INVALID", nar("(", "type", "regular", "type", "regular", "contents", "", ")")],
    ["no closing parenthesis", "NAR_TRUNCATED", nar(...FILE.slice(0, -1))],
    [
      "contents cut short",
      "NAR_TRUNCATED",
      nar("(", "type", "regular", "contents", u64(9), encodeUtf8("12345678")),
    ],
    [
      "padding missing",
      "NAR_TOKEN_INVALID",
      nar("(", "type", "regular", "contents", u64(8), encodeUtf8("12345678"), str("x")),
    ],
    ["padding of contents", "NAR_PADDING_INVALID", nar("(", "type", "regular", "contents", str("x", 1), ")")],
    ["padding of a keyword", "NAR_PADDING_INVALID", nar(str("(", 1), "type")],
    [
      "padding of a name",
      "NAR_PADDING_INVALID",
      nar("(", "type", "directory", "entry", "(", "name", str("x", 0x20)),
    ],
    ["padding of a target", "NAR_PADDING_INVALID", nar("(", "type", "symlink", "target", str("x", 0xff))],
    ["a byte after the end", "NAR_TRAILING", concatBytes(nar(...FILE), Uint8Array.of(0))],
    ["a second archive", "NAR_TRAILING", concatBytes(nar(...FILE), nar(...FILE))],
    ["a size past 2^53", "NAR_LIMIT", nar("(", "type", "regular", "contents", u64(2n ** 53n))],
    ["a size of 2^64-1", "NAR_LIMIT", nar("(", "type", "regular", "contents", u64(2n ** 64n - 1n))],
    ["a size of 2^63", "NAR_LIMIT", nar("(", "type", "regular", "contents", u64(2n ** 63n))],
    ["a keyword of 2^40 bytes", "NAR_TOKEN_INVALID", nar(u64(2n ** 40n))],
    [
      "a name of 2^64-1 bytes",
      "NAR_LIMIT",
      nar("(", "type", "directory", "entry", "(", "name", u64(2n ** 64n - 1n)),
    ],
    ["a name of 256 bytes", "NAR_LIMIT", directory(long)],
    ["a target of 4096 bytes", "NAR_LIMIT", nar("(", "type", "symlink", "target", "t".repeat(4096), ")")],
    ["an empty name", "NAR_NAME_INVALID", directory("")],
    ["the name .", "NAR_NAME_INVALID", directory(".")],
    ["the name ..", "NAR_NAME_INVALID", directory("..")],
    ["a name with a slash", "NAR_NAME_INVALID", directory("../x")],
    ["an absolute name", "NAR_NAME_INVALID", directory("/x")],
    ["a name with NUL", "NAR_NAME_INVALID", directory("a\0b")],
    ["the same name twice", "NAR_ORDER_INVALID", directory("a", "a")],
    ["descending names", "NAR_ORDER_INVALID", directory("b", "a")],
    ["a prefix after the longer name", "NAR_ORDER_INVALID", directory("ab", "a")],
    ["UTF-16 order", "NAR_ORDER_INVALID", directory("\u{1f600}", "\u{ffff}")],
    ["signed byte order", "NAR_ORDER_INVALID", directory(Uint8Array.of(0x80), Uint8Array.of(0x7f))],
    ["an empty target", "NAR_TARGET_INVALID", nar("(", "type", "symlink", "target", "", ")")],
    ["a target with NUL", "NAR_TARGET_INVALID", nar("(", "type", "symlink", "target", "a\0", ")")],
    ["a symlink without target", "NAR_TOKEN_INVALID", nar("(", "type", "symlink", ")")],
    [
      "an entry without name",
      "NAR_TOKEN_INVALID",
      nar("(", "type", "directory", "entry", "(", "node", ...FILE, ")", ")"),
    ],
    [
      "an entry without node",
      "NAR_TOKEN_INVALID",
      nar("(", "type", "directory", "entry", "(", "name", "a", ")", ")"),
    ],
    [
      "an entry without parenthesis",
      "NAR_TOKEN_INVALID",
      nar("(", "type", "directory", "entry", "name", "a"),
    ],
    [
      "an entry left open",
      "NAR_TOKEN_INVALID",
      nar("(", "type", "directory", "entry", "(", "name", "a", "node", ...FILE, "entry"),
    ],
    ["entries in a file", "NAR_TOKEN_INVALID", nar("(", "type", "regular", "entry", "(")],
  ];
  for (const [what, code, bytes] of cases) {
    test(what, () => {
      expect(codeOf(() => parse(bytes))).toBe(code);
      expect(codeOf(() => parse(bytes, 1))).toBe(code);
      expect(codeOf(() => parse(bytes, 7))).toBe(code);
    });
  }

  test("every prefix of an archive is truncated, never accepted", () => {
    const bytes = directory("a", "b");
    for (let length = 0; length < bytes.length; length++) {
      expect(codeOf(() => parse(bytes.subarray(0, length)))).toBe("NAR_TRUNCATED");
    }
    expect(parse(bytes)).toBe(bytes.length);
  });

  test("every byte but those of names, targets and contents is fixed", () => {
    const bytes = nar("(", "type", "regular", "executable", "", "contents", str("12345"), ")");
    const from = bytes.length - 24 - 8;
    for (let i = 0; i < bytes.length; i++) {
      if (i > from + 7 && i < from + 8 + 5) continue;
      const wrong = bytes.slice();
      wrong[i]! ^= 1 << (i % 8);
      expect(codeOf(() => parse(wrong))).not.toBe("accepted");
    }
  });

  test("mutated archives are refused with typed errors, or parse to an archive that is written the same", () => {
    fc.assert(
      fc.property(
        arbitraryTree(),
        fc.array(fc.tuple(fc.nat(), fc.nat(255)), { minLength: 1, maxLength: 4 }),
        (tree, edits) => {
          const bytes = concatBytes(...encodeNar(tree));
          for (const [at, value] of edits) bytes[at % bytes.length] = value;
          if (codeOf(() => parse(bytes)) === "accepted") {
            expect(equalBytes(concatBytes(...encodeNar(rebuild(bytes, [4096]))), bytes)).toBe(true);
          }
        },
      ),
      { numRuns: 500 },
    );
  });

  test("a parser that failed stays failed", () => {
    const parser = new NarParser({
      openDirectory() {
        throw new RangeError("mine");
      },
      closeDirectory() {},
      openFile() {},
      contents() {},
      closeFile() {},
      symlink() {},
    });
    expect(() => parser.write(directory())).toThrow(RangeError);
    expect(() => parser.write(new Uint8Array(0))).toThrow(RangeError);
    expect(() => parser.end()).toThrow(RangeError);
  });
});

describe("limits", () => {
  const leaf: NarTree = { type: "regular", contents: new Uint8Array(0) };

  test("depth", () => {
    const bytes = concatBytes(...encodeNar(nested(2048, leaf)));
    expect(parse(bytes)).toBe(bytes.length);
    expect(codeOf(() => parse(bytes, 1000, {}, { maxDepth: 2047 }))).toBe("NAR_LIMIT");
    expect(codeOf(() => concatBytes(...encodeNar(nested(2049, leaf))))).toBe("NAR_LIMIT");
  });

  test("archive size: known from a file's header, before its contents", () => {
    const header = nar("(", "type", "regular", "contents", u64(1000));
    expect(codeOf(() => parse(header, 8, {}, { maxNarBytes: header.length + 999 }))).toBe("NAR_LIMIT");
    expect(codeOf(() => parse(header, 8, {}, { maxNarBytes: header.length + 1000 }))).toBe("NAR_TRUNCATED");
    expect(codeOf(() => parse(directory(), 8, {}, { maxNarBytes: 16 }))).toBe("NAR_LIMIT");
  });

  test("names and targets up to the limit, in pieces", () => {
    expect(parse(directory("n".repeat(255)), 3)).toBeGreaterThan(0);
    expect(parse(nar("(", "type", "symlink", "target", "t".repeat(4095), ")"), 3)).toBeGreaterThan(0);
  });
});

describe("writer", () => {
  const bad: readonly (readonly [string, string, NarTree])[] = [
    [
      "too few bytes",
      "NAR_CONTENTS_SIZE",
      { type: "regular", contents: { sizeBytes: 2, chunks: [Uint8Array.of(1)] } },
    ],
    [
      "too many bytes",
      "NAR_CONTENTS_SIZE",
      { type: "regular", contents: { sizeBytes: 0, chunks: [Uint8Array.of(1)] } },
    ],
    ["a fraction", "NAR_CONTENTS_SIZE", { type: "regular", contents: { sizeBytes: 0.5, chunks: [] } }],
    [
      "a duplicate",
      "NAR_NAME_INVALID",
      {
        type: "directory",
        entries: [
          ["a", { type: "symlink", target: "x" }],
          ["a", { type: "symlink", target: "y" }],
        ],
      },
    ],
    [
      "a slash",
      "NAR_NAME_INVALID",
      { type: "directory", entries: [["a/b", { type: "symlink", target: "x" }]] },
    ],
    [
      "a lone surrogate",
      "NAR_NAME_INVALID",
      { type: "directory", entries: [["\ud800", { type: "symlink", target: "x" }]] },
    ],
    ["an empty target", "NAR_TARGET_INVALID", { type: "symlink", target: "" }],
    [
      "a long name",
      "NAR_LIMIT",
      { type: "directory", entries: [["n".repeat(256), { type: "symlink", target: "x" }]] },
    ],
  ];
  for (const [what, code, tree] of bad) {
    test(`refuses ${what}`, () => expect(codeOf(() => concatBytes(...encodeNar(tree)))).toBe(code));
  }

  test("chunks are bounded, whatever the tree", () => {
    const tree: NarTree = { type: "regular", contents: new Uint8Array(1_000_000) };
    for (const chunk of encodeNar(tree)) expect(chunk.length).toBeLessThanOrEqual(65_536);
  });
});
