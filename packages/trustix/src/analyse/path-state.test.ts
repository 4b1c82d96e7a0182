import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { classify, formatPattern, MAX_OPERATORS } from "./classify.ts";
import {
  type Absence,
  foldClaim,
  historyOf,
  type NumberedClaim,
  type PathState,
  patternOf,
} from "./path-state.ts";

const claim = fc.record<NumberedClaim>({
  operator: fc.nat(4),
  statement: fc.nat(3),
  seenAtMs: fc.nat(20),
  index: fc.nat(5),
});
const claims = fc.array(claim, { maxLength: 30 });
const absences = fc.array(
  fc.record<Absence>({
    operator: fc.nat(4),
    fromMs: fc.nat(20),
    untilMs: fc.option(fc.nat(25), { nil: undefined }),
  }),
  { maxLength: 3 },
);

function fold(all: readonly NumberedClaim[]): PathState {
  return all.reduce<PathState>(foldClaim, []);
}

/** The pattern of a set of claims, straight from the definition. */
function recomputed(all: readonly NumberedClaim[], counts = (_: number) => true): string {
  return formatPattern(
    Array.from({ length: 5 }, (_, operator) => {
      if (!counts(operator)) return undefined;
      const own = all.filter((each) => each.operator === operator);
      const statements = new Set(own.map(({ statement }) => statement));
      return statements.size > 1 ? "torn" : own[0]?.statement;
    }),
  );
}

describe("foldClaim", () => {
  test("gives what a recomputation gives, after each claim, in any order", () => {
    fc.assert(
      fc.property(claims, (all) => {
        let state: PathState = [];
        all.forEach((each, i) => {
          state = foldClaim(state, each);
          expect(patternOf(state)).toBe(recomputed(all.slice(0, i + 1)));
        });
      }),
    );
  });

  test("does not depend on the order, and takes the same claim twice as once", () => {
    const shuffled = claims.chain((all) =>
      fc.tuple(
        fc.constant(all),
        fc.shuffledSubarray([...all, ...all], { minLength: 2 * all.length, maxLength: 2 * all.length }),
      ),
    );
    fc.assert(
      fc.property(shuffled, ([all, other]) => {
        expect(fold(other)).toEqual(fold(all));
      }),
    );
  });

  test("stays small when a log claims a thousand things", () => {
    const all = Array.from({ length: 1000 }, (_, i) => ({
      operator: 0,
      statement: i,
      seenAtMs: 1000 - i,
      index: i,
    }));
    expect(fold(all)).toEqual([all[999], all[998]]);
  });

  test("returns the same state when nothing changes", () => {
    const state = fold([{ operator: 0, statement: 0, seenAtMs: 5, index: 1 }]);
    expect(foldClaim(state, { operator: 0, statement: 0, seenAtMs: 6, index: 0 })).toBe(state);
  });

  test.each([
    { operator: -1 },
    { operator: MAX_OPERATORS },
    { statement: 0.5 },
    { seenAtMs: Number.NaN },
    { index: 2 ** 53 },
  ])("refuses %j", (wrong) => {
    const good = { operator: 0, statement: 0, seenAtMs: 0, index: 0 };
    expect(() => foldClaim([], { ...good, ...wrong })).toThrow(
      expect.objectContaining({ code: "INVALID_ARGUMENT" }),
    );
  });
});

describe("historyOf", () => {
  test("is what recomputing at each moment gives", () => {
    fc.assert(
      fc.property(claims, absences, (all, away) => {
        const { changes } = historyOf(fold(all), away);
        for (let now = 0; now <= 26; now++) {
          const counts = (operator: number) =>
            !away.some(
              (each) =>
                each.operator === operator &&
                each.fromMs <= now &&
                now < (each.untilMs ?? Number.POSITIVE_INFINITY),
            );
          const pattern = recomputed(
            all.filter(({ seenAtMs }) => seenAtMs <= now),
            counts,
          );
          const last = changes.findLast(({ atMs }) => atMs <= now);
          expect(last?.kind ?? "unchecked").toBe(classify(pattern).kind);
        }
      }),
    );
  });

  test("tells when a path became disputed, when it healed, and when it broke again", () => {
    const at = (operator: number, statement: number, seenAtMs: number) => ({
      operator,
      statement,
      seenAtMs,
      index: 0,
    });
    const state = fold([at(0, 0, 10), at(1, 0, 20), at(2, 1, 30), at(3, 0, 40)]);
    expect(historyOf(state)).toMatchObject({ disputedAtMs: 30, healedAtMs: undefined });
    expect(historyOf(state).changes.map(({ kind }) => kind)).toEqual(["single", "unanimous", "majority"]);
    expect(historyOf(state, [{ operator: 2, fromMs: 50 }])).toMatchObject({
      disputedAtMs: 30,
      healedAtMs: 50,
    });
    expect(historyOf(state, [{ operator: 2, fromMs: 50, untilMs: 60 }])).toMatchObject({
      disputedAtMs: 60,
      healedAtMs: undefined,
    });
    expect(historyOf([])).toEqual({ changes: [], disputedAtMs: undefined, healedAtMs: undefined });
  });
});
