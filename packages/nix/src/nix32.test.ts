import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { decodeHex } from "./encoding.ts";
import { decodeNix32, encodeNix32, nix32Length } from "./nix32.ts";
import { expectNixError, loadVectors, madeWithNix, tryParse } from "./support.test.util.ts";

const vectors = loadVectors<{ lengths: [number, number][]; nix32Refused: string[] }>("hashes.json");

describe("nix32", () => {
  it("agrees with nix-hash", () => {
    for (const { hex, nix32 } of madeWithNix.hashes) {
      expect(encodeNix32(decodeHex(hex))).toBe(nix32);
      expect(decodeNix32(nix32)).toEqual(decodeHex(hex));
    }
  });

  it("has the lengths of its definition", () => {
    for (const [size, length] of vectors.lengths) {
      expect(nix32Length(size)).toBe(length);
      expect(encodeNix32(new Uint8Array(size).fill(255))).toHaveLength(length);
    }
  });

  it("round-trips", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 80 }), (bytes) => {
        expect(decodeNix32(encodeNix32(bytes))).toEqual(bytes);
      }),
    );
  });

  it("gives every value one spelling", () => {
    fc.assert(
      fc.property(fc.stringMatching(/^[0-9a-df-np-sv-z]{0,14}$/), (text) => {
        const bytes = tryParse(() => decodeNix32(text));
        if (bytes !== undefined) expect(encodeNix32(bytes)).toBe(text);
      }),
    );
  });

  it("refuses foreign characters, impossible lengths and overflow bits", () => {
    for (const text of vectors.nix32Refused) expectNixError(() => decodeNix32(text), "NIX32_INVALID");
  });
});
