import fc from "fast-check";
import { expect, it } from "vitest";
import { formatNarName, parseNarName } from "./nar-name.ts";
import { VERIFIABLE } from "./nar-verifier.ts";

const nix32 = (length: number) =>
  fc.string({
    unit: fc.constantFrom(..."0123456789abcdfghijklmnpqrsvwxyz"),
    minLength: length,
    maxLength: length,
  });

const names = fc.record({
  hashPart: nix32(32),
  narHash: nix32(52),
  file: fc.oneof(nix32(26), fc.constant("any")),
  compression: fc.constantFrom(...VERIFIABLE),
});

it("what is formatted is parsed again", () => {
  fc.assert(
    fc.property(names, (name) => {
      expect(parseNarName(formatNarName(name))).toEqual(name);
    }),
  );
});

it("what is parsed is formatted again, and nothing else is parsed", () => {
  const near = fc.tuple(names, fc.nat(160), fc.string({ maxLength: 2 })).map(([name, at, text]) => {
    const path = formatNarName(name);
    return path.slice(0, at) + text + path.slice(at + 1);
  });
  fc.assert(
    fc.property(near, (path) => {
      const name = parseNarName(path);
      if (name !== undefined) expect(formatNarName(name)).toBe(path);
    }),
  );
});
