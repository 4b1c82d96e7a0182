import fc from "fast-check";
import { expect, test } from "vitest";
import { decodeBundle, encodeBundle, extendBundle, maxBundleBytes, scanBundle } from "./bundle.ts";

const malformed = expect.objectContaining({ code: "BUNDLE_MALFORMED" });
const entryLists = fc.array(fc.uint8Array({ maxLength: 300 }), { minLength: 1, maxLength: 256 });

test("decode is the inverse of encode, and gives views", () => {
  fc.assert(
    fc.property(entryLists, (entries) => {
      const bytes = encodeBundle(entries);
      const decoded = decodeBundle(bytes, entries.length);
      expect(decoded).toEqual(entries);
      expect(decoded.every((entry) => entry.buffer === bytes.buffer)).toBe(true);
      expect(bytes.length).toBeLessThanOrEqual(maxBundleBytes(entries.length));
    }),
  );
});

test("every accepted bundle is the encoding of its entries", () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 0, max: 3 })), fc.integer({ min: 1, max: 4 }), (junk, width) => {
      const bytes = Uint8Array.from(junk);
      try {
        expect(encodeBundle(decodeBundle(bytes, width))).toEqual(bytes);
      } catch (error) {
        expect(error).toEqual(malformed);
      }
    }),
  );
});

test("another width than the bundle has, a cut and a trailing byte are refused", () => {
  fc.assert(
    fc.property(entryLists, fc.nat(), (entries, cut) => {
      const bytes = encodeBundle(entries);
      expect(() => decodeBundle(bytes, entries.length + 1)).toThrowError(malformed);
      expect(() => decodeBundle(bytes, entries.length - 1)).toThrowError(malformed);
      expect(() => decodeBundle(bytes.subarray(0, cut % bytes.length), entries.length)).toThrowError(
        malformed,
      );
      expect(() => scanBundle(Uint8Array.of(...bytes, 0), entries.length, 0)).toThrowError(malformed);
    }),
  );
});

test("extending and scanning", () => {
  fc.assert(
    fc.property(entryLists, fc.nat(), (entries, cut) => {
      const start = cut % (entries.length + 1);
      const older = start === 0 ? new Uint8Array(0) : encodeBundle(entries.slice(0, start));
      const bytes = extendBundle(older, entries, start, entries.length);
      expect(bytes).toEqual(encodeBundle(entries));
      expect(scanBundle(bytes, entries.length, start)).toBe(older.length);
    }),
  );
});

test("limits", () => {
  const longest = new Uint8Array(0xffff).fill(7);
  expect(decodeBundle(encodeBundle([longest]), 1)).toEqual([longest]);
  expect(() => encodeBundle([new Uint8Array(0x10000)])).toThrowError(malformed);
  expect(() => encodeBundle([])).toThrowError(malformed);
  expect(() => encodeBundle(Array.from({ length: 257 }, () => longest))).toThrowError(malformed);
});
