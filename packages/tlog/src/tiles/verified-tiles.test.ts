import fc from "fast-check";
import { expect, test } from "vitest";
import { leafHash } from "../merkle/hash.ts";
import { proveConsistency, proveInclusion, proveSubtree, subtreeHash } from "../merkle/prove.ts";
import { verifyConsistency, verifyInclusion, verifySubtree } from "../merkle/verify.ts";
import { MemoryLog, sampleEntries } from "./memory-log.test.util.ts";
import { TreeBuilder } from "./tree-builder.ts";
import { VerifiedTiles } from "./verified-tiles.ts";

const SIZE = 70_000;
const ENTRIES = sampleEntries(0, SIZE);
const code = (name: string) => expect.objectContaining({ code: name });

function grow(sizes: readonly number[]): { log: MemoryLog; heads: { size: number; root: Uint8Array }[] } {
  const log = new MemoryLog();
  const builder = TreeBuilder.empty();
  const heads = sizes.map((size) => {
    const { root, files } = builder.append(ENTRIES.slice(builder.size, size));
    log.write(files);
    return { size, root };
  });
  return { log, heads };
}

const { log, heads } = grow([1, 255, 256, 257, 40_000, 65_536, SIZE]);
const checkpoint = heads.at(-1)!;

test("inclusion proofs for the tree and for older ones", async () => {
  const tiles = new VerifiedTiles({ checkpoint, source: log });
  await fc.assert(
    fc.asyncProperty(fc.nat(SIZE - 1), fc.nat(), async (index, more) => {
      const size = index + 1 + (more % (SIZE - index));
      const root = await subtreeHash(0, size, tiles);
      const proof = await proveInclusion(index, size, tiles);
      verifyInclusion(leafHash(ENTRIES[index]!), index, { size, root }, proof);
    }),
    { numRuns: 50 },
  );
});

test("consistency proofs between all recorded heads, and subtree proofs", async () => {
  const tiles = new VerifiedTiles({ checkpoint, source: log });
  for (const older of heads) {
    for (const newer of heads.filter((head) => head.size >= older.size)) {
      verifyConsistency(older, newer, await proveConsistency(older.size, newer.size, tiles));
    }
  }
  for (const [start, end] of [
    [0, 256],
    [65_536, SIZE],
    [69_888, 69_999],
    [768, 1000],
  ] as const) {
    const hash = await subtreeHash(start, end, tiles);
    verifySubtree({ start, end, hash }, checkpoint, await proveSubtree(start, end, SIZE, tiles));
  }
});

test("asks only for what the tree implies, once, and keeps full tiles", async () => {
  const source = new MemoryLog();
  for (const [path, bytes] of log.files) source.files.set(path, bytes);
  const tiles = new VerifiedTiles({ checkpoint, source });
  await proveInclusion(1000, SIZE, tiles);
  expect(source.requests.toSorted()).toEqual([
    "tile/0/003",
    "tile/0/273.p/112",
    "tile/1/000",
    "tile/1/001.p/17",
    "tile/2/000.p/1",
  ]);
  await proveInclusion(1001, SIZE, tiles);
  await proveInclusion(500, SIZE, tiles);
  expect(source.requests.slice(5)).toEqual(["tile/0/001"]);
});

test("the cache holds no more than asked, the last used ones", async () => {
  const source = new MemoryLog();
  for (const [path, bytes] of log.files) source.files.set(path, bytes);
  const tiles = new VerifiedTiles({ checkpoint, source, cacheTiles: 2 });
  await tiles.readTile(0, 1);
  await tiles.readTile(0, 2);
  source.requests.length = 0;
  await tiles.readTile(0, 2);
  expect(source.requests).toEqual([]);
  await tiles.readTile(0, 1);
  expect(source.requests).toEqual(["tile/0/001"]);
  await tiles.readTile(0, 2);
  expect(source.requests).toEqual(["tile/0/001", "tile/0/002"]);
});

test("an outgrown partial tile that is gone is cut out of the full one", async () => {
  const source = new MemoryLog();
  for (const [path, bytes] of log.files) if (!path.includes(".p/")) source.files.set(path, bytes);
  const older = heads.find((head) => head.size === 40_000)!;
  const tiles = new VerifiedTiles({ checkpoint: older, source });
  verifyInclusion(leafHash(ENTRIES[39_999]!), 39_999, older, await proveInclusion(39_999, 40_000, tiles));
});

test("a hash from a changed tile is never believed", async () => {
  const used = ["tile/0/003", "tile/0/273.p/112", "tile/1/000", "tile/1/001.p/17", "tile/2/000.p/1"];
  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom(...used),
      fc.nat(),
      fc.integer({ min: 1, max: 255 }),
      async (path, at, flip) => {
        const source = new MemoryLog();
        for (const [name, bytes] of log.files) source.files.set(name, bytes);
        const bytes = log.files.get(path)!.slice();
        bytes[at % bytes.length]! ^= flip;
        source.files.set(path, bytes);
        const proof = proveInclusion(1000, SIZE, new VerifiedTiles({ checkpoint, source }));
        await expect(proof).rejects.toThrowError(
          code(path.includes(".p/") ? "ROOT_MISMATCH" : "TILE_INVALID"),
        );
      },
    ),
    { numRuns: 40 },
  );
});

test("hostile sources: longer, shorter, missing, failing, never answering", async () => {
  const prove = (fetch: (path: string) => Promise<Uint8Array | undefined>, signal?: AbortSignal) =>
    proveInclusion(7, SIZE, new VerifiedTiles({ checkpoint, source: { fetch } }), signal ? { signal } : {});
  await expect(prove(async () => new Uint8Array(1 << 20))).rejects.toThrowError(code("TILE_INVALID"));
  await expect(prove(async () => new Uint8Array(3))).rejects.toThrowError(code("TILE_INVALID"));
  await expect(prove(async () => undefined)).rejects.toThrowError(code("RESOURCE_MISSING"));
  await expect(prove(() => Promise.reject(new Error("refused")))).rejects.toThrowError(code("FETCH_FAILED"));
  await expect(
    prove(() => {
      throw new Error("refused");
    }),
  ).rejects.toThrowError(code("FETCH_FAILED"));
  const stop = new AbortController();
  const pending = prove(() => new Promise(() => {}), stop.signal);
  stop.abort(new Error("enough"));
  await expect(pending).rejects.toThrowError("enough");
  await expect(
    prove(() => new Promise(() => {}), AbortSignal.abort(new Error("never"))),
  ).rejects.toThrowError("never");
});

test("nodes and tiles outside the tree are refused", async () => {
  const tiles = new VerifiedTiles({ checkpoint, source: log });
  await expect(tiles.readHashes([{ level: 0, index: SIZE }])).rejects.toThrowError(code("RANGE_INVALID"));
  await expect(tiles.readHashes([{ level: 17, index: 0 }])).rejects.toThrowError(code("RANGE_INVALID"));
  for (const [level, index] of [
    [0, 274],
    [0, -1],
    [0, 0.5],
    [-1, 0],
    [0.5, 0],
    [Number.NaN, 0],
    [0, Number.NaN],
  ] as const) {
    await expect(tiles.readTile(level, index)).rejects.toThrowError(code("RANGE_INVALID"));
    if (index === 274) continue;
    await expect(tiles.readHashes([{ level, index }])).rejects.toThrowError(code("RANGE_INVALID"));
  }
  expect((await tiles.readTile(0, 273)).length).toBe(112 * 32);
});
