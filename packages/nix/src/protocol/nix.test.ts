import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { decodeUtf8, encodeUtf8 } from "../encoding.ts";
import { type Fingerprinted, formatFingerprint } from "../fingerprint.ts";
import { formatSignature } from "../keys.ts";
import { encodeNix32 } from "../nix32.ts";
import { sha256 } from "../sha256.ts";
import { parseBaseName, type StorePath } from "../store-path.ts";
import {
  derivationPath,
  expectNixError,
  fingerprinted,
  hashOf,
  signature,
  storePath,
} from "../support.test.util.ts";
import {
  formatNixEntry,
  formatNixStatement,
  MAX_INLINE_REFERENCES_LENGTH,
  type NixAttributes,
  nixMapKey,
  nixProtocol,
  parseNixEntry,
  parseNixStatement,
  signedText,
  verifyReferences,
} from "./nix.ts";

/** Sorted references whose text has a given length. */
function referencesOfLength(length: number): StorePath[] {
  const paths: StorePath[] = [];
  // Each path is 54 characters and has a comma after it, but for the last one, whose name fills up.
  const count = Math.floor(length / 55) - 1;
  for (let i = 0; i < count; i++)
    paths.push(parseBaseName(`${encodeNix32(sha256(encodeUtf8(`${i}`)).slice(0, 20))}-${"a".repeat(10)}`));
  paths.sort();
  const rest = length - 55 * count - "/nix/store/".length - 33;
  return [...paths, parseBaseName(`${"z".repeat(32)}-${"a".repeat(rest)}`)];
}

const [sample] = fc.sample(fingerprinted, 1) as [Fingerprinted];

const attributes: fc.Arbitrary<NixAttributes> = fc.record({
  deriver: fc.option(derivationPath, { nil: undefined }),
  system: fc.constantFrom(undefined, "x86_64-linux", "aarch64-darwin", "builtin"),
  kind: fc.constantFrom(undefined, "built" as const, "rebuilt" as const, "imported" as const),
  signatures: fc
    .uniqueArray(signature, { maxLength: 4, selector: formatSignature })
    .map((all) => all.toSorted((a, b) => (formatSignature(a) < formatSignature(b) ? -1 : 1))),
  extensions: fc.constantFrom([], [{ name: "attested-by", value: "x y" }]),
});

describe("entries of protocol nix", () => {
  it("round-trip", () => {
    fc.assert(
      fc.property(fingerprinted, attributes, (facts, more) => {
        const entry = formatNixEntry(facts, more);
        expect(parseNixEntry(entry)).toEqual({ statement: facts, ...more });
        const { statement, key } = nixProtocol().parseEntry(entry);
        expect(statement).toBe(formatFingerprint(facts));
        expect(key).toEqual(nixMapKey(facts.storePath));
      }),
    );
  });

  it("sort signatures and write each once", () => {
    fc.assert(
      fc.property(fingerprinted, attributes, (facts, more) => {
        const signatures = [...(more.signatures ?? []), ...(more.signatures ?? [])].reverse();
        expect(formatNixEntry(facts, { ...more, signatures })).toEqual(formatNixEntry(facts, more));
      }),
    );
  });

  it("are not written with attributes that would not be read", () => {
    for (const wrong of [
      { system: "a b" },
      { system: "" },
      { kind: "copied" as "built" },
      { deriver: sample.storePath },
      { extensions: [{ name: "kind", value: "built" }] },
      { extensions: [{ name: "a", value: "b\nc" }] },
      { extensions: [{ name: "a b", value: "c" }] },
      { extensions: [{ name: "a", value: "" }] },
      { signatures: [{ keyName: "a b", bytes: new Uint8Array(64) }] },
      { signatures: [{ keyName: "a", bytes: new Uint8Array(63) }] },
      { signatures: Array.from({ length: 17 }, (_, i) => ({ keyName: `a${i}`, bytes: new Uint8Array(64) })) },
    ]) {
      expectNixError(() => formatNixEntry(sample, wrong), "ENTRY_INVALID");
    }
    const extensions = Array.from({ length: 16 }, (_, i) => ({
      name: `x${String(i).padStart(2, "0")}`,
      value: "y".repeat(1024),
    }));
    const references = referencesOfLength(MAX_INLINE_REFERENCES_LENGTH);
    const signatures = Array.from({ length: 16 }, (_, i) => ({
      keyName: `${i}`.padEnd(400, "k"),
      bytes: new Uint8Array(64),
    }));
    expect(formatNixEntry({ ...sample, references }, { extensions, signatures }).length).toBeLessThan(65_536);
  });

  it("are found by the hash part alone", () => {
    fc.assert(
      fc.property(storePath, (path) => {
        const other = parseBaseName(`${path.slice(11, 43)}-other`, "/gnu/store");
        expect(nixMapKey(other)).toEqual(nixMapKey(path));
      }),
    );
  });
});

describe("statements with very many references", () => {
  it("carry the digest beyond 32 KiB, and not before", () => {
    const short = { ...sample, references: referencesOfLength(MAX_INLINE_REFERENCES_LENGTH) };
    expect(short.references.join(",")).toHaveLength(MAX_INLINE_REFERENCES_LENGTH);
    expect(formatNixStatement(short)).toBe(formatFingerprint(short));
    expect(parseNixStatement(formatNixStatement(short)).references).toEqual(short.references);

    const long = { ...sample, references: referencesOfLength(MAX_INLINE_REFERENCES_LENGTH + 1) };
    const statement = formatNixStatement(long);
    expect(statement).toMatch(/;#sha256:[0-9a-f]{64}$/);
    expectNixError(() => parseNixStatement(formatFingerprint(long)), "FINGERPRINT_INVALID");
    const parsed = parseNixStatement(statement);
    expect(parsed.references).toBeUndefined();
    expect(parsed.referencesDigest).toEqual(sha256(encodeUtf8(long.references.join(","))));
    expect(decodeUtf8(formatNixEntry(long))).toBe(`${statement}\n`);
  });

  it("are verified against references from elsewhere", () => {
    const facts = { ...sample, references: referencesOfLength(40_000) };
    const parsed = parseNixStatement(formatNixStatement(facts));
    const shuffled = [...facts.references].reverse();
    expect(formatFingerprint(verifyReferences(parsed, shuffled))).toBe(formatFingerprint(facts));
    expect(signedText(parsed, facts.references)).toBe(formatFingerprint(facts));
    expectNixError(() => signedText(parsed), "REFERENCES_MISMATCH");
    expectNixError(() => verifyReferences(parsed, facts.references.slice(1)), "REFERENCES_MISMATCH");
    // A digest of references that should have been written out is not canonical.
    const few = facts.references.slice(0, 2);
    const forged = { ...parsed, referencesDigest: sha256(encodeUtf8(few.join(","))) };
    expectNixError(() => verifyReferences(forged, few), "REFERENCES_MISMATCH");
  });

  it("are compared too where they are short", () => {
    fc.assert(
      fc.property(fingerprinted, storePath, hashOf("sha256"), (facts, other, narHash) => {
        const parsed = parseNixStatement(formatNixStatement(facts));
        expect(verifyReferences(parsed, facts.references)).toEqual(facts);
        expect(signedText(parsed)).toBe(formatFingerprint(facts));
        expect(formatNixStatement({ ...facts, narHash })).not.toBe(formatNixStatement(facts));
        expectNixError(() => verifyReferences(parsed, [...facts.references, other]), "REFERENCES_MISMATCH");
      }),
    );
  });
});
