import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { concatBytes, encodeUtf8 } from "../encoding.ts";
import { NixError } from "../errors.ts";
import {
  findInListing,
  formatNarListing,
  listNar,
  type NarListingFile,
  parseNarListing,
  readListedFile,
} from "./listing.ts";
import { arbitraryTree } from "./trees.test.util.ts";
import { encodeNar, type NarTree } from "./writer.ts";

async function codeOf(call: () => unknown): Promise<string> {
  try {
    await call();
  } catch (error) {
    if (error instanceof NixError) return error.code;
    throw error;
  }
  return "accepted";
}

const tree: NarTree = {
  type: "directory",
  entries: [
    [
      "bin",
      {
        type: "directory",
        entries: [["sh", { type: "regular", executable: true, contents: encodeUtf8("shell") }]],
      },
    ],
    ["lib", { type: "symlink", target: "bin" }],
    ["\u{ffff}", { type: "regular", contents: new Uint8Array(0) }],
    ["\u{1f600}", { type: "regular", contents: encodeUtf8("smile") }],
    ["10", { type: "directory", entries: [] }],
    ["9", { type: "directory", entries: [] }],
    ["__proto__", { type: "symlink", target: "x" }],
  ],
};

describe("listings", () => {
  test("are written as Nix writes them", async () => {
    const text = formatNarListing(await listNar(encodeNar(tree)));
    expect(text).toMatch(/^\{"root":\{"entries":\{"10":\{"entries":\{\},"type":"directory"\},"9":/);
    expect(text).toContain('"sh":{"executable":true,"narOffset":');
    expect(text).toContain('"__proto__":{"target":"x","type":"symlink"}');
    expect(text.indexOf("\u{ffff}")).toBeLessThan(text.indexOf("\u{1f600}"));
    expect(text.endsWith(',"type":"directory"},"version":1}')).toBe(true);
    expect(formatNarListing(parseNarListing(text))).toBe(text);
    expect(parseNarListing(encodeUtf8(text))).toEqual(await listNar(encodeNar(tree)));
  });

  test("find a file and read it out of the archive", async () => {
    const bytes = concatBytes(...encodeNar(tree));
    const listing = await listNar([bytes]);
    const shell = findInListing(listing, "bin/sh") as NarListingFile;
    expect(shell).toMatchObject({ type: "regular", sizeBytes: 5, executable: true });
    const chunks = Array.from({ length: Math.ceil(bytes.length / 3) }, (_, i) =>
      bytes.subarray(i * 3, i * 3 + 3),
    );
    for (const [path, text] of [
      ["bin/sh", "shell"],
      ["\u{1f600}", "smile"],
      ["\u{ffff}", ""],
    ] as const) {
      const decoder = new TextDecoder();
      let found = "";
      for await (const part of readListedFile(chunks, findInListing(listing, path) as NarListingFile)) {
        found += decoder.decode(part, { stream: true });
      }
      expect(found).toBe(text);
    }
    expect(findInListing(listing, "")).toBe(listing.root);
    expect(findInListing(listing, "bin/none")).toBeUndefined();
    expect(findInListing(listing, "lib/sh")).toBeUndefined();
    expect(findInListing(listing, "bin/")).toBeUndefined();
    const early = async () => {
      for await (const part of readListedFile(chunks.slice(0, 20), shell)) void part;
    };
    expect(await codeOf(early)).toBe("NAR_TRUNCATED");
  });

  test("any tree with UTF-8 names round-trips; one without has no listing", async () => {
    await fc.assert(
      fc.asyncProperty(arbitraryTree(), async (any) => {
        let listing: Awaited<ReturnType<typeof listNar>>;
        try {
          listing = await listNar(encodeNar(any));
        } catch (error) {
          expect((error as NixError).code).toBe("NAR_LISTING_INVALID");
          return;
        }
        expect(parseNarListing(formatNarListing(listing))).toEqual(listing);
      }),
      { numRuns: 300 },
    );
    const bad: NarTree = {
      type: "directory",
      entries: [[Uint8Array.of(0xff), { type: "symlink", target: "x" }]],
    };
    expect(await codeOf(() => listNar(encodeNar(bad)))).toBe("NAR_LISTING_INVALID");
  });

  test("accept what other versions write", () => {
    const listing = parseNarListing(
      '{"version":1,"root":{"type":"regular","size":1,"executable":false,"new":[1]},"other":null}',
    );
    expect(listing.root).toEqual({ type: "regular", sizeBytes: 1, executable: false });
  });

  const root = (node: string) => `{"version":1,"root":${node}}`;
  const malformed: readonly (readonly [string, string])[] = [
    ["not JSON", "{"],
    ["no object", "[]"],
    ["null", "null"],
    ["another version", '{"version":2,"root":{"type":"directory","entries":{}}}'],
    ["no root", '{"version":1}'],
    ["an unknown type", root('{"type":"fifo"}')],
    ["no entries", root('{"type":"directory"}')],
    ["entries in an array", root('{"type":"directory","entries":[]}')],
    ["no size", root('{"type":"regular"}')],
    ["a negative size", root('{"type":"regular","size":-1}')],
    ["a fraction", root('{"type":"regular","size":1.5}')],
    ["an unsafe size", root('{"type":"regular","size":9007199254740993}')],
    ["a text offset", root('{"type":"regular","size":1,"narOffset":"8"}')],
    ["a text executable", root('{"type":"regular","size":1,"executable":"true"}')],
    ["no target", root('{"type":"symlink"}')],
    ["an empty target", root('{"type":"symlink","target":""}')],
    ["the name ..", root('{"type":"directory","entries":{"..":{"type":"symlink","target":"x"}}}')],
    ["a name with a slash", root('{"type":"directory","entries":{"a/b":{"type":"symlink","target":"x"}}}')],
    ["a lone surrogate", root('{"type":"directory","entries":{"\\ud800":{"type":"symlink","target":"x"}}}')],
  ];
  for (const [what, text] of malformed) {
    test(`refuse ${what}`, async () => {
      expect(await codeOf(() => parseNarListing(text))).toBe("NAR_LISTING_INVALID");
    });
  }

  test("limits", async () => {
    const deep = root(
      `${'{"type":"directory","entries":{"d":'.repeat(3000)}{"type":"symlink","target":"x"}${"}}".repeat(3000)}`,
    );
    expect(await codeOf(() => parseNarListing(deep))).toBe("NAR_LIMIT");
    const text = formatNarListing(await listNar(encodeNar(tree)));
    expect(await codeOf(() => parseNarListing(text, { maxNodes: 8 }))).toBe("NAR_LIMIT");
    expect(await codeOf(() => parseNarListing(text, { maxNodes: 9 }))).toBe("accepted");
    expect(await codeOf(() => listNar(encodeNar(tree), { maxNodes: 8 }))).toBe("NAR_LIMIT");
    // Counted before they are looked at: a short name costs the server 5 bytes, and us a node.
    const names = Array.from({ length: 9 }, (_, i) => `"${i}":0`).join();
    const wide = root(`{"type":"directory","entries":{${names}}}`);
    expect(await codeOf(() => parseNarListing(wide, { maxNodes: 9 }))).toBe("NAR_LIMIT");
    expect(await codeOf(() => parseNarListing(wide, { maxNodes: 10 }))).toBe("NAR_LISTING_INVALID");
    expect(await codeOf(() => parseNarListing(text, { maxLength: text.length - 1 }))).toBe("TOO_LARGE");
  });
});
