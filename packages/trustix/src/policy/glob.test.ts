import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { matchesGlob } from "./glob.ts";

describe("matchesGlob", () => {
  it.each([
    ["hello", "hello", true],
    ["hello", "hello-2", false],
    ["hello-*", "hello-2.12", true],
    ["hello-*", "hello", false],
    ["*", "", true],
    ["*", "anything", true],
    ["**", "x", true],
    ["?", "", false],
    ["?", "x", true],
    ["python3.?-*", "python3.9-foo", true],
    ["python3.?-*", "python3.12-foo", false],
    ["*-source", "hello-2.12-source", true],
    ["*-source", "hello-source-2", false],
    ["a*b*c", "aXbXbc", true],
    ["a*b*c", "aXcXb", false],
    ["a.c", "abc", false],
    ["a+", "aa", false],
    ["", "", true],
    ["", "x", false],
  ])("%j and %j: %j", (pattern, name, expected) => {
    expect(matchesGlob(pattern, name)).toBe(expected);
  });

  it("says what a regular expression says", () => {
    const text = fc.string({ unit: fc.constantFrom("a", "b", "*", "?", "."), maxLength: 8 });
    fc.assert(
      fc.property(text, text, (pattern, name) => {
        const escaped = pattern.replaceAll(".", "\\.").replaceAll("*", ".*").replaceAll("?", ".");
        expect(matchesGlob(pattern, name)).toBe(new RegExp(`^${escaped}$`).test(name));
      }),
    );
  });

  it("finishes where backtracking would not", () => {
    expect(matchesGlob(`${"*a".repeat(100)}b`, "a".repeat(211))).toBe(false);
  });
});
