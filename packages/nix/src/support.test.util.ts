/** What the tests of this package share: vectors, arbitraries and mutations. */

import { readFileSync } from "node:fs";
import fc from "fast-check";
import { expect } from "vitest";
import type { ContentAddress } from "./content-address.ts";
import { NixError, type NixErrorCode } from "./errors.ts";
import type { Fingerprinted } from "./fingerprint.ts";
import type { Hash, HashAlgorithm } from "./hash.ts";
import type { Signature } from "./keys.ts";
import { encodeNix32 } from "./nix32.ts";
import { parseBaseName, type StorePath } from "./store-path.ts";

/** A file of `vectors/nix/`. */
export function loadVectors<T>(name: string): T {
  return JSON.parse(readFileSync(new URL(`../../../vectors/nix/${name}`, import.meta.url), "utf8")) as T;
}

/** What `made-with-nix.json` holds. */
export interface MadeWithNix {
  readonly hashes: readonly Readonly<Record<"algorithm" | "hex" | "nix32" | "base64" | "sri", string>>[];
  readonly contentAddressed: readonly {
    readonly command: string;
    readonly ca: string;
    readonly name: string;
    readonly references?: readonly StorePath[];
    readonly path: string;
  }[];
  readonly keys: { readonly secretKey: string; readonly publicKey: string };
  readonly narinfos: Readonly<Record<"none" | "xz" | "nix-cache-info", readonly string[]>>;
  readonly dumpDb: { readonly output: string };
  readonly pathInfo: { readonly output: unknown };
}

export const madeWithNix = loadVectors<MadeWithNix>("made-with-nix.json");

/** Expects a NixError with one of the codes. */
export function expectNixError(run: () => unknown, ...codes: readonly NixErrorCode[]): void {
  let thrown: unknown;
  try {
    run();
  } catch (error) {
    thrown = error;
  }
  expect(thrown).toBeInstanceOf(NixError);
  expect(codes).toContain((thrown as NixError).code);
}

/** Runs a parser that may refuse its input, but only with a NixError; its result, or undefined. */
export function tryParse<T>(run: () => T): T | undefined {
  try {
    return run();
  } catch (error) {
    expect(error).toBeInstanceOf(NixError);
    return undefined;
  }
}

const SIZES: Readonly<Record<HashAlgorithm, number>> = {
  md5: 16,
  sha1: 20,
  sha256: 32,
  sha512: 64,
  blake3: 32,
};

export const bytes = (sizeBytes: number) => fc.uint8Array({ minLength: sizeBytes, maxLength: sizeBytes });

export const algorithm = fc.constantFrom<HashAlgorithm>("md5", "sha1", "sha256", "sha512", "blake3");

export const hashOf = (algorithm: HashAlgorithm): fc.Arbitrary<Hash> =>
  bytes(SIZES[algorithm]).map((value) => ({ algorithm, bytes: value }));

export const hash: fc.Arbitrary<Hash> = algorithm.chain(hashOf);

export const storeName = fc
  .stringMatching(/^[0-9A-Za-z+\-._?=]{1,40}$/)
  .filter((name) => !/^\.\.?(-|$)/.test(name));

export const storePath: fc.Arbitrary<StorePath> = fc
  .tuple(bytes(20), storeName)
  .map(([digest, name]) => parseBaseName(`${encodeNix32(digest)}-${name}`));

export const derivationPath: fc.Arbitrary<StorePath> = storePath.map((path) => `${path}.drv` as StorePath);

export const keyName = fc.stringMatching(/^[!-9;-~]{1,20}$/);

export const signature: fc.Arbitrary<Signature> = fc.record({ keyName, bytes: bytes(64) });

export const contentAddress: fc.Arbitrary<ContentAddress> = fc.oneof(
  fc.record({ method: fc.constant("text" as const), hash: hashOf("sha256") }),
  fc.record({ method: fc.constantFrom("flat" as const, "nar" as const, "git" as const), hash }),
);

/** References as parsers give them: sorted, each once. */
export const references = fc
  .uniqueArray(storePath, { maxLength: 6 })
  .map((paths): readonly StorePath[] => paths.toSorted());

export const fingerprinted: fc.Arbitrary<Fingerprinted> = fc.record({
  storePath,
  narHash: hashOf("sha256"),
  narSize: fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER }),
  references,
});

/** A text with one piece cut out, doubled, or replaced. */
export function mutationOf(text: fc.Arbitrary<string>): fc.Arbitrary<string> {
  const piece = fc.oneof(
    fc.string({ unit: "binary", maxLength: 5 }),
    fc.constantFrom("\n", ":", ";", ",", " ", "-", "=", "{", "null", "0"),
  );
  return fc.tuple(text, fc.nat(), fc.nat({ max: 8 }), piece).map(([whole, position, length, inserted]) => {
    const start = whole.length === 0 ? 0 : position % whole.length;
    return whole.slice(0, start) + inserted + whole.slice(start + length);
  });
}
