import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { encodeUtf8 } from "./encoding.ts";
import { NixError } from "./errors.ts";
import { parseHash } from "./hash.ts";
import {
  formatNarInfo,
  isCompression,
  MAX_NARINFO_SIZE_BYTES,
  type NarInfo,
  parseNarInfo,
} from "./narinfo.ts";
import {
  contentAddress,
  derivationPath,
  expectNixError,
  fingerprinted,
  hash,
  loadVectors,
  madeWithNix,
  mutationOf,
  signature,
  tryParse,
} from "./support.test.util.ts";

interface Accepted {
  readonly what: string;
  readonly text: string;
  readonly same?: true;
  readonly deriver?: null;
  readonly references?: readonly string[];
  readonly signatures?: number;
  readonly url?: string;
  readonly compression?: string;
  readonly malformedSignatures?: readonly string[];
}
const vectors = loadVectors<{ accepted: Accepted[]; refused: { what: string; text: string }[] }>(
  "narinfo.json",
);
const sample = vectors.accepted[0]!.text;

const absent = <T>(value: fc.Arbitrary<T>) => fc.option(value, { nil: undefined });
const narInfo: fc.Arbitrary<NarInfo> = fc
  .tuple(
    fingerprinted,
    fc.record({
      url: fc.constantFrom("nar/x.nar.xz", "https://cdn.example.org/a?b=c:d", "nar/ä b"),
      compression: fc.constantFrom("none", "xz", "zstd"),
      fileHash: absent(hash),
      fileSize: absent(fc.maxSafeNat()),
      deriver: absent(derivationPath),
      signatures: fc.array(signature, { maxLength: 3 }),
      contentAddress: absent(contentAddress),
    }),
  )
  .map(([facts, rest]) => ({ ...facts, ...rest }));

describe("narinfo", () => {
  it("is written as Nix writes it", () => {
    for (const text of [...madeWithNix.narinfos.none, ...madeWithNix.narinfos.xz]) {
      expect(formatNarInfo(parseNarInfo(text))).toBe(text);
      expect(parseNarInfo(encodeUtf8(text))).toEqual(parseNarInfo(text));
    }
  });

  it("round-trips", () => {
    fc.assert(
      fc.property(narInfo, (info) => {
        expect(parseNarInfo(formatNarInfo(info))).toEqual({ ...info, malformedSignatures: [] });
      }),
    );
  });

  it.each(vectors.accepted)("is accepted: $what", (expected) => {
    const info = parseNarInfo(expected.text);
    if (expected.same) expect(info).toEqual(parseNarInfo(sample));
    if (expected.deriver === null) expect(info.deriver).toBeUndefined();
    if (expected.references !== undefined) expect(info.references).toEqual(expected.references);
    if (expected.url !== undefined) expect(info.url).toBe(expected.url);
    if (expected.compression !== undefined) expect(info.compression).toBe(expected.compression);
    expect(info.signatures).toHaveLength(expected.signatures ?? 1);
    expect(info.malformedSignatures).toEqual(expected.malformedSignatures ?? []);
    expect(formatNarInfo(info)).not.toContain("garbage");
  });

  it.each(vectors.refused)("is refused: $what", ({ text }) => {
    expectNixError(() => parseNarInfo(text), "NARINFO_INVALID");
  });

  it("names the line that is wrong", () => {
    const text = sample.replace(/^NarSize: .*$/m, "NarSize: x");
    const line = text.split("\n").indexOf("NarSize: x") + 1;
    expect(() => parseNarInfo(text)).toThrow(expect.objectContaining({ code: "NARINFO_INVALID", line }));
  });

  it("is bounded in size, signatures and time", () => {
    expectNixError(() => parseNarInfo(" ".repeat(MAX_NARINFO_SIZE_BYTES + 1)), "TOO_LARGE");
    expectNixError(() => parseNarInfo(new Uint8Array(11), { maxSizeBytes: 10 }), "TOO_LARGE");
    expectNixError(() => parseNarInfo(sample + "Sig: x\n".repeat(100)), "NARINFO_INVALID");
    expectNixError(() => parseNarInfo("\n".repeat(MAX_NARINFO_SIZE_BYTES)), "NARINFO_INVALID");
    expectNixError(() => parseNarInfo("a: \n".repeat(MAX_NARINFO_SIZE_BYTES / 4)), "NARINFO_INVALID");
    expectNixError(() => parseNarInfo(":".repeat(MAX_NARINFO_SIZE_BYTES)), "NARINFO_INVALID");
  });

  it("is UTF-8", () => {
    expectNixError(() => parseNarInfo(Uint8Array.of(0xff, 0x0a)), "UTF8_INVALID");
  });

  it("may be of another store", () => {
    const text = sample.replaceAll("/nix/store/", "/gnu/store/");
    expect(formatNarInfo(parseNarInfo(text, { storeDir: "/gnu/store" }))).toBe(text);
  });

  it("is not written when it would not be read", () => {
    const info = parseNarInfo(sample);
    for (const wrong of [
      { url: "" },
      { url: "nar/x\nSig: forged" },
      { compression: "" },
      { compression: "xz\r" },
      { narSize: 0 },
      { narHash: parseHash("0".repeat(40), "sha1") },
      { fileSize: -1 },
      { fileSize: Number.NaN },
    ]) {
      expectNixError(() => formatNarInfo({ ...info, ...wrong }), "NARINFO_INVALID");
    }
    const signatures = [{ keyName: "a\nURL: nar/y", bytes: new Uint8Array(64) }];
    expectNixError(() => formatNarInfo({ ...info, signatures }), "SIGNATURE_INVALID");
    const narHash = { algorithm: "sha256", bytes: new Uint8Array(31) } as const;
    expectNixError(() => formatNarInfo({ ...info, narHash }), "HASH_INVALID");
  });

  it("never fails with anything but a NixError, and formats to something that parses equal", () => {
    const text = fc.oneof(
      mutationOf(fc.constant(sample)),
      mutationOf(narInfo.map(formatNarInfo)),
      fc.string(),
    );
    fc.assert(
      fc.property(text, (input) => {
        const info = tryParse(() => parseNarInfo(input));
        if (info !== undefined) {
          expect(parseNarInfo(formatNarInfo(info))).toEqual({ ...info, malformedSignatures: [] });
        }
      }),
      { numRuns: 1000 },
    );
    fc.assert(fc.property(fc.uint8Array(), (input) => void tryParse(() => parseNarInfo(input))));
  });

  it("knows the compressions that Nix reads", () => {
    expect(["none", "xz", "zstd", "br", "lz4"].every(isCompression)).toBe(true);
    expect(["zst", "XZ", "", "identity"].some(isCompression)).toBe(false);
  });
});

describe("NixError", () => {
  it("tells the line in its message", () => {
    const error = new NixError("NARINFO_INVALID", "no URL", { line: 3 });
    expect(error).toMatchObject({
      name: "NixError",
      code: "NARINFO_INVALID",
      line: 3,
      message: "line 3: no URL",
    });
    expect(new NixError("NARINFO_INVALID", "no URL").line).toBeUndefined();
  });
});
