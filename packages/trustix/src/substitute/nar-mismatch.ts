// What it means that bytes are not the NAR that a statement is about.
import { formatHash } from "@trustix/nix";
import { TrustixError } from "../errors.ts";

/** The facts of a statement that bytes can be held against. */
export interface ExpectedNar {
  /** SHA-256. */
  readonly narHash: { readonly algorithm: string; readonly bytes: Uint8Array };
  readonly narSize: number;
}

export function narMismatch(why: string, cause?: unknown): TrustixError {
  return new TrustixError("NAR_MISMATCH", why, { cause });
}

/** @throws TrustixError `NAR_MISMATCH` unless hash and size are the stated ones */
export function expectNar(expected: ExpectedNar, digest: Uint8Array, size: number): void {
  const { narHash, narSize } = expected;
  if (size !== narSize) throw narMismatch(`the NAR has ${size} bytes, stated are ${narSize}`);
  if (!Buffer.from(narHash.bytes).equals(digest)) {
    const found = formatHash({ algorithm: "sha256", bytes: digest });
    throw narMismatch(
      `the NAR's hash is ${found}, stated is ${formatHash({ ...narHash, algorithm: "sha256" })}`,
    );
  }
}
