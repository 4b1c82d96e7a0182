import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  concatBytes,
  decodeBase64,
  decodeHex,
  decodeUtf8,
  encodeBase64,
  encodeHex,
  encodeUtf8,
  equalBytes,
  hasControlCharacter,
  parseDecimal,
} from "./encoding.ts";
import { expectNixError, tryParse } from "./support.test.util.ts";

describe("base64", () => {
  it("writes what the platform writes", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 100 }), (bytes) => {
        expect(encodeBase64(bytes)).toBe(btoa(String.fromCharCode(...bytes)));
        expect(decodeBase64(encodeBase64(bytes))).toEqual(bytes);
      }),
    );
  });

  it("accepts one spelling only", () => {
    for (const text of [
      "A",
      "AA",
      "AAA",
      "AA=",
      "AAA==",
      "====",
      "A===",
      "AB==",
      "AAB=",
      "AA==\n",
      " AA=",
      "AA-_",
      "ÀAA=",
      "AA==AAAA",
    ]) {
      expectNixError(() => decodeBase64(text), "BASE64_INVALID");
    }
    fc.assert(
      fc.property(fc.stringMatching(/^[A-Za-z0-9+/=]{0,12}$/), (text) => {
        const bytes = tryParse(() => decodeBase64(text));
        if (bytes !== undefined) expect(encodeBase64(bytes)).toBe(text);
      }),
    );
  });
});

describe("hex", () => {
  it("round-trips, upper case too", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 100 }), (bytes) => {
        expect(encodeHex(bytes)).toBe(
          Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join(""),
        );
        expect(decodeHex(encodeHex(bytes))).toEqual(bytes);
        expect(decodeHex(encodeHex(bytes).toUpperCase())).toEqual(bytes);
      }),
    );
  });

  it("refuses everything else", () => {
    for (const text of ["0", "0g", "0x", " 0", "0\n", "٠0", "@0", "`0", "/0", ":0", "G0"]) {
      expectNixError(() => decodeHex(text), "HEX_INVALID");
    }
  });
});

describe("UTF-8", () => {
  it("round-trips, a byte order mark included", () => {
    for (const text of ["", "a", "é€😀", "\uFEFFa", "\0"]) expect(decodeUtf8(encodeUtf8(text))).toBe(text);
  });

  it("refuses invalid bytes", () => {
    for (const bytes of [[0x80], [0xc0, 0x80], [0xed, 0xa0, 0x80], [0xf5, 0x80, 0x80, 0x80], [0xe2, 0x82]]) {
      expectNixError(() => decodeUtf8(Uint8Array.from(bytes)), "UTF8_INVALID");
    }
  });
});

describe("bytes and numbers", () => {
  it("compares and joins", () => {
    const joined = concatBytes(Uint8Array.of(1), Uint8Array.of(), Uint8Array.of(2, 3));
    expect(equalBytes(joined, Uint8Array.of(1, 2, 3))).toBe(true);
    expect(equalBytes(joined, Uint8Array.of(1, 2, 4))).toBe(false);
    expect(equalBytes(joined, Uint8Array.of(1, 2))).toBe(false);
  });

  it("reads canonical decimals only", () => {
    for (const number of [0, 1, 9, 10, 4096, Number.MAX_SAFE_INTEGER])
      expect(parseDecimal(String(number))).toBe(number);
    for (const text of [
      "",
      "00",
      "01",
      "-1",
      "+1",
      "1.0",
      "1e3",
      " 1",
      "1 ",
      "0x1",
      "9007199254740992",
      "٣",
      "1".repeat(30),
    ]) {
      expect(parseDecimal(text)).toBeUndefined();
    }
  });

  it("finds control characters", () => {
    expect(["a b~", "é", ""].map(hasControlCharacter)).toEqual([false, false, false]);
    expect(["\n", "a\r", "\0", "\x7f"].map(hasControlCharacter)).toEqual([true, true, true, true]);
  });
});
