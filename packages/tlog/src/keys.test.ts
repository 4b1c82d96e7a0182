import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { Ed25519Signer, Ed25519Verifier } from "./ed25519.ts";
import { decodeHex, encodeHex, encodeUtf8 } from "./encoding.ts";
import {
  createPrivateKey,
  createSigner,
  createVerifier,
  createVerifierKey,
  deriveVerifierKey,
  formatPrivateKey,
  formatVerifierKey,
  isSameKey,
  type KeyType,
  parsePrivateKey,
  parseVerifierKey,
} from "./keys.ts";
import { isKeyName } from "./note.ts";
import { errorCode, readVectors } from "./vectors.test.util.ts";

const vectors = readVectors<{
  readonly verifierKeys: readonly {
    text: string;
    name: string;
    id: string;
    type: number;
    publicKey: string;
  }[];
  readonly privateKeys: readonly { text: string; vkey: string }[];
  readonly rejected: readonly { about: string; code: string; text: string }[];
}>("keys.json");

describe("vectors", () => {
  test.each(vectors.verifierKeys)("verifier key $text", ({ text, name, id, type, publicKey }) => {
    const key = parseVerifierKey(text);
    expect(key).toEqual({ name, id: Number.parseInt(id, 16), type, publicKey: decodeHex(publicKey, 32) });
    expect(formatVerifierKey(key)).toBe(text);
  });
  test.each(vectors.privateKeys)("private key of $vkey", async ({ text, vkey }) => {
    const key = parsePrivateKey(text);
    expect(formatPrivateKey(key)).toBe(text);
    expect(formatVerifierKey(await deriveVerifierKey(key))).toBe(vkey);
    expect(await createPrivateKey(key.name, key.type, key.seed)).toEqual(key);
  });
  test.each(vectors.rejected)("rejected: $about", async ({ text, code }) => {
    expect(await errorCode(() => parseVerifierKey(text))).toBe(code);
  });
});

const nameArb = fc.string({ unit: "grapheme", minLength: 1, maxLength: 30 }).filter(isKeyName);
const typeArb = fc.constantFrom<KeyType[]>(1, 4);
const bytes32 = fc.uint8Array({ minLength: 32, maxLength: 32 }).map((bytes) => new Uint8Array(bytes));

test("verifier keys: format and parse are inverse", () => {
  fc.assert(
    fc.property(nameArb, typeArb, bytes32, (name, type, publicKey) => {
      const key = createVerifierKey(name, type, publicKey);
      expect(parseVerifierKey(formatVerifierKey(key))).toEqual(key);
    }),
  );
});

test("private keys: format and parse are inverse", async () => {
  await fc.assert(
    fc.asyncProperty(nameArb, typeArb, bytes32, async (name, type, seed) => {
      const key = await createPrivateKey(name, type, seed);
      expect(parsePrivateKey(formatPrivateKey(key))).toEqual(key);
      expect((await deriveVerifierKey(key)).id).toBe(key.id);
    }),
    { numRuns: 30 },
  );
});

test("any changed character of a verifier key is rejected", async () => {
  const { text } = vectors.verifierKeys[0]!;
  for (let at = 0; at < text.length; at++) {
    for (const char of "A9+/= \u00e9") {
      if (text[at] === char) continue;
      const changed = text.slice(0, at) + char + text.slice(at + 1);
      expect(await errorCode(() => parseVerifierKey(changed))).toMatch(/^KEY_(MALFORMED|UNSUPPORTED)$/);
    }
  }
});

test("a private key whose id is not its seed's signs nothing, and no message shows the seed", async () => {
  const key = await createPrivateKey("k.example", 1);
  const secret = formatPrivateKey(key).split("+").slice(4).join("+");
  const broken = [
    { ...key, id: key.id ^ 1 },
    { ...key, name: "other" },
    { ...key, seed: key.seed.slice(1) },
  ];
  for (const bad of broken) {
    const error = await createSigner(bad).catch((e: unknown) => e);
    expect(error).toMatchObject({ code: "KEY_MALFORMED" });
    expect(String(error)).not.toContain(secret);
  }
  for (const bad of [
    secret,
    `PRIVATE+KEY+k.example+00000000+${secret}=`,
    `PRIVATE+KEY+k.example+0+${secret}`,
  ]) {
    const error = await createSigner(bad).catch((e: unknown) => e);
    expect(error).toMatchObject({ code: "KEY_MALFORMED" });
    expect(String(error)).not.toContain(secret);
  }
});

test("a witness key is not taken for a log key", async () => {
  const key = await createPrivateKey("w.example", 4);
  expect(await errorCode(() => createSigner(key))).toBe("KEY_UNSUPPORTED");
  expect(await errorCode(async () => createVerifier(await deriveVerifierKey(key)))).toBe("KEY_UNSUPPORTED");
});

test("the same public key is another key under another name or type", async () => {
  const a = createVerifierKey("a", 1, new Uint8Array(32));
  expect(isSameKey(a, createVerifierKey("a", 1, new Uint8Array(32)))).toBe(true);
  expect(isSameKey(a, createVerifierKey("b", 1, new Uint8Array(32)))).toBe(false);
  expect(isSameKey(a, createVerifierKey("a", 4, new Uint8Array(32)))).toBe(false);
});

test("Ed25519 signs as RFC 8032 section 7.1 says, and verifies nothing else", async () => {
  const seed = decodeHex("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60", 32);
  const signer = await Ed25519Signer.fromSeed(seed);
  expect(encodeHex(signer.publicKey)).toBe(
    "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
  );
  const signature = await signer.sign(new Uint8Array());
  expect(encodeHex(signature)).toBe(
    "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b",
  );
  const verifier = new Ed25519Verifier(signer.publicKey);
  expect(await verifier.verify(new Uint8Array(), signature)).toBe(true);
  expect(await verifier.verify(encodeUtf8("a"), signature)).toBe(false);
  expect(await verifier.verify(new Uint8Array(), signature.subarray(1))).toBe(false);
});
