import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type CacheInfo, formatCacheInfo, parseCacheInfo } from "./cache-info.ts";
import { encodeUtf8 } from "./encoding.ts";
import { expectNixError, loadVectors, madeWithNix, mutationOf, tryParse } from "./support.test.util.ts";

const vectors = loadVectors<{ accepted: (CacheInfo & { text: string })[]; refused: string[] }>(
  "cache-info.json",
);

const cacheInfo: fc.Arbitrary<CacheInfo> = fc.record({
  storeDir: fc.constantFrom(undefined, "/nix/store", "/gnu/store"),
  wantMassQuery: fc.boolean(),
  priority: fc.integer({ min: -999_999_999, max: 999_999_999 }),
});

describe("nix-cache-info", () => {
  it("is read as Nix reads it", () => {
    for (const { text, storeDir, wantMassQuery, priority } of vectors.accepted) {
      expect(parseCacheInfo(text)).toEqual({ storeDir, wantMassQuery, priority });
      expect(parseCacheInfo(encodeUtf8(text))).toEqual(parseCacheInfo(text));
    }
    const [made] = madeWithNix.narinfos["nix-cache-info"];
    expect(parseCacheInfo(made!)).toEqual({ storeDir: "/nix/store", wantMassQuery: false, priority: 0 });
  });

  it("round-trips", () => {
    fc.assert(
      fc.property(cacheInfo, (info) => void expect(parseCacheInfo(formatCacheInfo(info))).toEqual(info)),
    );
    expect(formatCacheInfo({ storeDir: "/nix/store", wantMassQuery: true, priority: 40 })).toBe(
      "StoreDir: /nix/store\nWantMassQuery: 1\nPriority: 40\n",
    );
  });

  it("is refused when malformed", () => {
    for (const text of vectors.refused) expectNixError(() => parseCacheInfo(text), "CACHE_INFO_INVALID");
    expectNixError(() => parseCacheInfo(" ".repeat(65_537)), "TOO_LARGE");
    expectNixError(() => parseCacheInfo(Uint8Array.of(0xff)), "UTF8_INVALID");
    expectNixError(() => parseCacheInfo("a: b\nPriority: x\n"), "CACHE_INFO_INVALID");
    expect(() => parseCacheInfo("a: b\nPriority: x\n")).toThrow(expect.objectContaining({ line: 2 }));
  });

  it("is not written with what would not be read", () => {
    const info = { wantMassQuery: true, priority: 1 };
    expectNixError(() => formatCacheInfo({ ...info, storeDir: "/nix\nPriority: 0" }), "STORE_PATH_INVALID");
    expectNixError(() => formatCacheInfo({ ...info, priority: 1.5 }), "CACHE_INFO_INVALID");
    expectNixError(() => formatCacheInfo({ ...info, priority: 1e21 }), "CACHE_INFO_INVALID");
  });

  it("never fails with anything but a NixError", () => {
    fc.assert(
      fc.property(mutationOf(cacheInfo.map(formatCacheInfo)), (text) => {
        const info = tryParse(() => parseCacheInfo(text));
        if (info !== undefined) expect(parseCacheInfo(formatCacheInfo(info))).toEqual(info);
      }),
    );
  });
});
