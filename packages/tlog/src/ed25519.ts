/**
 * Ed25519 (RFC 8032) by WebCrypto: the same code in Node and browsers. Keys are imported once and kept.
 */
import { concatBytes } from "./encoding.ts";
import { TlogError } from "./errors.ts";

/** Length of a private seed and of a public key. */
export const ED25519_KEY_BYTES = 32;
/** Length of a signature. */
export const ED25519_SIGNATURE_BYTES = 64;

const ALGORITHM = "Ed25519";

/** DER of a PKCS #8 Ed25519 private key (RFC 8410) up to the seed. */
const PKCS8_PREFIX = Uint8Array.of(
  ...[0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20],
);

/** A public key that verifies. The key is imported at the first use. */
export class Ed25519Verifier {
  readonly #publicKey: Uint8Array<ArrayBuffer>;
  #imported: Promise<CryptoKey> | undefined;

  /** @param publicKey 32 bytes; copied */
  constructor(publicKey: Uint8Array) {
    this.#publicKey = checkKey(publicKey, "public key");
  }

  /** @throws TlogError KEY_MALFORMED or KEY_UNSUPPORTED if the platform does not take the key */
  async verify(message: Uint8Array, signature: Uint8Array): Promise<boolean> {
    if (signature.length !== ED25519_SIGNATURE_BYTES) return false;
    this.#imported ??= importKey(() =>
      crypto.subtle.importKey("raw", this.#publicKey, ALGORITHM, false, ["verify"]),
    );
    return crypto.subtle.verify(ALGORITHM, await this.#imported, plain(signature), plain(message));
  }
}

/** A private key that signs. */
export class Ed25519Signer {
  readonly #key: CryptoKey;
  /** 32 bytes. */
  readonly publicKey: Uint8Array;

  private constructor(key: CryptoKey, publicKey: Uint8Array) {
    this.#key = key;
    this.publicKey = publicKey;
  }

  /**
   * @param seed 32 secret bytes; not kept
   * @throws TlogError KEY_MALFORMED, KEY_UNSUPPORTED
   */
  static async fromSeed(seed: Uint8Array): Promise<Ed25519Signer> {
    const der = concatBytes(PKCS8_PREFIX, checkKey(seed, "seed"));
    // WebCrypto derives the public key only when it exports, and the key that stays should not be exportable.
    const exportable = await importKey(() =>
      crypto.subtle.importKey("pkcs8", der, ALGORITHM, true, ["sign"]),
    );
    const { x } = await crypto.subtle.exportKey("jwk", exportable);
    const key = await importKey(() => crypto.subtle.importKey("pkcs8", der, ALGORITHM, false, ["sign"]));
    der.fill(0);
    const publicKey = Uint8Array.from(atob(x!.replaceAll("-", "+").replaceAll("_", "/")), (c) =>
      c.charCodeAt(0),
    );
    return new Ed25519Signer(key, publicKey);
  }

  /** The 64-byte signature of a message; deterministic. */
  async sign(message: Uint8Array): Promise<Uint8Array> {
    return new Uint8Array(await crypto.subtle.sign(ALGORITHM, this.#key, plain(message)));
  }
}

function checkKey(bytes: Uint8Array, what: string): Uint8Array<ArrayBuffer> {
  if (bytes.length !== ED25519_KEY_BYTES) {
    throw new TlogError("KEY_MALFORMED", `Ed25519 ${what} has ${bytes.length} bytes, expected 32`);
  }
  return new Uint8Array(bytes);
}

async function importKey(load: () => Promise<CryptoKey>): Promise<CryptoKey> {
  try {
    return await load();
  } catch (cause) {
    if (cause instanceof Error && cause.name === "NotSupportedError") {
      throw new TlogError("KEY_UNSUPPORTED", "WebCrypto of this platform has no Ed25519", { cause });
    }
    throw new TlogError("KEY_MALFORMED", "WebCrypto does not accept the Ed25519 key", { cause });
  }
}

/** WebCrypto takes no view of shared memory: copies those, and passes others on. */
function plain(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  return bytes.buffer instanceof ArrayBuffer ? (bytes as Uint8Array<ArrayBuffer>) : new Uint8Array(bytes);
}
