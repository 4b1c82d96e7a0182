import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { encodeHex, encodeUtf8 } from "./encoding.ts";
import { Sha256, sha256 } from "./sha256.ts";

async function platformSha256(bytes: Uint8Array<ArrayBuffer>): Promise<Uint8Array> {
  return new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
}

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

  it("agrees with the platform at every length around the block size", async () => {
    for (let length = 0; length <= 200; length++) {
      const bytes = Uint8Array.from({ length }, (_, i) => (i * 7 + length) & 255);
      expect(sha256(bytes)).toEqual(await platformSha256(bytes));
    }
  });

  it("does not depend on how the input is cut", async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.uint8Array({ maxLength: 150 }), { maxLength: 8 }), async (parts) => {
        const hash = new Sha256();
        for (const part of parts) hash.update(part);
        expect(hash.digest()).toEqual(
          await platformSha256(Uint8Array.from(parts.flatMap((part) => [...part]))),
        );
      }),
    );
  });
});
