import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { encodeHex, encodeUtf8 } from "../encoding.ts";
import { expectNixError, loadVectors, mutationOf, tryParse } from "../support.test.util.ts";
import { nixProtocol } from "./nix.ts";
import { MAX_ENTRY_SIZE_BYTES, type Protocol } from "./protocol.ts";
import { rawProtocol } from "./raw.ts";

interface Table {
  readonly accepted: readonly { readonly what: string; readonly entry: string; readonly key: string }[];
  readonly refused: readonly { readonly what: string; readonly entry: string }[];
}
const vectors = loadVectors<Record<"nix" | "raw", Table>>("protocols.json");
const protocols: readonly [Protocol, Table][] = [
  [nixProtocol(), vectors.nix],
  [rawProtocol, vectors.raw],
];

describe.each(protocols)("protocol $name", (protocol, { accepted, refused }) => {
  it.each(accepted)("accepts: $what", ({ entry, key }) => {
    const parsed = protocol.parseEntry(encodeUtf8(entry));
    expect(encodeHex(parsed.key)).toBe(key);
    const [statement, ...lines] = entry.split("\n");
    expect(parsed.statement).toBe(statement);
    expect(parsed.attributes.map(({ name, value }) => `${name} ${value}`)).toEqual(lines.slice(0, -1));
    expect(protocol.formatEntry(parsed)).toEqual(encodeUtf8(entry));
  });

  it.each(refused)("refuses: $what", ({ entry }) => {
    expectNixError(() => protocol.parseEntry(encodeUtf8(entry)), "ENTRY_INVALID");
  });

  it("bounds entries", () => {
    expectNixError(() => protocol.parseEntry(new Uint8Array(MAX_ENTRY_SIZE_BYTES + 1)), "ENTRY_TOO_LARGE");
    expectNixError(
      () => protocol.parseEntry(new Uint8Array(MAX_ENTRY_SIZE_BYTES).fill(0x61)),
      "ENTRY_INVALID",
    );
    expectNixError(
      () => protocol.parseEntry(new Uint8Array(MAX_ENTRY_SIZE_BYTES).fill(0x0a)),
      "ENTRY_INVALID",
    );
  });

  it("has one entry for each meaning, and fails with nothing but a NixError", () => {
    const entry = mutationOf(fc.constantFrom(...accepted.map((vector) => vector.entry)));
    fc.assert(
      fc.property(entry, (text) => {
        const bytes = encodeUtf8(text);
        const parsed = tryParse(() => protocol.parseEntry(bytes));
        if (parsed !== undefined) expect(protocol.formatEntry(parsed)).toEqual(bytes);
      }),
      { numRuns: 1000 },
    );
    fc.assert(fc.property(fc.uint8Array(), (bytes) => void tryParse(() => protocol.parseEntry(bytes))));
  });

  it("writes only what it reads", () => {
    const text = fc.oneof(
      fc.string({ unit: "binary" }),
      fc.constantFrom("kind", "built", "a", "deriver", "sig", "b\nc"),
    );
    const { entry } = accepted[0]!;
    const statement = fc.oneof(mutationOf(fc.constant(entry.slice(0, -1))), fc.constant(entry.slice(0, -1)));
    const attributes = fc.array(fc.record({ name: text, value: text }), { maxLength: 3 });
    fc.assert(
      fc.property(statement, attributes, (line, lines) => {
        const written = tryParse(() => protocol.formatEntry({ statement: line, attributes: lines }));
        if (written === undefined) return;
        expect(protocol.parseEntry(written)).toMatchObject({ statement: line, attributes: lines });
      }),
      { numRuns: 500 },
    );
  });
});
