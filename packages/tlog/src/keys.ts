/**
 * Keys of signed notes as text (https://c2sp.org/signed-note, "Verifier keys"), and signers and verifiers made of them.
 *
 *     <name>+<key id, 8 hex digits>+base64(type || public key)                    verifier key, "vkey"
 *     PRIVATE+KEY+<name>+<key id, 8 hex digits>+base64(type || seed)              private key, as Go writes it
 */
import { ED25519_KEY_BYTES, Ed25519Signer, Ed25519Verifier } from "./ed25519.ts";
import {
  concatBytes,
  decodeBase64,
  decodeHex,
  encodeBase64,
  encodeHex,
  encodeUtf8,
  equalBytes,
} from "./encoding.ts";
import { recode, TlogError } from "./errors.ts";
import { sha256 } from "./hasher/sha256.ts";
import { isKeyName, type NoteSigner, type NoteVerifier } from "./note.ts";

/** Signature type 0x01: Ed25519 over the note text. The type of a log's own key. */
export const KEY_TYPE_ED25519 = 0x01;
/** Signature type 0x04: timestamped Ed25519 cosignature of a checkpoint. The type of a witness's key. */
export const KEY_TYPE_COSIGNATURE_V1 = 0x04;

/** The signature types that this package implements. */
export type KeyType = typeof KEY_TYPE_ED25519 | typeof KEY_TYPE_COSIGNATURE_V1;

/** A public key with its name: whom to trust, and for what kind of signature. */
export interface VerifierKey {
  readonly name: string;
  /** SHA-256(name || LF || type || public key), the first four bytes as an unsigned big-endian number. */
  readonly id: number;
  readonly type: KeyType;
  /** 32 bytes. */
  readonly publicKey: Uint8Array;
}

/** A private key with its name. Whoever holds it can sign: keep it out of messages and logs. */
export interface PrivateKey {
  readonly name: string;
  /** Id of the verifier key that belongs to it. */
  readonly id: number;
  readonly type: KeyType;
  /** 32 secret bytes. */
  readonly seed: Uint8Array;
}

/** A `NoteVerifier` that knows its key. */
export interface KeyVerifier extends NoteVerifier {
  readonly key: VerifierKey;
}

/** A `NoteSigner` that knows its verifier key. */
export interface KeySigner extends NoteSigner {
  readonly key: VerifierKey;
}

const PRIVATE_PREFIX = "PRIVATE+KEY+";
const ID_DIGITS = 8;
const MAX_KEY_TEXT = 4096;

/**
 * The key id of (name, type, public key), an unsigned 32-bit number.
 * @throws TlogError KEY_MALFORMED if the name or the length of the key is wrong
 */
export function keyId(name: string, type: KeyType, publicKey: Uint8Array): number {
  checkName(name);
  checkLength(publicKey);
  const digest = sha256(concatBytes(encodeUtf8(`${name}\n`), Uint8Array.of(type), publicKey));
  return new DataView(digest.buffer).getUint32(0);
}

/**
 * A verifier key from its parts.
 * @param publicKey 32 bytes; not copied
 * @throws TlogError KEY_MALFORMED
 */
export function createVerifierKey(name: string, type: KeyType, publicKey: Uint8Array): VerifierKey {
  return { name, id: keyId(name, type, publicKey), type, publicKey };
}

/**
 * Parses a verifier key and checks that its id is the one that its name and key give.
 * @throws TlogError KEY_MALFORMED; KEY_UNSUPPORTED for a signature type other than 0x01 and 0x04
 */
export function parseVerifierKey(text: string): VerifierKey {
  const { name, id, type, material } = parseKeyText(text, "verifier key");
  const key = createVerifierKey(name, type, material);
  if (key.id !== id)
    throw new TlogError("KEY_MALFORMED", "verifier key's id is not that of its name and key");
  return key;
}

/**
 * Writes a verifier key: the inverse of `parseVerifierKey`.
 * @throws TlogError KEY_MALFORMED
 */
export function formatVerifierKey(key: VerifierKey): string {
  return formatKeyText(key.name, key.id, key.type, key.publicKey);
}

/** Whether two verifier keys are the same: name, type and public key. */
export function isSameKey(a: VerifierKey, b: VerifierKey): boolean {
  return a.name === b.name && a.type === b.type && equalBytes(a.publicKey, b.publicKey);
}

/**
 * A private key from 32 bytes of randomness.
 * @param seed default: 32 bytes of the platform's cryptographic generator; copied
 * @throws TlogError KEY_MALFORMED
 */
export async function createPrivateKey(
  name: string,
  type: KeyType,
  seed: Uint8Array = crypto.getRandomValues(new Uint8Array(ED25519_KEY_BYTES)),
): Promise<PrivateKey> {
  const { publicKey } = await Ed25519Signer.fromSeed(seed);
  return { name, id: keyId(name, type, publicKey), type, seed: new Uint8Array(seed) };
}

/**
 * Parses a private key in the text form of Go's `note` package. That its id belongs to its seed is checked when a
 * signer or `deriveVerifierKey` uses it.
 * @throws TlogError KEY_MALFORMED (no message contains a part of the key), KEY_UNSUPPORTED
 */
export function parsePrivateKey(text: string): PrivateKey {
  if (!text.startsWith(PRIVATE_PREFIX)) {
    throw new TlogError("KEY_MALFORMED", `private key does not start with ${PRIVATE_PREFIX}`);
  }
  const { name, id, type, material } = parseKeyText(text.slice(PRIVATE_PREFIX.length), "private key");
  return { name, id, type, seed: material };
}

/**
 * Writes a private key: the inverse of `parsePrivateKey`.
 * @throws TlogError KEY_MALFORMED
 */
export function formatPrivateKey(key: PrivateKey): string {
  return PRIVATE_PREFIX + formatKeyText(key.name, key.id, key.type, key.seed);
}

/**
 * The verifier key to publish for a private key.
 * @throws TlogError KEY_MALFORMED, also if the private key's id is not that of its name and seed
 */
export async function deriveVerifierKey(key: PrivateKey): Promise<VerifierKey> {
  return (await loadPrivateKey(key)).key;
}

/**
 * A verifier for notes signed by a key of type 0x01. For witness keys see `createCosignatureVerifier`.
 * @param key a verifier key or its text
 * @throws TlogError KEY_MALFORMED, KEY_UNSUPPORTED
 */
export function createVerifier(key: VerifierKey | string): KeyVerifier {
  const parsed = requireType(typeof key === "string" ? parseVerifierKey(key) : key, KEY_TYPE_ED25519);
  const ed25519 = new Ed25519Verifier(parsed.publicKey);
  return {
    name: parsed.name,
    id: parsed.id,
    key: parsed,
    verify: (text, signature) => ed25519.verify(text, signature),
  };
}

/**
 * A signer of notes by a private key of type 0x01. For witness keys see `createCosigner`.
 * @param key a private key or its text
 * @throws TlogError KEY_MALFORMED, KEY_UNSUPPORTED
 */
export async function createSigner(key: PrivateKey | string): Promise<KeySigner> {
  const parsed = requireType(typeof key === "string" ? parsePrivateKey(key) : key, KEY_TYPE_ED25519);
  const loaded = await loadPrivateKey(parsed);
  return {
    name: parsed.name,
    id: parsed.id,
    key: loaded.key,
    sign: (text) => loaded.ed25519.sign(text),
  };
}

/** Refuses a key of another type than the one that is needed. */
export function requireType<K extends VerifierKey | PrivateKey>(key: K, type: KeyType): K {
  if (key.type !== type) {
    throw new TlogError(
      "KEY_UNSUPPORTED",
      `key ${key.name} has signature type 0x0${key.type}, but type 0x0${type} is needed here`,
    );
  }
  return key;
}

/** Imports a private key and checks its id. */
export async function loadPrivateKey(
  key: PrivateKey,
): Promise<{ readonly key: VerifierKey; readonly ed25519: Ed25519Signer }> {
  const ed25519 = await Ed25519Signer.fromSeed(key.seed);
  const verifierKey = createVerifierKey(key.name, key.type, ed25519.publicKey);
  if (verifierKey.id !== key.id) {
    throw new TlogError("KEY_MALFORMED", "private key's id is not that of its name and seed");
  }
  return { key: verifierKey, ed25519 };
}

/** The key material may contain a plus: only the first two separate. */
function parseKeyText(text: string, what: string) {
  if (text.length > MAX_KEY_TEXT) throw new TlogError("KEY_MALFORMED", `${what} is too long`);
  const nameEnd = text.indexOf("+");
  const idEnd = text.indexOf("+", nameEnd + 1);
  if (nameEnd < 0 || idEnd < 0) throw new TlogError("KEY_MALFORMED", `${what} is not <name>+<id>+<key>`);
  const name = text.slice(0, nameEnd);
  checkName(name);
  const id = recode("KEY_MALFORMED", `${what}'s id`, () =>
    decodeHex(text.slice(nameEnd + 1, idEnd), ID_DIGITS / 2),
  );
  const bytes = recode("KEY_MALFORMED", `${what}'s last part`, () =>
    decodeBase64(text.slice(idEnd + 1), MAX_KEY_TEXT),
  );
  const type = bytes[0];
  if (type === undefined) throw new TlogError("KEY_MALFORMED", `${what} is empty`);
  if (type !== KEY_TYPE_ED25519 && type !== KEY_TYPE_COSIGNATURE_V1) {
    throw new TlogError(
      "KEY_UNSUPPORTED",
      `${what} ${name} has signature type 0x${encodeHex(bytes.subarray(0, 1))}; supported are 01 and 04`,
    );
  }
  const material = bytes.slice(1);
  checkLength(material);
  return { name, id: new DataView(id.buffer).getUint32(0), type, material } as const;
}

function formatKeyText(name: string, id: number, type: KeyType, material: Uint8Array): string {
  checkName(name);
  checkLength(material);
  if (id !== id >>> 0) throw new TlogError("KEY_MALFORMED", "key id is not an unsigned 32-bit number");
  const digits = id.toString(16).padStart(ID_DIGITS, "0");
  return `${name}+${digits}+${encodeBase64(concatBytes(Uint8Array.of(type), material))}`;
}

function checkName(name: string): void {
  if (!isKeyName(name)) {
    throw new TlogError("KEY_MALFORMED", "key name is empty or has a space, a plus or a control character");
  }
}

function checkLength(material: Uint8Array): void {
  if (material.length !== ED25519_KEY_BYTES) {
    throw new TlogError("KEY_MALFORMED", `Ed25519 key has ${material.length} bytes, expected 32`);
  }
}
