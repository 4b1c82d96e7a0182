import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { decodeHex, encodeBase64, encodeHex } from "./encoding.ts";
import {
  equalHash,
  formatHash,
  type HashAlgorithm,
  type HashSpelling,
  parseHash,
  parseHashJson,
} from "./hash.ts";
import { encodeNix32 } from "./nix32.ts";
import {
  algorithm,
  expectNixError,
  hash,
  loadVectors,
  madeWithNix,
  mutationOf,
  tryParse,
} from "./support.test.util.ts";

const vectors = loadVectors<{
  hex: string;
  spellings: string[];
  bare: string[];
  objects: Record<string, string>[];
  refused: string[];
}>("hashes.json");
const expected = { algorithm: "sha256" as const, bytes: decodeHex(vectors.hex) };

describe("hashes", () => {
  it("agree with Nix in every spelling", () => {
    for (const { algorithm, hex, nix32, base64, sri } of madeWithNix.hashes) {
      const hash = parseHash(sri);
      expect(hash.algorithm).toBe(algorithm);
      expect(encodeHex(hash.bytes)).toBe(hex);
      expect(formatHash(hash)).toBe(`${algorithm}:${nix32}`);
      expect(formatHash(hash, "hex")).toBe(`${algorithm}:${hex}`);
      expect(formatHash(hash, "base64")).toBe(`${algorithm}:${base64}`);
      expect(formatHash(hash, "sri")).toBe(sri);
      for (const digits of [hex, nix32, base64])
        expect(parseHash(digits, algorithm as HashAlgorithm)).toEqual(hash);
    }
  });

  it("are equal whatever the spelling", () => {
    for (const text of vectors.spellings) expect(parseHash(text)).toEqual(expected);
    for (const text of vectors.bare) expect(parseHash(text, "sha256")).toEqual(expected);
    for (const value of [...vectors.objects, ...vectors.spellings])
      expect(parseHashJson(value)).toEqual(expected);
  });

  it("round-trip", () => {
    const spelling = fc.constantFrom<HashSpelling>("nix32", "hex", "base64", "sri");
    fc.assert(
      fc.property(hash, spelling, (value, as) => {
        expect(parseHash(formatHash(value, as))).toEqual(value);
        expect(parseHash(formatHash(value, as), value.algorithm)).toEqual(value);
        expect(equalHash(parseHash(formatHash(value, as)), value)).toBe(true);
      }),
    );
    fc.assert(
      fc.property(hash, ({ algorithm, bytes }) => {
        for (const digits of [encodeHex(bytes), encodeNix32(bytes), encodeBase64(bytes)]) {
          expect(parseHash(digits, algorithm)).toEqual({ algorithm, bytes });
        }
      }),
    );
  });

  it("refuse malformed text", () => {
    for (const text of [...vectors.refused, "sha256:".padEnd(100_000, "0")]) {
      expectNixError(() => parseHash(text), "HASH_INVALID");
    }
  });

  it("refuse another algorithm than asked for", () => {
    const other = parseHash(vectors.spellings[0]!);
    expect(equalHash(other, { algorithm: "blake3", bytes: other.bytes })).toBe(false);
    for (const text of vectors.spellings) expectNixError(() => parseHash(text, "blake3"), "HASH_INVALID");
    for (const value of vectors.objects) expectNixError(() => parseHashJson(value, "blake3"), "HASH_INVALID");
  });

  it("refuse malformed objects", () => {
    const object = vectors.objects[0]!;
    for (const value of [
      undefined,
      null,
      1,
      [],
      {},
      { ...object, algorithm: "sha257" },
      { ...object, algorithm: "sha512" },
      { ...object, algorithm: "__proto__" },
      { ...object, format: "base58" },
      { ...object, format: "nix32" },
      { ...object, hash: 1 },
      { ...object, hash: "" },
      { ...object, hash: "0".repeat(100_000) },
    ]) {
      expectNixError(() => parseHashJson(value), "HASH_INVALID");
    }
  });

  it("never fail with anything but a NixError", () => {
    const text = fc.oneof(fc.string({ unit: "binary" }), mutationOf(hash.map((value) => formatHash(value))));
    fc.assert(
      fc.property(text, fc.option(algorithm, { nil: undefined }), (input, as) => {
        const value = tryParse(() => parseHash(input, as));
        if (value !== undefined) expect(parseHash(formatHash(value))).toEqual(value);
      }),
    );
    fc.assert(fc.property(fc.anything(), (value) => void tryParse(() => parseHashJson(value))));
  });
});
