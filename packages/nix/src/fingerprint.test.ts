import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { decodeUtf8 } from "./encoding.ts";
import {
  fingerprintBytes,
  formatFingerprint,
  MAX_FINGERPRINT_LENGTH,
  parseFingerprint,
} from "./fingerprint.ts";
import { parseHash } from "./hash.ts";
import { parseNarInfo } from "./narinfo.ts";
import type { StorePath } from "./store-path.ts";
import {
  expectNixError,
  fingerprinted,
  loadVectors,
  madeWithNix,
  mutationOf,
  tryParse,
} from "./support.test.util.ts";

const { expected } = loadVectors<{ expected: { statements: string[] } }>("path-info.json");
const [sample] = expected.statements as [string];

describe("fingerprints", () => {
  it("follow from narinfos", () => {
    const made = madeWithNix.narinfos.none.map((text) => formatFingerprint(parseNarInfo(text)));
    for (const statement of expected.statements) expect(made).toContain(statement);
  });

  it("round-trip", () => {
    fc.assert(
      fc.property(fingerprinted, (facts) => {
        const text = formatFingerprint(facts);
        expect(parseFingerprint(text)).toEqual(facts);
        expect(decodeUtf8(fingerprintBytes(facts))).toBe(text);
      }),
    );
  });

  it("do not depend on the order of references", () => {
    fc.assert(
      fc.property(fingerprinted, (facts) => {
        const shuffled = [...facts.references, ...facts.references].reverse();
        expect(formatFingerprint({ ...facts, references: shuffled })).toBe(formatFingerprint(facts));
      }),
    );
  });

  it("end with a semicolon when there are no references", () => {
    const facts = parseFingerprint(sample);
    const text = formatFingerprint({ ...facts, references: [] });
    expect(text.endsWith(";280;")).toBe(true);
    expect(parseFingerprint(text).references).toEqual([]);
  });

  it("have one spelling: what parses formats to itself", () => {
    fc.assert(
      fc.property(mutationOf(fc.oneof(fc.constant(sample), fingerprinted.map(formatFingerprint))), (text) => {
        const facts = tryParse(() => parseFingerprint(text));
        if (facts !== undefined) expect(formatFingerprint(facts)).toBe(text);
      }),
    );
  });

  it("are bounded", () => {
    expectNixError(() => parseFingerprint(sample.padEnd(MAX_FINGERPRINT_LENGTH + 1, "x")), "TOO_LARGE");
    expectNixError(() => parseFingerprint(";".repeat(100_000)), "FINGERPRINT_INVALID");
    expectNixError(() => parseFingerprint(`1${";".repeat(100_000)}`), "FINGERPRINT_INVALID");
  });

  it("belong to one store directory", () => {
    const other = sample.replaceAll("/nix/store/", "/gnu/store/");
    expectNixError(() => parseFingerprint(other), "FINGERPRINT_INVALID");
    expect(formatFingerprint(parseFingerprint(other, "/gnu/store"))).toBe(other);
  });

  it("cannot be made of facts that Nix would not sign", () => {
    const facts = parseFingerprint(sample);
    for (const wrong of [
      { ...facts, narSize: 0 },
      { ...facts, narSize: -1 },
      { ...facts, narSize: 1.5 },
      { ...facts, narSize: 2 ** 53 },
      { ...facts, narHash: parseHash("0".repeat(40), "sha1") },
      { ...facts, narHash: { algorithm: "sha256" as const, bytes: new Uint8Array(20) } },
    ]) {
      expectNixError(() => formatFingerprint(wrong), "FINGERPRINT_INVALID");
    }
    const references: readonly StorePath[] = [];
    expect(() => formatFingerprint({ ...facts, references })).not.toThrow();
  });
});
