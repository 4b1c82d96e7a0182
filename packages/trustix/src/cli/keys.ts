// New keys, from the system's randomness.
import { randomBytes } from "node:crypto";
import { formatPublicKey, formatSecretKey, generateKey, NixError, publicKeyOf } from "@trustix/nix";
import {
  createPrivateKey,
  deriveVerifierKey,
  formatPrivateKey,
  formatVerifierKey,
  KEY_TYPE_ED25519,
  TlogError,
} from "@trustix/tlog";
import { TrustixError } from "../errors.ts";

function rejected(what: string, hint: string, cause: unknown): unknown {
  if (!(cause instanceof NixError) && !(cause instanceof TlogError)) return cause;
  return new TrustixError("USAGE", `${what} cannot name a key: ${cause.message}`, { hint, cause });
}

/** A log's private key in the text form of Go's `note` package, and the vkey to publish. @throws TrustixError `USAGE` */
export async function createLogKey(
  origin: string,
): Promise<{ readonly secret: string; readonly vkey: string }> {
  try {
    const key = await createPrivateKey(origin, KEY_TYPE_ED25519);
    return { secret: formatPrivateKey(key), vkey: formatVerifierKey(await deriveVerifierKey(key)) };
  } catch (error) {
    throw rejected(
      JSON.stringify(origin),
      "Use a URL without its scheme, such as builder.example.org/nix.",
      error,
    );
  }
}

/** A Nix cache's secret key and its public half, both `name:base64`. @throws TrustixError `USAGE` */
export async function createCacheKey(
  name: string,
): Promise<{ readonly secret: string; readonly publicKey: string }> {
  try {
    const key = await generateKey(name, randomBytes(32));
    return { secret: formatSecretKey(key), publicKey: formatPublicKey(publicKeyOf(key)) };
  } catch (error) {
    throw rejected(
      JSON.stringify(name),
      "Use printable ASCII without spaces and colons, such as builder.example.org-1.",
      error,
    );
  }
}
