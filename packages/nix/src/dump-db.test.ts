import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { formatDumpDb, parseDumpDb } from "./dump-db.ts";
import { encodeUtf8 } from "./encoding.ts";
import { formatFingerprint } from "./fingerprint.ts";
import { nameOf } from "./store-path.ts";
import {
  derivationPath,
  expectNixError,
  fingerprinted,
  loadVectors,
  madeWithNix,
  mutationOf,
  tryParse,
} from "./support.test.util.ts";

const { output } = madeWithNix.dumpDb;
const { expected } = loadVectors<{ expected: { statements: string[]; deriver: string } }>("path-info.json");
const entries = fc.array(
  fc
    .tuple(fingerprinted, fc.option(derivationPath, { nil: undefined }))
    .map(([facts, deriver]) => ({ ...facts, deriver })),
  { maxLength: 4 },
);

describe("nix-store --dump-db", () => {
  it("says what path-info says", () => {
    const parsed = parseDumpDb(output);
    expect(parsed.map((entry) => nameOf(entry.storePath))).toEqual([
      "app_2.0+a=b?c",
      "library-1.0",
      "note.txt",
      "tree",
    ]);
    expect(parsed.map(formatFingerprint)).toEqual(expect.arrayContaining(expected.statements));
    expect(parsed[0]?.deriver).toBe(expected.deriver);
    expect(parsed[2]?.deriver).toBeUndefined();
    expect(formatDumpDb(parsed)).toBe(output);
    expect(parseDumpDb(encodeUtf8(output))).toEqual(parsed);
  });

  it("round-trips", () => {
    fc.assert(fc.property(entries, (value) => void expect(parseDumpDb(formatDumpDb(value))).toEqual(value)));
  });

  it("is refused when cut off or malformed, with the line", () => {
    for (let length = 1; length < output.indexOf("\n/nix/store/bb28", 300); length++) {
      expectNixError(() => parseDumpDb(output.slice(0, length)), "DUMP_DB_INVALID");
    }
    const lines = output.split("\n");
    for (const [index, value] of [
      [0, "garbage"],
      [1, "sha1:00"],
      [2, "0"],
      [2, "x"],
      [3, "garbage"],
      [4, "-1"],
      [4, "9007199254740991"],
      [5, "garbage"],
    ] as const) {
      const text = lines.with(index, value).join("\n");
      expectNixError(() => parseDumpDb(text), "DUMP_DB_INVALID");
      expect(() => parseDumpDb(text)).toThrow(expect.objectContaining({ line: expect.any(Number) }));
    }
    expect(() => parseDumpDb(lines.with(2, "x").join("\n"))).toThrow(expect.objectContaining({ line: 3 }));
    expectNixError(() => parseDumpDb(output, { maxSizeBytes: 10 }), "TOO_LARGE");
  });

  it("never fails with anything but a NixError", () => {
    fc.assert(
      fc.property(mutationOf(fc.oneof(fc.constant(output), entries.map(formatDumpDb))), (text) => {
        const parsed = tryParse(() => parseDumpDb(text));
        if (parsed !== undefined) expect(parseDumpDb(formatDumpDb(parsed))).toEqual(parsed);
      }),
    );
  });
});
