import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  compressHash,
  contentAddressedPath,
  formatContentAddress,
  makeStorePath,
  parseContentAddress,
  provesItself,
  provesNarHash,
} from "./content-address.ts";
import { formatHash, parseHash } from "./hash.ts";
import { parseNarInfo } from "./narinfo.ts";
import { nameOf, type StorePath } from "./store-path.ts";
import {
  contentAddress,
  expectNixError,
  hashOf,
  madeWithNix,
  mutationOf,
  references,
  storeName,
  tryParse,
} from "./support.test.util.ts";

const narinfos = madeWithNix.narinfos.none.map((text) => parseNarInfo(text));

describe("content addresses", () => {
  it("round-trip", () => {
    fc.assert(
      fc.property(contentAddress, (address) => {
        expect(parseContentAddress(formatContentAddress(address))).toEqual(address);
      }),
    );
    for (const { ca } of madeWithNix.contentAddressed)
      expect(formatContentAddress(parseContentAddress(ca))).toBe(ca);
  });

  it("take a hash in any spelling", () => {
    const { ca } = madeWithNix.contentAddressed.at(-1)!;
    const { hash } = parseContentAddress(ca);
    for (const spelling of ["hex", "base64", "sri"] as const) {
      expect(parseContentAddress(`text:${formatHash(hash, spelling)}`)).toEqual({ method: "text", hash });
    }
  });

  it("are refused when malformed", () => {
    const digest = formatHash({ algorithm: "sha1", bytes: new Uint8Array(20) });
    for (const text of [
      "",
      "text",
      "text:",
      "fixed:",
      "fixed:r:",
      "nar:sha256:0",
      `text:${digest}`,
      `fixed:x:${digest}`,
      digest,
    ]) {
      expectNixError(() => parseContentAddress(text), "CONTENT_ADDRESS_INVALID");
    }
    const text = mutationOf(contentAddress.map(formatContentAddress));
    fc.assert(fc.property(text, (input) => void tryParse(() => parseContentAddress(input))));
  });
});

describe("content-addressed paths", () => {
  it("are the ones that Nix computes", () => {
    for (const { command, ca, name, references = [], path } of madeWithNix.contentAddressed) {
      expect(contentAddressedPath(parseContentAddress(ca), name, { references }), command).toBe(path);
    }
  });

  it("depend on everything that goes in", () => {
    fc.assert(
      fc.property(hashOf("sha256"), storeName, references, (hash, name, others) => {
        const paths = new Set([
          contentAddressedPath({ method: "nar", hash }, name, { references: others }),
          contentAddressedPath({ method: "nar", hash }, name, { references: others, selfReference: true }),
          contentAddressedPath({ method: "text", hash }, name, { references: others }),
          contentAddressedPath({ method: "flat", hash }, name),
          contentAddressedPath({ method: "git", hash }, name),
          contentAddressedPath({ method: "flat", hash }, name, { storeDir: "/gnu/store" }),
          makeStorePath("source:x", hash, name),
        ]);
        expect(paths.size).toBe(7);
      }),
    );
  });

  it("have no references where the method allows none", () => {
    const sha1 = parseHash("0".repeat(40), "sha1");
    const sha256 = parseHash("0".repeat(64), "sha256");
    const reference = madeWithNix.contentAddressed[0]!.path as StorePath;
    for (const [address, options] of [
      [{ method: "flat", hash: sha256 }, { references: [reference] }],
      [{ method: "flat", hash: sha256 }, { selfReference: true }],
      [{ method: "nar", hash: sha1 }, { references: [reference] }],
      [{ method: "git", hash: sha1 }, { selfReference: true }],
      [{ method: "text", hash: sha256 }, { selfReference: true }],
      [{ method: "git", hash: parseHash("0".repeat(32), "md5") }, {}],
    ] as const) {
      expectNixError(() => contentAddressedPath(address, "a", options), "CONTENT_ADDRESS_INVALID");
    }
    expectNixError(() => contentAddressedPath({ method: "flat", hash: sha256 }, "a b"), "STORE_PATH_INVALID");
  });

  it("fold digests by XOR", () => {
    expect(compressHash(Uint8Array.of(1, 2, 4, 8, 16), 2)).toEqual(Uint8Array.of(1 ^ 4 ^ 16, 2 ^ 8));
  });
});

describe("paths that prove themselves", () => {
  it("are those with a CA in real narinfos, and no others", () => {
    for (const info of narinfos)
      expect(provesItself(info), info.storePath).toBe(info.contentAddress !== undefined);
    const proven = narinfos.filter(provesNarHash).map((info) => nameOf(info.storePath));
    expect(proven).toEqual(["tree"]);
  });

  it("stop doing so when anything changes", () => {
    const note = narinfos.find((info) => nameOf(info.storePath) === "note.txt")!;
    const tree = narinfos.find((info) => nameOf(info.storePath) === "tree")!;
    const zero = parseHash("0".repeat(64), "sha256");
    expect(provesItself(note) && provesItself(tree)).toBe(true);
    expect(provesItself({ ...note, references: [] })).toBe(false);
    expect(provesItself({ ...note, references: [...note.references, note.storePath] })).toBe(false);
    expect(provesItself({ ...note, contentAddress: undefined })).toBe(false);
    expect(provesItself({ ...note, contentAddress: { method: "text", hash: zero } })).toBe(false);
    expect(provesItself({ ...note, storePath: tree.storePath })).toBe(false);
    expect(provesItself({ ...tree, references: [tree.storePath] })).toBe(false);
    expect(provesItself({ ...tree, narHash: zero })).toBe(false);
    expect(provesNarHash({ ...tree, narHash: zero })).toBe(false);
    // The name of a text says nothing of its NAR hash.
    expect(provesItself({ ...note, narHash: zero })).toBe(true);
    expect(provesNarHash(note)).toBe(false);
  });

  it("may refer to themselves", () => {
    const hash = parseHash("0".repeat(64), "sha256");
    const storePath = contentAddressedPath({ method: "nar", hash }, "a", { selfReference: true });
    const info = { storePath, narHash: parseHash("1".repeat(64), "sha256"), references: [storePath] };
    expect(provesItself({ ...info, contentAddress: { method: "nar", hash } })).toBe(true);
    expect(provesNarHash({ ...info, narHash: hash, contentAddress: { method: "nar", hash } })).toBe(false);
  });
});
