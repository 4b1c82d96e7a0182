import fc from "fast-check";
import { expect, test } from "vitest";
import {
  concatBytes,
  decodeBase64,
  decodeBase64Exact,
  decodeHex,
  decodeUtf8,
  encodeBase64,
  encodeHex,
  encodeUtf8,
  equalBytes,
  parseDecimal,
} from "./encoding.ts";
import { TlogError } from "./errors.ts";

const codeOf = (run: () => unknown) => {
  try {
    run();
  } catch (error) {
    return error instanceof TlogError ? error.code : error;
  }
  return undefined;
};

test("base64 equals the platform's and round-trips", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
      const text = encodeBase64(bytes);
      expect(text).toBe(btoa(String.fromCharCode(...bytes)));
      expect(decodeBase64(text, bytes.length)).toEqual(new Uint8Array(bytes));
    }),
  );
});

test("base64 has one spelling: whatever decodes, encodes to itself", () => {
  const base64Like = fc.string({ unit: fc.constantFrom(..."ABQgw/+9=-_ \n\u00e9"), maxLength: 12 });
  fc.assert(
    fc.property(base64Like, (text) => {
      const decoded = codeOf(() => decodeBase64(text, 100));
      if (decoded === undefined) expect(encodeBase64(decodeBase64(text, 100))).toBe(text);
      else expect(decoded).toBe("BASE64_INVALID");
    }),
    { numRuns: 2000 },
  );
});

test.each([
  "A",
  "AA",
  "AAA",
  "====",
  "A===",
  "=AAA",
  "AA=A",
  "AAA=AAAA",
  "AB==",
  "AAB=",
  "AAA\n",
  "AA-A",
  "\u0141AAA",
])("base64 %j is refused", (text) => {
  expect(codeOf(() => decodeBase64(text, 100))).toBe("BASE64_INVALID");
});

test("base64 length limits", () => {
  expect(codeOf(() => decodeBase64("AAAA", 2))).toBe("BASE64_INVALID");
  expect(codeOf(() => decodeBase64Exact("AAA=", 3))).toBe("BASE64_INVALID");
  expect(decodeBase64("", 0)).toHaveLength(0);
});

test("decimals", () => {
  fc.assert(
    fc.property(fc.maxSafeNat(), (n) => {
      expect(parseDecimal(String(n))).toBe(n);
    }),
  );
  for (const text of [
    "",
    "00",
    "01",
    "-1",
    "+1",
    "1.0",
    "1e3",
    "0x1",
    " 1",
    "1\n",
    "\u0661",
    "9007199254740992",
    "1".repeat(400),
  ]) {
    expect(codeOf(() => parseDecimal(text))).toBe("INTEGER_INVALID");
  }
});

test("hexadecimal", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 40 }), (bytes) => {
      expect(encodeHex(bytes)).toBe(Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join(""));
      expect(decodeHex(encodeHex(bytes), bytes.length)).toEqual(new Uint8Array(bytes));
    }),
  );
  for (const text of ["", "0", "000", "0G", "AB", "ab\n"]) {
    expect(codeOf(() => decodeHex(text, 1))).toBe("HEX_INVALID");
  }
});

test("UTF-8 without repairs", () => {
  fc.assert(
    fc.property(fc.string({ unit: "binary" }), (text) => {
      expect(decodeUtf8(encodeUtf8(text))).toBe(text);
    }),
  );
  expect(decodeUtf8(Uint8Array.of(0xef, 0xbb, 0xbf))).toBe("\ufeff");
  expect(codeOf(() => encodeUtf8("\ud800"))).toBe("UTF8_INVALID");
  for (const bytes of [[0xff], [0xc0, 0x80], [0xed, 0xa0, 0x80], [0xe2, 0x80], [0xf5, 0x80, 0x80, 0x80]]) {
    expect(codeOf(() => decodeUtf8(Uint8Array.from(bytes)))).toBe("UTF8_INVALID");
  }
});

test("byte strings", () => {
  const parts = fc.array(fc.uint8Array());
  fc.assert(
    fc.property(parts, (list) => {
      expect(equalBytes(concatBytes(...list), Uint8Array.from(list.flatMap((part) => [...part])))).toBe(true);
    }),
  );
  expect(equalBytes(Uint8Array.of(1), Uint8Array.of(2))).toBe(false);
  expect(equalBytes(Uint8Array.of(1), Uint8Array.of(1, 2))).toBe(false);
});
