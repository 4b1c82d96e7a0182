/** The tests that every engine passes. */
import fc from "fast-check";
import { expect, test } from "vitest";
import { encodeBundle } from "../tiles/bundle.ts";
import type { Hasher } from "./hasher.ts";

/** Declares the tests of one engine, which compare with `sha256` from elsewhere. */
export function testHasher(hasher: Hasher, sha256: (bytes: Uint8Array) => Uint8Array): void {
  const expectedHash = (prefix: number, bytes: Uint8Array) => sha256(Uint8Array.of(prefix, ...bytes));
  test("node hashes of every count to 40, and of many", () => {
    for (const count of [...Array(41).keys(), 255, 256, 2048, 2049, 5000]) {
      const src = sample(64 * count, count);
      const dst = new Uint8Array(32 * count + 8).fill(9);
      hasher.hashNodes(src, dst, count);
      for (let i = 0; i < count; i += count > 300 ? 97 : 1) {
        expect(dst.subarray(32 * i, 32 * i + 32)).toEqual(expectedHash(1, src.subarray(64 * i, 64 * i + 64)));
      }
      expect(dst.subarray(32 * count)).toEqual(new Uint8Array(8).fill(9));
      expect(src).toEqual(sample(64 * count, count));
    }
  });

  test("node hashes in place, on views", () => {
    for (const count of [1, 3, 4, 128, 2050]) {
      const src = sample(64 * count, 5);
      const apart = new Uint8Array(32 * count);
      hasher.hashNodes(src, apart, count);
      const buffer = new Uint8Array(64 * count + 7);
      buffer.set(src, 3);
      const row = buffer.subarray(3, 3 + 64 * count);
      hasher.hashNodes(row, row, count);
      expect(row.subarray(0, 32 * count)).toEqual(apart);
      expect(row.subarray(32 * count)).toEqual(src.subarray(32 * count));
      expect([...buffer.subarray(0, 3), ...buffer.subarray(-4)]).toEqual([0, 0, 0, 0, 0, 0, 0]);
    }
  });

  test("leaf hashes of entries of every length over four blocks", () => {
    for (let first = 0; first <= 270; first += 90) {
      const entries = Array.from({ length: 90 }, (_, i) => sample(first + i, i));
      check(entries);
    }
  });

  test("leaf hashes of the longest entries, among short ones", () => {
    check([
      sample(65_535, 1),
      sample(0, 2),
      sample(65_535, 3),
      sample(5, 4),
      sample(65_534, 5),
      sample(40_000, 6),
    ]);
    check([sample(65_535, 1)]);
    check([new Uint8Array(0)]);
  });

  test("leaf hashes of any entries, from any place in a bundle", () => {
    fc.assert(
      fc.property(fc.array(fc.nat(700), { minLength: 1, maxLength: 256 }), fc.nat(), (lengths, skip) => {
        check(
          lengths.map((length, i) => sample(length, i)),
          skip % lengths.length,
        );
      }),
      { numRuns: 30 },
    );
  });

  function check(entries: readonly Uint8Array[], skip = 0): void {
    const bundle = encodeBundle(entries);
    const before = bundle.slice();
    const offset = entries.slice(0, skip).reduce((sum, entry) => sum + 2 + entry.length, 0);
    const dst = new Uint8Array(32 * entries.length + 16);
    hasher.hashLeaves(bundle, offset, entries.length - skip, dst, 8);
    for (let i = skip; i < entries.length; i++) {
      const at = 8 + 32 * (i - skip);
      expect(dst.subarray(at, at + 32)).toEqual(expectedHash(0, entries[i]!));
    }
    expect(dst.subarray(8 + 32 * (entries.length - skip)).every((byte) => byte === 0)).toBe(true);
    expect(bundle).toEqual(before);
  }
}

function sample(length: number, seed: number): Uint8Array {
  return Uint8Array.from({ length }, (_, i) => (i * 31 + seed * 17 + (i >> 8)) & 0xff);
}
