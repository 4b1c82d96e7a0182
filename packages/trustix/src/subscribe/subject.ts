// What may be asked about: a store path by its hash part, or any key of protocol `raw`.

import { hashPartOf, isHashPart, mapKey, parseRawStatement, rawMapKey, type StorePath } from "@trustix/nix";
import { encodeUtf8, equalBytes } from "@trustix/tlog";
import { TrustixError } from "../errors.ts";

/** What is asked about. */
export type Subject =
  | { readonly protocol: "nix"; readonly hashPart: string }
  | { readonly protocol: "raw"; readonly key: Uint8Array };

/** The map key of a subject. Throws `INVALID_ARGUMENT` for a malformed hash part. */
export function keyOf(subject: Subject): Uint8Array {
  if (subject.protocol === "raw") return rawMapKey(subject.key);
  if (!isHashPart(subject.hashPart)) {
    throw new TrustixError("INVALID_ARGUMENT", "a hash part has 32 characters of nix32");
  }
  return mapKey("nix", encodeUtf8(subject.hashPart));
}

/** Whether a statement, which is well formed, is about the subject: keys may be made to share the part that is stored. */
export function isAbout(statement: string, subject: Subject): boolean {
  if (subject.protocol === "raw") return equalBytes(parseRawStatement(statement).key, subject.key);
  return hashPartOf(pathIn(statement)) === subject.hashPart;
}

/** The path that a well-formed statement of protocol `nix` is about. */
export function pathIn(statement: string): StorePath {
  return statement.slice(2, statement.indexOf(";", 2)) as StorePath;
}
