import { createHash } from "node:crypto";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { encodeHex, encodeUtf8 } from "./encoding.ts";
import { Sha256, sha256 } from "./sha256.ts";

describe("SHA-256", () => {
  it("has the digests of FIPS 180-4's examples", () => {
    expect(encodeHex(sha256(new Uint8Array(0)))).toBe(
      "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    );
    expect(encodeHex(sha256(encodeUtf8("abc")))).toBe(
      "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
    );
    expect(encodeHex(sha256(new Uint8Array(1_000_000).fill(0x61)))).toBe(
      "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0",
    );
  });

  it("agrees with Node at every length around the block size", () => {
    for (let length = 0; length <= 200; length++) {
      const bytes = Uint8Array.from({ length }, (_, i) => (i * 7 + length) & 255);
      expect(sha256(bytes)).toEqual(new Uint8Array(createHash("sha256").update(bytes).digest()));
    }
  });

  it("does not depend on how the input is cut", () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 150 }), { maxLength: 8 }), (parts) => {
        const whole = createHash("sha256");
        const hash = new Sha256();
        for (const part of parts) {
          whole.update(part);
          hash.update(part);
        }
        expect(hash.digest()).toEqual(new Uint8Array(whole.digest()));
      }),
    );
  });
});
