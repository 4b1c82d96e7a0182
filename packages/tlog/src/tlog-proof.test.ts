import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { encodeUtf8 } from "./encoding.ts";
import { leafHash } from "./merkle/hash.ts";
import { isKeyName } from "./note.ts";
import { PolicyVerifier } from "./policy-verifier.ts";
import { parsePolicy } from "./tlog-policy.ts";
import { formatTlogProof, parseTlogProof, type TlogProof, verifyTlogProof } from "./tlog-proof.ts";
import { errorCode, readVectors } from "./vectors.test.util.ts";

const vectors = readVectors<{
  readonly policy: string;
  readonly accepted: readonly { about: string; entry: string; index: number; file: string }[];
  readonly rejected: readonly { about: string; code: string; entry: string; file: string }[];
}>("tlog-proof.json");

const policy = new PolicyVerifier(parsePolicy(vectors.policy));
const verify = (file: string | Uint8Array, entry: string) =>
  verifyTlogProof(file, leafHash(encodeUtf8(entry)), (note) => policy.openCheckpoint(note));

describe("vectors", () => {
  test.each(vectors.accepted)("accepted: $about", async ({ entry, index, file }) => {
    const proof = parseTlogProof(file);
    expect(proof.index).toBe(index);
    expect(formatTlogProof(proof)).toBe(file);
    const opened = await verify(file, entry);
    expect(opened.checkpoint.size).toBe(3);
    expect(opened.cosignatures).toMatchObject([{ timestamp: 1700000000 }]);
  });
  test.each(vectors.rejected)("rejected: $about", async ({ entry, file, code }) => {
    expect(await errorCode(() => verify(file, entry))).toBe(code);
    expect(await errorCode(() => verify(encodeUtf8(file), entry))).toBe(code);
  });
});

const bytesArb = (min: number, max: number) =>
  fc.uint8Array({ minLength: min, maxLength: max }).map((bytes) => new Uint8Array(bytes));
const proofArb: fc.Arbitrary<TlogProof> = fc.record(
  {
    extra: bytesArb(1, 50),
    index: fc.maxSafeNat(),
    hashes: fc.array(bytesArb(32, 32), { maxLength: 63 }),
    checkpoint: fc.record({
      text: fc.string({ unit: fc.constantFrom("a", "\n", "\u00e9") }).map((text) => `${text}\n`),
      signatures: fc.array(
        fc.record({
          name: fc.string({ minLength: 1 }).filter(isKeyName),
          id: fc.integer({ min: 0, max: 0xffffffff }),
          signature: bytesArb(1, 80),
        }),
        { minLength: 1, maxLength: 5 },
      ),
    }),
  },
  { requiredKeys: ["index", "hashes", "checkpoint"] },
);

test("format and parse are inverse", () => {
  fc.assert(
    fc.property(proofArb, (proof) => {
      expect(parseTlogProof(formatTlogProof(proof))).toEqual(proof);
    }),
  );
});

test("any changed byte of a proof file is rejected", async () => {
  const { file, entry } = vectors.accepted[0]!;
  const bytes = encodeUtf8(file);
  for (let at = 0; at < bytes.length; at++) {
    for (const flip of [1, 4, 0x20, 0x80]) {
      const changed = bytes.slice();
      changed[at]! ^= flip;
      expect(await errorCode(() => verify(changed, entry))).toMatch(/^[A-Z_]+$/);
    }
  }
});

test("what cannot be parsed is not written", async () => {
  const good = parseTlogProof(vectors.accepted[0]!.file);
  const hash = new Uint8Array(32);
  const bad: Partial<TlogProof>[] = [
    { index: -1 },
    { index: 2 ** 53 },
    { extra: new Uint8Array() },
    { hashes: [hash.subarray(1)] },
    { hashes: Array(64).fill(hash) },
  ];
  for (const part of bad) {
    expect(await errorCode(() => formatTlogProof({ ...good, ...part }))).toBe("PROOF_MALFORMED");
  }
});

test("a file above the limit is not parsed", async () => {
  const { file } = vectors.accepted[0]!;
  expect(await errorCode(() => parseTlogProof(file, encodeUtf8(file).length - 1))).toBe("PROOF_MALFORMED");
});
