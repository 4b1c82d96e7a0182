import { parseBaseName } from "@trustix/nix";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { TrustixError } from "../errors.ts";
import { formatSpoolMessage, MAX_SPOOL_MESSAGE_BYTES, parseSpoolMessage } from "./spool-message.ts";

const hashPart = fc.string({
  unit: fc.constantFrom(..."0123456789abcdfghijklmnpqrsvwxyz"),
  minLength: 32,
  maxLength: 32,
});
const name = fc.string({ unit: fc.constantFrom(..."abcXYZ019+-_?="), minLength: 1, maxLength: 100 });
const path = fc.tuple(hashPart, name).map(([hash, text]) => parseBaseName(`${hash}-${text}`));
const drvPath = fc.tuple(hashPart, name).map(([hash, text]) => parseBaseName(`${hash}-${text}.drv`));
const message = fc.record({ drvPath, outPaths: fc.array(path, { maxLength: 20 }) });

const drv = "/nix/store/8xrhkqihdfmmqysvzdrcpq8bjyrz747s-c.drv";
const out = "/nix/store/lpm1sryiqjvaifg68xcf4lqf9mfzh8ra-c";

function codeOf(text: string | Uint8Array): string {
  try {
    parseSpoolMessage(typeof text === "string" ? Buffer.from(text, "latin1") : text, "/nix/store");
    return "none";
  } catch (error) {
    if (error instanceof TrustixError) return error.code;
    throw error;
  }
}

describe("spool message", () => {
  it("comes back as it was written", () => {
    fc.assert(
      fc.property(message, (value) => {
        expect(parseSpoolMessage(formatSpoolMessage(value), "/nix/store")).toEqual(value);
      }),
    );
  });

  it("is incomplete when it is cut anywhere", () => {
    fc.assert(
      fc.property(message, fc.nat(), (value, cut) => {
        const bytes = formatSpoolMessage(value);
        expect(codeOf(bytes.subarray(0, cut % bytes.length))).toBe("SPOOL_INCOMPLETE");
      }),
    );
  });

  it("has only one spelling, whatever byte changes", () => {
    fc.assert(
      fc.property(message, fc.nat(), fc.integer({ min: 1, max: 255 }), (value, at, flip) => {
        const bytes = formatSpoolMessage(value);
        bytes[at % bytes.length]! ^= flip;
        if (codeOf(bytes) === "none") {
          expect(formatSpoolMessage(parseSpoolMessage(bytes, "/nix/store"))).toEqual(bytes);
        }
      }),
    );
  });

  it("throws nothing but its own errors for any bytes", () => {
    fc.assert(fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => codeOf(bytes) !== "none"));
    const line = fc.constantFrom("trustix-spool 1", drv, out, "end", "", "\0", "..", "/etc/passwd");
    fc.assert(
      fc.property(fc.array(line, { maxLength: 8 }), (lines) => codeOf(lines.join("\n")) !== undefined),
    );
  });

  it.each([
    ["SPOOL_INCOMPLETE", ""],
    ["SPOOL_INCOMPLETE", "trustix-spoo"],
    ["SPOOL_INCOMPLETE", "trustix-spool 1\n"],
    ["SPOOL_INCOMPLETE", `trustix-spool 1\n${drv}\n${out}\nend`],
    ["SPOOL_INVALID", "trustix-spool 1\nend\n"],
    ["SPOOL_INVALID", `trustix-spool 2\n${drv}\nend\n`],
    ["SPOOL_INVALID", `trustix-spool 1\r\n${drv}\r\nend\r\n`],
    ["SPOOL_INVALID", `trustix-spool 1\n${out}\nend\n`],
    ["SPOOL_INVALID", `trustix-spool 1\n${drv}\n${out}\n\nend\n`],
    ["SPOOL_INVALID", `trustix-spool 1\n${drv}\n${out} ${out}\nend\n`],
    ["SPOOL_INVALID", `trustix-spool 1\n${drv}\n${out}\0\nend\n`],
    ["SPOOL_INVALID", `trustix-spool 1\n${drv}\n${out}\nend\nend\n`],
    ["SPOOL_INVALID", `trustix-spool 1\n${drv}\n/nix/store/../../etc/passwd\nend\n`],
    ["SPOOL_INVALID", `trustix-spool 1\n${drv}\n--option\nend\n`],
    ["SPOOL_INVALID", `trustix-spool 1\n${drv}\n/gnu${out}\nend\n`],
    ["SPOOL_INVALID", "\xff\xfe\nend\n"],
  ])("is %s as %j", (code, text) => {
    expect(codeOf(text)).toBe(code);
  });

  it("is looked into only up to a size", () => {
    expect(codeOf(new Uint8Array(MAX_SPOOL_MESSAGE_BYTES + 1))).toBe("SPOOL_INVALID");
  });
});
