import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { TrustixError } from "../errors.ts";
import { classify, formatPattern, groupsOf, MAX_OPERATORS, statusOf } from "./classify.ts";

describe("classify", () => {
  test.each([
    ["", "unchecked", [], []],
    ["a", "single", [0], []],
    ["..a", "single", [2], []],
    ["aa", "unanimous", [0, 1], []],
    ["a.a.a", "unanimous", [0, 2, 4], []],
    ["aab", "majority", [0, 1], [2]],
    ["abbb", "majority", [1, 2, 3], [0]],
    ["aaabc", "majority", [0, 1, 2], [3, 4]],
    ["ab", "split", [], [0, 1]],
    ["aabb", "split", [], [0, 1, 2, 3]],
    ["aabc", "split", [0, 1], [2, 3]],
    ["abc", "split", [], [0, 1, 2]],
    ["!", "conflicting", [], [0]],
    ["!aa", "conflicting", [1, 2], [0]],
    ["ab!", "conflicting", [], [0, 1, 2]],
  ] as const)("%j is %s", (pattern, kind, agreeing, outliers) => {
    expect(classify(pattern)).toMatchObject({ kind, agreeing, outliers });
  });

  test("a path that one operator built is neither reproducible nor disputed", () => {
    expect(statusOf("single")).toBe("single");
    expect(statusOf("unchecked")).toBe("unchecked");
    expect(statusOf("unanimous")).toBe("reproducible");
    for (const kind of ["majority", "split", "conflicting"] as const) expect(statusOf(kind)).toBe("disputed");
  });
});

const voices = fc.array(fc.oneof(fc.nat(4), fc.constant("torn" as const), fc.constant(undefined)), {
  maxLength: 9,
});

describe("formatPattern", () => {
  test("has one text for one situation, whatever the statements are numbered", () => {
    fc.assert(
      fc.property(voices, fc.nat(1000), (given, offset) => {
        const renumbered = given.map((voice) => (typeof voice === "number" ? 4 - voice + offset : voice));
        expect(formatPattern([...renumbered, undefined])).toBe(formatPattern(given));
      }),
    );
  });

  test("keeps who agrees with whom", () => {
    fc.assert(
      fc.property(voices, (given) => {
        const { agreed, torn } = groupsOf(formatPattern(given));
        expect(torn).toEqual(given.flatMap((voice, operator) => (voice === "torn" ? [operator] : [])));
        for (const group of agreed) expect(new Set(group.map((operator) => given[operator])).size).toBe(1);
        const statements = given.filter((voice) => typeof voice === "number");
        expect(agreed.length).toBe(new Set(statements).size);
        expect(agreed.flat().length).toBe(statements.length);
      }),
    );
  });

  test("takes as many operators as are told apart, and no more", () => {
    const all = Array.from({ length: MAX_OPERATORS }, (_, i) => i);
    expect(groupsOf(formatPattern(all)).agreed.length).toBe(MAX_OPERATORS);
    expect(() => formatPattern([...all, 0])).toThrow(TrustixError);
  });
});
