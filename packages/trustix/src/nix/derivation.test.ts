import { describe, expect, it } from "vitest";
import { systemOfDerivation } from "./derivation.ts";

const derivation = (outputs: string, inputs: string, sources: string, system: string): string =>
  `Derive(${outputs},${inputs},${sources},"${system}","/bin/sh",["-c","x"],[("name","a")])`;

describe("systemOfDerivation", () => {
  it("reads the system behind lists of any shape", () => {
    const out = '[("out","/nix/store/0000000000000000000000000000000a-a","","")]';
    expect(systemOfDerivation(derivation(out, "[]", "[]", "x86_64-linux"))).toBe("x86_64-linux");
    expect(
      systemOfDerivation(
        derivation(out, '[("/nix/store/x.drv",["out","dev"]),("/y",["o"])]', '["/a","/b"]', "aarch64-darwin"),
      ),
    ).toBe("aarch64-darwin");
    expect(systemOfDerivation(derivation(out, "[]", "[]", "builtin"))).toBe("builtin");
  });

  it("is not misled by brackets and quotes within strings", () => {
    const sources = String.raw`["]],\"mips-linux\"","\\","["]`;
    expect(systemOfDerivation(derivation("[]", "[]", sources, "i686-linux"))).toBe("i686-linux");
  });

  it("reads derivations with a version", () => {
    const text = derivation("[]", "[]", "[]", "x86_64-linux").replace(
      "Derive(",
      'DrvWithVersion("xp-dyn-drv",',
    );
    expect(systemOfDerivation(text)).toBe("x86_64-linux");
  });

  it.each([
    "",
    "Derive(",
    "Derive([",
    'Derive(["',
    'Derive(["\\',
    "Derive([],[],[]",
    "Derive([],[],[],",
    'Derive([],[],[],"x86_64-linux"',
    'Derive([],[],[],"a b",',
    `Derive([],[],[],"${"a".repeat(65)}",`,
    'Derive([],[],("x86_64-linux",',
    ' Derive([],[],[],"x86_64-linux",',
    "[".repeat(1_000_000),
    `Derive(${"[".repeat(1_000_000)}`,
  ])("knows nothing of %.40s", (text) => {
    expect(systemOfDerivation(text)).toBeUndefined();
  });
});
