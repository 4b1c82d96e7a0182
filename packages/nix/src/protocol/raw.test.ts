import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { decodeHex, encodeUtf8, equalBytes } from "../encoding.ts";
import { expectNixError, loadVectors } from "../support.test.util.ts";
import {
  formatRawEntry,
  formatRawStatement,
  MAX_RAW_KEY_LENGTH,
  MAX_RAW_VALUE_LENGTH,
  parseRawEntry,
  parseRawStatement,
  rawMapKey,
  rawProtocol,
} from "./raw.ts";

const vectors = loadVectors<{ raw: { accepted: { entry: string; keyHex: string; valueHex: string }[] } }>(
  "protocols.json",
);
const printable = fc.stringMatching(/^[ -~]{1,40}$/).map(encodeUtf8);
const claim = fc.record({
  key: fc.oneof(printable, fc.uint8Array({ minLength: 1, maxLength: 50 })),
  value: fc.oneof(printable, fc.uint8Array({ maxLength: 50 })),
});

describe("entries of protocol raw", () => {
  it("are the ones of the vectors", () => {
    for (const { entry, keyHex, valueHex } of vectors.raw.accepted) {
      const value = { key: decodeHex(keyHex), value: decodeHex(valueHex) };
      expect(formatRawEntry(value)).toEqual(encodeUtf8(entry));
      expect(parseRawEntry(encodeUtf8(entry))).toEqual(value);
    }
  });

  it("round-trip", () => {
    fc.assert(
      fc.property(claim, (value) => {
        expect(parseRawEntry(formatRawEntry(value))).toEqual(value);
        expect(parseRawStatement(formatRawStatement(value))).toEqual(value);
        expect(rawProtocol.parseEntry(formatRawEntry(value)).key).toEqual(rawMapKey(value.key));
      }),
    );
  });

  it("differ when the claims differ", () => {
    fc.assert(
      fc.property(claim, claim, (a, b) => {
        const equal = equalBytes(a.key, b.key) && equalBytes(a.value, b.value);
        expect(formatRawStatement(a) === formatRawStatement(b)).toBe(equal);
      }),
    );
  });

  it("fit a log at their largest", () => {
    const largest = {
      key: new Uint8Array(MAX_RAW_KEY_LENGTH).fill(0xff),
      value: new Uint8Array(MAX_RAW_VALUE_LENGTH).fill(0xff),
    };
    expect(parseRawEntry(formatRawEntry(largest))).toEqual(largest);
    const value = new Uint8Array(1);
    for (const wrong of [
      { key: new Uint8Array(0), value },
      { key: new Uint8Array(MAX_RAW_KEY_LENGTH + 1), value },
      { key: value, value: new Uint8Array(MAX_RAW_VALUE_LENGTH + 1) },
    ]) {
      expectNixError(() => formatRawEntry(wrong), "ENTRY_INVALID");
    }
  });
});
