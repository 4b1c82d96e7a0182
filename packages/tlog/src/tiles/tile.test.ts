import fc from "fast-check";
import { expect, test } from "vitest";
import {
  bundlePath,
  logFilePath,
  parseTilePath,
  partialWidth,
  tileAt,
  tilePath,
  tileSlice,
  tilesBetween,
} from "./tile.ts";

const paths = (oldSize: number, newSize: number) => [...tilesBetween(oldSize, newSize)].map(logFilePath);

test("paths of the specification", () => {
  expect(tilePath({ level: 0, index: 1234067, width: 256 })).toBe("tile/0/x001/x234/067");
  expect(tilePath({ level: 63, index: 999, width: 256 })).toBe("tile/63/999");
  expect(tilePath({ level: 1, index: 1000, width: 17 })).toBe("tile/1/x001/000.p/17");
  expect(bundlePath({ index: 0, width: 1 })).toBe("tile/entries/000.p/1");
  expect(tilePath({ level: 0, index: 2 ** 53 - 1, width: 255 })).toBe(
    "tile/0/x009/x007/x199/x254/x740/991.p/255",
  );
});

test("a tree of 70,000 entries", () => {
  const all = paths(0, 70_000);
  expect(all.filter((path) => path.startsWith("tile/0/"))).toHaveLength(274);
  expect(all).toContain("tile/0/272");
  expect(all).toContain("tile/0/273.p/112");
  expect(all).toContain("tile/entries/273.p/112");
  expect(all.filter((path) => /^tile\/[1-9]/.test(path))).toEqual([
    "tile/1/000",
    "tile/1/001.p/17",
    "tile/2/000.p/1",
  ]);
});

test("a tree of 256 entries has no partial tile at level 0", () => {
  expect(paths(0, 256)).toEqual(["tile/entries/000", "tile/0/000", "tile/1/000.p/1"]);
  expect(partialWidth(0, 256)).toBe(0);
});

test("growth within a bundle, over its end, and none", () => {
  expect(paths(3, 3)).toEqual([]);
  expect(paths(0, 0)).toEqual([]);
  expect(paths(3, 5)).toEqual(["tile/entries/000.p/5", "tile/0/000.p/5"]);
  expect(paths(3, 257)).toEqual([
    "tile/entries/000",
    "tile/entries/001.p/1",
    "tile/0/000",
    "tile/0/001.p/1",
    "tile/1/000.p/1",
  ]);
  expect(() => paths(5, 3)).toThrowError(expect.objectContaining({ code: "RANGE_INVALID" }));
  expect(() => paths(0, 2 ** 53)).toThrowError(expect.objectContaining({ code: "RANGE_INVALID" }));
});

test("files of growth in steps are those of each size, once", () => {
  fc.assert(
    fc.property(fc.nat(200_000), fc.nat(1000), fc.nat(1000), (size, first, second) => {
      const implied = (n: number) => new Set(paths(0, n));
      const older = implied(size + first);
      const wanted = [...implied(size + first + second)].filter((path) => !older.has(path));
      expect(paths(size + first, size + first + second)).toEqual(wanted);
    }),
    { numRuns: 30 },
  );
});

test("parse is the inverse of format", () => {
  fc.assert(
    fc.property(
      fc.oneof(fc.constant("entries" as const), fc.integer({ min: 0, max: 63 })),
      fc.oneof(fc.nat(3000), fc.maxSafeNat()),
      fc.integer({ min: 1, max: 256 }),
      (level, index, width) => {
        const file = { level, index, width };
        expect(parseTilePath(logFilePath(file as Parameters<typeof logFilePath>[0]))).toEqual(file);
      },
    ),
  );
});

test.each([
  "",
  "/tile/0/000",
  "tile/0/000/",
  "tile/00/000",
  "tile/01/000",
  "tile/64/000",
  "tile/-1/000",
  "tile/8/entries/000",
  "tile/entries/00",
  "tile/0/0000",
  "tile/0/x000/001",
  "tile/0/001/000",
  "tile/0/x001/x000",
  "tile/0/000.p/0",
  "tile/0/000.p/01",
  "tile/0/000.p/256",
  "tile/0/000.p/999",
  "tile/0/000.p/",
  "tile/0/000.p/1\n",
  "tile/0/000\n",
  "tile/0/x999/x999/x999/x999/x999/999",
  "tile/0/x001/x000/x000/x000/x000/x000/000",
  "tile/data/000",
  "tile/0/０００",
])("refuses the path %j", (path) => {
  expect(() => parseTilePath(path)).toThrowError(expect.objectContaining({ code: "TILE_INVALID" }));
});

test("refuses coordinates out of range", () => {
  for (const bad of [
    { level: 64, index: 0, width: 1 },
    { level: 0.5, index: 0, width: 1 },
    { level: 0, index: -1, width: 1 },
    { level: 0, index: 2 ** 53, width: 1 },
    { level: 0, index: 0, width: 0 },
    { level: 0, index: 0, width: 257 },
  ]) {
    expect(() => tilePath(bad)).toThrowError(expect.objectContaining({ code: "TILE_INVALID" }));
  }
});

test("tiles of a size and slices of nodes", () => {
  expect(tileAt(0, 273, 70_000)).toEqual({ level: 0, index: 273, width: 112 });
  expect(() => tileAt(0, 274, 70_000)).toThrowError(expect.objectContaining({ code: "RANGE_INVALID" }));
  expect(tileSlice({ level: 0, index: 257 })).toEqual({ level: 0, index: 1, start: 1, count: 1 });
  expect(tileSlice({ level: 7, index: 3 })).toEqual({ level: 0, index: 1, start: 128, count: 128 });
  expect(tileSlice({ level: 8, index: 300 })).toEqual({ level: 1, index: 1, start: 44, count: 1 });
  expect(tileSlice({ level: 52, index: 1 })).toEqual({ level: 6, index: 0, start: 16, count: 16 });
});
