/**
 * Cosignatures of checkpoints, version 1: signature type 0x04 (https://c2sp.org/tlog-cosignature).
 *
 * Signature bytes: uint64 BE timestamp, then an Ed25519 signature over
 *
 *     cosignature/v1\n
 *     time <timestamp>\n
 *     <the whole text of the checkpoint>
 *
 * It says: at that time this was the largest tree of this log that the cosigner had seen, and it had only grown. The
 * signed bytes do not hold the cosigner's name, so that each cosigner needs an Ed25519 key of its own. Extension lines
 * are signed, but the cosigner makes no statement about them.
 */
import { parseCheckpoint } from "./checkpoint.ts";
import { ED25519_SIGNATURE_BYTES, Ed25519Verifier } from "./ed25519.ts";
import { concatBytes, encodeUtf8 } from "./encoding.ts";
import { TlogError } from "./errors.ts";
import {
  KEY_TYPE_COSIGNATURE_V1,
  type KeySigner,
  type KeyVerifier,
  loadPrivateKey,
  type PrivateKey,
  parsePrivateKey,
  parseVerifierKey,
  requireType,
  type VerifierKey,
} from "./keys.ts";

const TIMESTAMP_BYTES = 8;
const COSIGNATURE_BYTES = TIMESTAMP_BYTES + ED25519_SIGNATURE_BYTES;

/**
 * A verifier for the cosignatures of a witness, to be used with `openNote` or `openCheckpoint`. What it accepts is a
 * checkpoint with a timestamp up to 2^53 - 1; it does not compare the timestamp with a clock.
 * @param key a verifier key of type 0x04, or its text
 * @throws TlogError KEY_MALFORMED, KEY_UNSUPPORTED
 */
export function createCosignatureVerifier(key: VerifierKey | string): KeyVerifier {
  const parsed = requireType(typeof key === "string" ? parseVerifierKey(key) : key, KEY_TYPE_COSIGNATURE_V1);
  const ed25519 = new Ed25519Verifier(parsed.publicKey);
  return {
    name: parsed.name,
    id: parsed.id,
    key: parsed,
    async verify(text, signature) {
      if (signature.length !== COSIGNATURE_BYTES || !isCheckpoint(text)) return false;
      const timestamp = readTimestamp(signature);
      if (!Number.isSafeInteger(timestamp)) return false;
      return ed25519.verify(signedBytes(timestamp, text), signature.subarray(TIMESTAMP_BYTES));
    },
  };
}

/**
 * A signer of cosignatures. It signs any well-formed checkpoint: that the log's signature and the consistency proof
 * have been verified, and that the new head is stored, is for the caller to have done before.
 * @param key a private key of type 0x04, or its text
 * @param now the time in whole POSIX seconds, at least 1
 * @throws TlogError KEY_MALFORMED, KEY_UNSUPPORTED; its `sign` CHECKPOINT_MALFORMED, TIMESTAMP_INVALID
 */
export async function createCosigner(key: PrivateKey | string, now: () => number): Promise<KeySigner> {
  const parsed = requireType(typeof key === "string" ? parsePrivateKey(key) : key, KEY_TYPE_COSIGNATURE_V1);
  const loaded = await loadPrivateKey(parsed);
  return {
    name: parsed.name,
    id: parsed.id,
    key: loaded.key,
    async sign(text) {
      parseCheckpoint(text);
      const timestamp = now();
      if (!Number.isSafeInteger(timestamp) || timestamp < 1) {
        throw new TlogError(
          "TIMESTAMP_INVALID",
          "clock does not give whole POSIX seconds from 1 to 2^53 - 1",
        );
      }
      const prefix = new Uint8Array(TIMESTAMP_BYTES);
      new DataView(prefix.buffer).setBigUint64(0, BigInt(timestamp));
      return concatBytes(prefix, await loaded.ed25519.sign(signedBytes(timestamp, text)));
    },
  };
}

/**
 * The timestamp of a cosignature, in POSIX seconds. It means something only after the cosignature has been verified.
 * @param signature the bytes after the key id, as in `NoteSignature`
 * @throws TlogError TIMESTAMP_INVALID if the length is not that of a version 1 cosignature, or the timestamp is above
 *   2^53 - 1
 */
export function cosignatureTimestamp(signature: Uint8Array): number {
  const timestamp = signature.length === COSIGNATURE_BYTES ? readTimestamp(signature) : Number.NaN;
  if (!Number.isSafeInteger(timestamp)) {
    throw new TlogError("TIMESTAMP_INVALID", "not a version 1 cosignature with a timestamp up to 2^53 - 1");
  }
  return timestamp;
}

/** The timestamp as a number: not a safe integer if it is above 2^53 - 1. */
function readTimestamp(signature: Uint8Array): number {
  return Number(new DataView(signature.buffer, signature.byteOffset, TIMESTAMP_BYTES).getBigUint64(0));
}

function signedBytes(timestamp: number, text: Uint8Array): Uint8Array {
  return concatBytes(encodeUtf8(`cosignature/v1\ntime ${timestamp}\n`), text);
}

function isCheckpoint(text: Uint8Array): boolean {
  try {
    parseCheckpoint(text);
    return true;
  } catch (error) {
    if (error instanceof TlogError) return false;
    throw error;
  }
}
