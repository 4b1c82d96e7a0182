import fc from "fast-check";
import { expect, test } from "vitest";
import { concatBytes, encodeHex, encodeUtf8 } from "../encoding.ts";
import { ScalarSha256, sha256 } from "./sha256.ts";

async function platformSha256(bytes: Uint8Array<ArrayBuffer>): Promise<Uint8Array> {
  return new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
}

test("FIPS 180-4 examples", () => {
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

test("equals the platform at every length over three blocks", async () => {
  for (let length = 0; length <= 200; length++) {
    const bytes = Uint8Array.from({ length }, (_, i) => i * 7 + length);
    expect(sha256(bytes)).toEqual(await platformSha256(bytes));
  }
});

test("one instance hashes slices with a prefix, one after the other, in place", async () => {
  const engine = new ScalarSha256();
  await fc.assert(
    fc.asyncProperty(
      fc.uint8Array({ maxLength: 300 }),
      fc.nat(),
      fc.integer({ min: -1, max: 255 }),
      async (data, cut, prefix) => {
        const start = cut % (data.length + 1);
        const buffer = new Uint8Array(data.length + 32);
        buffer.set(data);
        const message = concatBytes(Uint8Array.from(prefix < 0 ? [] : [prefix]), data.subarray(start));
        engine.hash(prefix, buffer, start, data.length, buffer, 0);
        expect(buffer.slice(0, 32)).toEqual(await platformSha256(message));
      },
    ),
  );
});
