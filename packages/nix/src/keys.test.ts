import fc from "fast-check";
import { beforeAll, describe, expect, it } from "vitest";
import { decodeHex, encodeBase64, encodeHex } from "./encoding.ts";
import { formatFingerprint } from "./fingerprint.ts";
import { formatHash } from "./hash.ts";
import {
  createSigner,
  createVerifier,
  findSigners,
  formatPublicKey,
  formatSecretKey,
  formatSignature,
  generateKey,
  parsePublicKey,
  parseSecretKey,
  parseSignature,
  publicKeyOf,
  type Signer,
  type Verifier,
  verifySignatures,
} from "./keys.ts";
import { parseNarInfo } from "./narinfo.ts";
import {
  bytes,
  expectNixError,
  keyName,
  madeWithNix,
  mutationOf,
  signature,
  tryParse,
} from "./support.test.util.ts";

const { keys, narinfos } = madeWithNix;
let signer: Signer;
let verifier: Verifier;

beforeAll(async () => {
  signer = await createSigner(parseSecretKey(keys.secretKey));
  verifier = await createVerifier(parsePublicKey(keys.publicKey));
});

async function expectRejection(promise: Promise<unknown>, code: string): Promise<void> {
  await expect(promise).rejects.toMatchObject({ name: "NixError", code });
}

describe("keys made with Nix", () => {
  it("round-trip, white space around them dropped", () => {
    expect(formatSecretKey(parseSecretKey(`${keys.secretKey}\n`))).toBe(keys.secretKey);
    expect(formatPublicKey(parsePublicKey(` ${keys.publicKey}\r\n`))).toBe(keys.publicKey);
    expect(formatPublicKey(publicKeyOf(parseSecretKey(keys.secretKey)))).toBe(keys.publicKey);
  });

  it("verify the signatures that Nix made, and make the same", async () => {
    for (const text of [...narinfos.none, ...narinfos.xz]) {
      const info = parseNarInfo(text);
      const fingerprint = formatFingerprint(info);
      await verifySignatures(fingerprint, info.signatures, [verifier]);
      expect(await signer.sign(fingerprint)).toEqual(info.signatures[0]);
    }
  });

  it("do not verify when a signed field or the signature changes", async () => {
    const info = parseNarInfo(narinfos.none[1]!);
    const fingerprint = formatFingerprint(info);
    const [good] = info.signatures;
    for (let i = 0; i < fingerprint.length; i++) {
      const other = String.fromCharCode(fingerprint.charCodeAt(i) ^ 1);
      const changed = fingerprint.slice(0, i) + other + fingerprint.slice(i + 1);
      expect(await verifier.isValid(changed, good!)).toBe(false);
    }
    for (let i = 0; i < 64; i++) {
      const changed = good!.bytes.slice();
      changed[i]! ^= 1 << (i % 8);
      expect(await verifier.isValid(fingerprint, { ...good!, bytes: changed })).toBe(false);
    }
    expect(await verifier.isValid(fingerprint, good!)).toBe(true);
  });

  it("do not verify a fingerprint with the hash as SRI", async () => {
    const info = parseNarInfo(narinfos.none[0]!);
    const text = formatFingerprint(info).replace(formatHash(info.narHash), formatHash(info.narHash, "sri"));
    expect(await verifier.isValid(text, info.signatures[0]!)).toBe(false);
  });
});

describe("keys", () => {
  it("round-trip", () => {
    fc.assert(
      fc.property(keyName, bytes(32), bytes(32), (name, seed, publicBytes) => {
        expect(parsePublicKey(formatPublicKey({ name, bytes: seed }))).toEqual({ name, bytes: seed });
        const secret = { name, seed, publicBytes };
        expect(parseSecretKey(formatSecretKey(secret))).toEqual(secret);
      }),
    );
  });

  it("come from a seed", async () => {
    // RFC 8032, section 7.1, test 1.
    const known = decodeHex("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60");
    const secret = await generateKey("a-1", known);
    expect(encodeHex(secret.publicBytes)).toBe(
      "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
    );
    const signed = await (await createSigner(secret)).sign("");
    expect(encodeHex(signed.bytes)).toBe(
      "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b",
    );
    await expectRejection(generateKey("", known), "KEY_INVALID");
    await expectRejection(generateKey("a b", known), "KEY_INVALID");
    await expectRejection(generateKey("a", known.slice(1)), "KEY_INVALID");
  });

  it("are refused when malformed, without quoting what may be a secret", () => {
    const secret = encodeBase64(new Uint8Array(64).fill(7));
    for (const text of [
      "",
      ":",
      secret,
      `:${secret}`,
      `a b:${secret}`,
      `a:${secret.slice(4)}`,
      `a:${secret.slice(0, -1)}`,
      `a:b:${secret}`,
      `é:${secret}`,
      `${"a".repeat(1000)}:${secret}`,
      `${secret}:a`,
      `${secret}:`,
    ]) {
      expectNixError(() => parseSecretKey(text), "KEY_INVALID");
      expectNixError(() => parsePublicKey(text), "KEY_INVALID");
      expectNixError(() => parseSignature(text), "SIGNATURE_INVALID");
      try {
        parseSecretKey(text);
      } catch (error) {
        expect(String(error)).not.toContain(secret.slice(20, 30));
      }
    }
    expectNixError(() => parsePublicKey(keys.secretKey), "KEY_INVALID");
    expectNixError(() => parseSecretKey(keys.publicKey), "KEY_INVALID");
  });

  it("have two halves that belong together", async () => {
    const secret = parseSecretKey(keys.secretKey);
    await expectRejection(createSigner({ ...secret, publicBytes: new Uint8Array(32) }), "KEY_INVALID");
    await expectRejection(createVerifier({ name: "a", bytes: new Uint8Array(31) }), "KEY_INVALID");
  });
});

describe("signatures", () => {
  it("round-trip", () => {
    fc.assert(
      fc.property(signature, (value) => {
        expect(parseSignature(formatSignature(value))).toEqual(value);
      }),
    );
    fc.assert(
      fc.property(mutationOf(signature.map(formatSignature)), (text) => {
        const value = tryParse(() => parseSignature(text));
        if (value !== undefined) expect(formatSignature(value)).toBe(text);
      }),
    );
  });

  it("are not written when they could not be read again", () => {
    const bytes = new Uint8Array(64);
    for (const wrong of [
      { keyName: "", bytes },
      { keyName: "a\nSig: b", bytes },
      { keyName: "a:b", bytes },
      { keyName: "a".repeat(1000), bytes },
      { keyName: "a", bytes: bytes.slice(1) },
    ]) {
      expectNixError(() => formatSignature(wrong), "SIGNATURE_INVALID");
      expectNixError(() => formatPublicKey({ name: wrong.keyName, bytes: wrong.bytes }), "KEY_INVALID");
    }
    expectNixError(() => formatSecretKey({ name: "a", seed: bytes, publicBytes: bytes }), "KEY_INVALID");
  });

  it("count once a key, by name and bytes", async () => {
    const other = await createSigner(await generateKey(verifier.publicKey.name, new Uint8Array(32).fill(1)));
    const otherVerifier = await createVerifier(other.publicKey);
    const stranger = await createSigner(await generateKey("stranger-1", new Uint8Array(32).fill(2)));
    const [mine, theirs, strange] = await Promise.all([
      signer.sign("x"),
      other.sign("x"),
      stranger.sign("x"),
    ]);
    const trusted = [verifier, otherVerifier];
    expect(await findSigners("x", [strange, mine, mine, theirs], trusted)).toEqual([
      signer.publicKey,
      other.publicKey,
    ]);
    const alias = await createVerifier({ ...signer.publicKey, name: "alias-1" });
    const copied = { ...mine, keyName: "alias-1" };
    expect(await findSigners("x", [copied, mine], [verifier, alias, verifier])).toEqual([signer.publicKey]);
    expect(await findSigners("x", [copied], [verifier, alias])).toEqual([alias.publicKey]);
    expect(await findSigners("x", [theirs, mine], [verifier])).toEqual([signer.publicKey]);
    expect(await findSigners("x", [strange], trusted)).toEqual([]);
    expect(await findSigners("x", [{ ...strange, keyName: mine.keyName }], trusted)).toEqual([]);
    expect(await findSigners("x", [{ ...mine, bytes: new Uint8Array(3) }], trusted)).toEqual([]);
    await expectRejection(verifySignatures("x", [strange], trusted), "SIGNATURE_UNTRUSTED");
    await expectRejection(verifySignatures("x", [], trusted), "SIGNATURE_UNTRUSTED");
    await expectRejection(verifySignatures("x", [mine], []), "SIGNATURE_UNTRUSTED");
  });
});
