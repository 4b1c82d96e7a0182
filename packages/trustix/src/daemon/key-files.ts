// Private keys from their files, refused when others could have read them.
import { open } from "node:fs/promises";
import { createSigner as createCacheSigner, parseSecretKey, type Signer } from "@trustix/nix";
import { createSigner as createLogSigner, formatVerifierKey, type KeySigner } from "@trustix/tlog";
import { TrustixError } from "../errors.ts";

const MAX_KEY_BYTES = 4096;

function unusable(path: string, why: string, hint: string, cause?: unknown): TrustixError {
  return new TrustixError("KEY_UNUSABLE", `key file ${path} ${why}`, { hint, cause });
}

async function readSecret(path: string, command: string): Promise<string> {
  try {
    await using file = await open(path, "r");
    const stats = await file.stat();
    if (!stats.isFile() || stats.size > MAX_KEY_BYTES)
      throw unusable(path, "is not a key file", `Make one with \`${command}\`.`);
    if ((stats.mode & 0o077) !== 0) {
      throw unusable(
        path,
        `can be read by others (mode ${(stats.mode & 0o777).toString(8).padStart(4, "0")})`,
        `Run \`chmod 600 ${path}\`; if anyone else may have read it, make a new key.`,
      );
    }
    return (await file.readFile("utf8")).trim();
  } catch (cause) {
    if (cause instanceof TrustixError) throw cause;
    throw unusable(
      path,
      `cannot be read (${(cause as NodeJS.ErrnoException).code})`,
      `Make one with \`${command}\`.`,
      cause,
    );
  }
}

/**
 * The signer of a log, and its vkey.
 * @throws TrustixError `KEY_UNUSABLE`
 */
export async function loadLogKey(
  path: string,
  origin: string,
): Promise<{ readonly signer: KeySigner; readonly vkey: string }> {
  const command = `trustix keygen log ${origin} ${path}`;
  const text = await readSecret(path, command);
  let signer: KeySigner;
  try {
    signer = await createLogSigner(text);
  } catch (cause) {
    throw unusable(path, "holds no private key of a log", `Make one with \`${command}\`.`, cause);
  }
  if (signer.name !== origin) {
    throw unusable(
      path,
      `is of ${signer.name}, not of ${origin}`,
      "Correct `origin` or `key-file`: a log's key carries its origin.",
    );
  }
  return { signer, vkey: formatVerifierKey(signer.key) };
}

/**
 * The signer of the binary cache.
 * @throws TrustixError `KEY_UNUSABLE`
 */
export async function loadCacheKey(path: string): Promise<Signer> {
  const command = `trustix keygen cache NAME ${path}`;
  const text = await readSecret(path, command);
  try {
    return await createCacheSigner(parseSecretKey(text));
  } catch (cause) {
    throw unusable(path, "holds no secret key of a Nix cache", `Make one with \`${command}\`.`, cause);
  }
}
