/**
 * Keys and signatures of Nix binary caches: `name:base64`, plain Ed25519 (RFC 8032) over the fingerprint.
 * A secret key is libsodium's 64 bytes, seed then public key. Signing and verifying use WebCrypto; runs in browsers.
 */

import { concatBytes, decodeBase64, decodeHex, encodeBase64, encodeUtf8, equalBytes } from "./encoding.ts";
import { NixError, type NixErrorCode, quote } from "./errors.ts";

/** A public key of a cache or builder. */
export interface PublicKey {
  /** Such as `cache.nixos.org-1`: printable ASCII without space and colon, not empty. */
  readonly name: string;
  /** 32 bytes of Ed25519. */
  readonly bytes: Uint8Array;
}

/** A secret key. Keep it out of logs and errors. */
export interface SecretKey {
  readonly name: string;
  /** The 32-byte seed of RFC 8032. */
  readonly seed: Uint8Array;
  /** The 32 bytes of the public key, as stored beside the seed; `createSigner` checks that they belong together. */
  readonly publicBytes: Uint8Array;
}

/** A signature line that parsed. Says nothing yet about being valid. */
export interface Signature {
  readonly keyName: string;
  /** 64 bytes of Ed25519. */
  readonly bytes: Uint8Array;
}

/** Makes signatures in one key's name. */
export interface Signer {
  readonly publicKey: PublicKey;
  /** Signs a fingerprint (or any text of a protocol). */
  sign(text: string): Promise<Signature>;
}

/** Checks signatures by one key. */
export interface Verifier {
  readonly publicKey: PublicKey;
  /** True when the signature carries this key's name and its bytes are right for the text. Never rejects. */
  isValid(text: string, signature: Signature): Promise<boolean>;
}

/** Longest text that is taken for a key or a signature; the longest name is what fits. */
const MAX_LENGTH = 512;

/** DER of PKCS #8 for an Ed25519 seed, up to the seed (RFC 8410, section 7). */
const PKCS8_PREFIX = "302e020100300506032b657004220420";

function isKeyName(name: string): boolean {
  if (name.length === 0) return false;
  for (let i = 0; i < name.length; i++) {
    const code = name.charCodeAt(i);
    if (code <= 0x20 || code >= 0x7f || code === 0x3a) return false;
  }
  return true;
}

/** Splits `name:base64`. Errors never quote the text: it may be a secret. */
function parseNamed(text: string, sizeBytes: number, code: NixErrorCode, what: string) {
  if (text.length > MAX_LENGTH) throw new NixError(code, `a ${what} of more than ${MAX_LENGTH} characters`);
  const colon = text.indexOf(":");
  // What stands before the colon is not quoted either: it is the secret, when someone swapped the halves.
  const name = text.slice(0, Math.max(colon, 0));
  if (!isKeyName(name))
    throw new NixError(code, `a ${what} is <name>:<base64>, its name printable ASCII without space`);
  let bytes: Uint8Array;
  try {
    bytes = decodeBase64(text.slice(colon + 1));
  } catch {
    throw new NixError(code, `the ${what} is not canonical base64 after its colon`);
  }
  if (bytes.length !== sizeBytes) {
    throw new NixError(code, `the ${what} has ${bytes.length} bytes instead of ${sizeBytes}`);
  }
  return { name, bytes };
}

/** Inverse of `parseNamed`: what it would refuse is not written. */
function formatNamed(
  name: string,
  bytes: Uint8Array,
  sizeBytes: number,
  code: NixErrorCode,
  what: string,
): string {
  const text = `${name}:${encodeBase64(bytes)}`;
  if (!isKeyName(name) || bytes.length !== sizeBytes || text.length > MAX_LENGTH) {
    throw new NixError(code, `a ${what} has a name of printable ASCII without space, and ${sizeBytes} bytes`);
  }
  return text;
}

/**
 * A public key `name:base64`, as in `trusted-public-keys` or a key file (white space around it is dropped).
 * @throws NixError `KEY_INVALID`
 */
export function parsePublicKey(text: string): PublicKey {
  return parseNamed(text.trim(), 32, "KEY_INVALID", "public key");
}

/**
 * `name:base64` of a public key, without a newline.
 * @throws NixError `KEY_INVALID` for a name or length that cannot be a key's
 */
export function formatPublicKey(key: PublicKey): string {
  return formatNamed(key.name, key.bytes, 32, "KEY_INVALID", "public key");
}

/**
 * A secret key `name:base64` of 64 bytes, as `nix key generate-secret` writes it (white space around it is dropped).
 * @throws NixError `KEY_INVALID`
 */
export function parseSecretKey(text: string): SecretKey {
  const { name, bytes } = parseNamed(text.trim(), 64, "KEY_INVALID", "secret key");
  return { name, seed: bytes.slice(0, 32), publicBytes: bytes.slice(32) };
}

/**
 * `name:base64` of a secret key, without a newline.
 * @throws NixError `KEY_INVALID` for a name or length that cannot be a key's
 */
export function formatSecretKey(key: SecretKey): string {
  return formatNamed(key.name, concatBytes(key.seed, key.publicBytes), 64, "KEY_INVALID", "secret key");
}

/** The public half of a secret key. */
export function publicKeyOf(key: SecretKey): PublicKey {
  return { name: key.name, bytes: key.publicBytes };
}

/**
 * A signature `name:base64`, the value of a `Sig` line.
 * @throws NixError `SIGNATURE_INVALID`
 */
export function parseSignature(text: string): Signature {
  const { name, bytes } = parseNamed(text, 64, "SIGNATURE_INVALID", "signature");
  return { keyName: name, bytes };
}

/**
 * `name:base64` of a signature.
 * @throws NixError `SIGNATURE_INVALID` for a name or length that cannot be a signature's
 */
export function formatSignature(signature: Signature): string {
  return formatNamed(signature.keyName, signature.bytes, 64, "SIGNATURE_INVALID", "signature");
}

/** WebCrypto's types exclude shared memory, which no key or signature of ours is in. */
function plain(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  return bytes as Uint8Array<ArrayBuffer>;
}

async function importSeed(seed: Uint8Array): Promise<{ key: CryptoKey; publicBytes: Uint8Array }> {
  const pkcs8 = plain(concatBytes(decodeHex(PKCS8_PREFIX), seed));
  const key = await crypto.subtle.importKey("pkcs8", pkcs8, "Ed25519", true, ["sign"]);
  const { x } = await crypto.subtle.exportKey("jwk", key);
  const base64 = (x ?? "").replaceAll("-", "+").replaceAll("_", "/");
  return { key, publicBytes: decodeBase64(`${base64}=`) };
}

/**
 * A new secret key.
 * @param name of the key, such as `cache.example.org-1`
 * @param seed 32 bytes from a cryptographic random source, such as `crypto.getRandomValues(new Uint8Array(32))`
 * @throws NixError `KEY_INVALID` for a name or seed that cannot be a key's
 */
export async function generateKey(name: string, seed: Uint8Array): Promise<SecretKey> {
  if (!isKeyName(name))
    throw new NixError("KEY_INVALID", "a key name is printable ASCII without space and colon, not empty");
  if (seed.length !== 32) throw new NixError("KEY_INVALID", `a seed has 32 bytes, not ${seed.length}`);
  const { publicBytes } = await importSeed(seed);
  return { name, seed: new Uint8Array(seed), publicBytes };
}

/**
 * Prepares a secret key for signing.
 * @throws NixError `KEY_INVALID` when its public half is not the one of its seed
 */
export async function createSigner(secret: SecretKey): Promise<Signer> {
  const { key, publicBytes } = await importSeed(secret.seed);
  if (!equalBytes(publicBytes, secret.publicBytes)) {
    throw new NixError(
      "KEY_INVALID",
      `the two halves of secret key ${quote(secret.name)} do not belong together`,
    );
  }
  return {
    publicKey: publicKeyOf(secret),
    async sign(text) {
      const bytes = await crypto.subtle.sign("Ed25519", key, plain(encodeUtf8(text)));
      return { keyName: secret.name, bytes: new Uint8Array(bytes) };
    },
  };
}

/**
 * Prepares a public key for verifying.
 * @throws NixError `KEY_INVALID` when the platform refuses it
 */
export async function createVerifier(publicKey: PublicKey): Promise<Verifier> {
  let key: CryptoKey;
  try {
    key = await crypto.subtle.importKey("raw", plain(publicKey.bytes), "Ed25519", false, ["verify"]);
  } catch (cause) {
    throw new NixError("KEY_INVALID", `public key ${quote(publicKey.name)} is unusable`, { cause });
  }
  return {
    publicKey,
    async isValid(text, signature) {
      if (signature.keyName !== publicKey.name || signature.bytes.length !== 64) return false;
      return crypto.subtle.verify("Ed25519", key, plain(signature.bytes), plain(encodeUtf8(text)));
    },
  };
}

/**
 * The keys that signed a text, each once whatever the number of its signatures and names: a signature does not cover
 * its name, so anyone can copy it to another name of the same key. Signatures by other names are ignored; so are wrong
 * ones, which costs one check each: bound their number before.
 * @param verifiers trusted keys; two may share a name, as when a key is rotated in place. Of one key under several names
 * the first that signed is returned
 */
export async function findSigners(
  text: string,
  signatures: readonly Signature[],
  verifiers: readonly Verifier[],
): Promise<readonly PublicKey[]> {
  const signers: PublicKey[] = [];
  for (const verifier of verifiers) {
    if (signers.some(({ bytes }) => equalBytes(bytes, verifier.publicKey.bytes))) continue;
    for (const signature of signatures) {
      if (signature.keyName !== verifier.publicKey.name) continue;
      if (await verifier.isValid(text, signature)) {
        signers.push(verifier.publicKey);
        break;
      }
    }
  }
  return signers;
}

/**
 * Checks as a Nix client does that one trusted key signed a text.
 * @throws NixError `SIGNATURE_UNTRUSTED`
 */
export async function verifySignatures(
  text: string,
  signatures: readonly Signature[],
  verifiers: readonly Verifier[],
): Promise<void> {
  const signers = await findSigners(text, signatures, verifiers);
  if (signers.length === 0) {
    throw new NixError("SIGNATURE_UNTRUSTED", `none of ${signatures.length} signatures is by a trusted key`);
  }
}
