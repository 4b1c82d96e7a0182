import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { formatContentAddress } from "./content-address.ts";
import { encodeUtf8 } from "./encoding.ts";
import { formatFingerprint } from "./fingerprint.ts";
import { formatSignature } from "./keys.ts";
import { parsePathInfoJson } from "./path-info.ts";
import { nameOf, parseStorePath } from "./store-path.ts";
import { expectNixError, loadVectors, madeWithNix, mutationOf, tryParse } from "./support.test.util.ts";

const vectors = loadVectors<{
  expected: {
    statements: string[];
    deriver: string;
    registrationTime: number;
    ultimate: boolean;
    signature: string;
    ca: string;
  };
  shapes: { versions: string; json: unknown; missing?: string[] }[];
  refused: { what: string; text: string }[];
}>("path-info.json");
const { expected } = vectors;

describe("nix path-info --json", () => {
  it.each(vectors.shapes)("$versions", ({ json, missing }) => {
    const result = parsePathInfoJson(JSON.stringify(json));
    expect(result.missing).toEqual(missing ?? []);
    expect(result.valid.map(formatFingerprint)).toEqual(expected.statements);
    const [app, note] = result.valid;
    expect(app).toMatchObject({
      deriver: expected.deriver,
      registrationTime: expected.registrationTime,
      ultimate: true,
      contentAddress: undefined,
    });
    expect(app?.signatures.map(formatSignature)).toEqual([expected.signature]);
    expect(note).toMatchObject({
      deriver: undefined,
      registrationTime: expected.registrationTime,
      ultimate: false,
      signatures: [],
    });
    expect(formatContentAddress(note!.contentAddress!)).toBe(expected.ca);
  });

  it("says what Nix 2.8.0 says", () => {
    const { valid, missing } = parsePathInfoJson(encodeUtf8(JSON.stringify(madeWithNix.pathInfo.output)));
    expect(missing).toEqual(["/nix/store/00000000000000000000000000000000-missing"]);
    expect(valid.map((info) => nameOf(info.storePath))).toEqual([
      "library-1.0",
      "app_2.0+a=b?c",
      "note.txt",
      "tree",
    ]);
    expect(valid.map((info) => info.ultimate)).toEqual([true, true, false, false]);
    expect(valid.map(formatFingerprint)).toEqual(expect.arrayContaining(expected.statements));
  });

  it.each(vectors.refused)("is refused: $what", ({ text }) => {
    expectNixError(() => parsePathInfoJson(text), "PATH_INFO_INVALID");
  });

  it("leaves out malformed signatures", () => {
    const [first] = structuredClone(vectors.shapes[0]!.json) as [Record<string, unknown>];
    first.signatures = ["garbage", expected.signature, { keyName: "a", sig: "AAAA" }];
    const { valid } = parsePathInfoJson(JSON.stringify([first]));
    expect(valid[0]?.signatures.map(formatSignature)).toEqual([expected.signature]);
  });

  it("may be of another store", () => {
    const json = JSON.stringify(vectors.shapes[0]!.json).replaceAll("/nix/store/", "/gnu/store/");
    expect(parsePathInfoJson(json, { storeDir: "/gnu/store" }).valid).toHaveLength(2);
    expectNixError(() => parsePathInfoJson(json), "PATH_INFO_INVALID");
  });

  it("is bounded", () => {
    expectNixError(() => parsePathInfoJson("[]", { maxSizeBytes: 1 }), "TOO_LARGE");
    expectNixError(() => parsePathInfoJson("[".repeat(100_000)), "PATH_INFO_INVALID");
    expect(parsePathInfoJson("[]")).toEqual({ valid: [], missing: [] });
    expect(parsePathInfoJson("{}")).toEqual({ valid: [], missing: [] });
  });

  it("refuses a version that has no text", () => {
    for (const version of ['{"toString":1,"valueOf":1}', `${"[".repeat(100_000)}${"]".repeat(100_000)}`]) {
      expectNixError(() => parsePathInfoJson(`{"version":${version},"info":{}}`), "PATH_INFO_INVALID");
    }
  });

  it("never fails with anything but a NixError", () => {
    const documents = vectors.shapes.map(({ json }) => fc.constant(JSON.stringify(json)));
    fc.assert(
      fc.property(mutationOf(fc.oneof(...documents)), (text) => {
        const result = tryParse(() => parsePathInfoJson(text));
        for (const { storePath } of result?.valid ?? []) expect(parseStorePath(storePath)).toBe(storePath);
      }),
      { numRuns: 1000 },
    );
    const [path] = expected.statements[0]!.slice(2).split(";") as [string];
    const fields = fc.dictionary(
      fc.constantFrom(
        "narHash",
        "narSize",
        "references",
        "deriver",
        "ca",
        "signatures",
        "ultimate",
        "path",
        "valid",
      ),
      fc.jsonValue(),
    );
    fc.assert(
      fc.property(fields, fc.jsonValue(), (value, document) => {
        tryParse(() => parsePathInfoJson(JSON.stringify({ [path]: value })));
        tryParse(() => parsePathInfoJson(JSON.stringify([{ path, ...value }])));
        tryParse(() => parsePathInfoJson(JSON.stringify({ version: 2, info: { [path]: value } })));
        tryParse(() => parsePathInfoJson(JSON.stringify(document)));
      }),
    );
  });
});
