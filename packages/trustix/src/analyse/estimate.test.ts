import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { formatPattern } from "./classify.ts";
import { countInContext } from "./context.ts";
import { estimate } from "./estimate.ts";
import { FLAKY_KINDS, observe, partitionProbability } from "./observation.ts";
import { otherWorlds, scenarios, simulate } from "./simulate.test.util.ts";

/** One seed of each; `bench/suspects.ts` runs a hundred. */
const SEED = 1;

describe("estimate", () => {
  test.each(scenarios())("$name", ({ world, guilty }) => {
    const { builders, suspicions, reproducible } = estimate(countInContext(simulate(world, SEED)));
    const named = builders.filter(({ verdict }) => verdict === "suspect");
    expect(named.map(({ operator }) => operator)).toEqual(guilty);
    expect([...new Set(suspicions.flatMap(({ operators }) => operators))].sort()).toEqual(guilty);
    expect(Math.abs(reproducible.mean - 0.85)).toBeLessThan(0.02);
  });

  const scenario = (name: string, world = {}) => {
    const found = scenarios(world).find((each) => each.name === name)!;
    return estimate(countInContext(simulate(found.world, SEED)));
  };

  test("tells how much a liar lies, and shows the paths that say so", () => {
    const { suspicions } = scenario("liar at 1 %");
    const [liar] = suspicions;
    expect(liar!.rate.low).toBeLessThan(0.01);
    expect(liar!.rate.high).toBeGreaterThan(0.01);
    expect(liar!.evidence[0]).toMatchObject({ pattern: "abbbbbb", context: "agreed" });
    expect(liar!.evidence[0]!.probability).toBeGreaterThan(0.99);
  });

  test("names colluders as a pair, not one by one", () => {
    const [first] = scenario("two colluders at 1 %").suspicions;
    expect(first!.operators).toEqual([0, 1]);
  });

  test("explains a broken clock: odd where packages are flaky, faithful otherwise", () => {
    const { builders } = scenario("broken clock");
    expect(builders[0]).toMatchObject({ verdict: "faithful" });
    expect(builders[0]!.oddness.low).toBeGreaterThan(0.15);
    for (const other of builders.slice(1)) expect(other.oddness.high).toBeLessThan(0.1);
  });

  test("finds a liar in a part of the paths, and tells how many there are of all", () => {
    const world = scenarios().find(({ name }) => name === "liar at 1 %")!.world;
    const counted = countInContext(simulate(world, SEED));
    const all = estimate(counted);
    const part = estimate(counted, { mostPatterns: counted.length >> 3 });
    expect(part).not.toEqual(all);
    expect(part.builders.map(({ verdict }) => verdict)).toEqual(all.builders.map(({ verdict }) => verdict));
    expect(part.builders[1]!.paths / all.builders[1]!.paths).toBeCloseTo(1, 1);
    expect(part.suspicions[0]!.paths / all.suspicions[0]!.paths).toBeCloseTo(1, 0);
    expect(part.builders[0]!.deviation.low).toBeLessThan(all.builders[0]!.deviation.low);
  });

  describe("seven builders, of whom some are of one mind", () => {
    const named = (patterns: Readonly<Record<string, number>>): number[] => {
      const usual = [
        { pattern: "aaaaaaa", paths: 20_000, context: "agreed" },
        { pattern: "abaabab", paths: 1500, context: "disputed" },
        { pattern: "aababaa", paths: 1500, context: "disputed" },
      ] as const;
      const more = Object.entries(patterns).map(
        ([pattern, paths]) => ({ pattern, paths, context: "agreed" }) as const,
      );
      return estimate([...usual, ...more])
        .builders.filter(({ verdict }) => verdict === "suspect")
        .map(({ operator }) => operator);
    };

    test("no flood of made-up paths makes their lies rare", () => {
      const flood = 5_000_000;
      expect(named({ abbbbbb: 200, aa: flood })).toEqual([0]);
      expect(named({ aabbbbb: 200, aa: flood })).toEqual([0, 1]);
      expect(named({ abbbbbb: 200, aa: flood, "a.a": flood, aaa: flood, ".aa": flood })).toEqual([0]);
      expect(named({ aaabbbb: 200, aaa: flood })).toEqual([0, 1, 2]);
    });

    test("one alone accuses nobody: who of two is right, nobody knows", () => {
      expect(named({ "a.....b": 500 })).toEqual([]);
      expect(named({ ab: 50, "a.b": 50, "a..b": 50, "a...b": 50, "a....b": 50 })).toEqual([]);
    });
  });

  test("gives numbers for hundreds of builders, too", () => {
    const voices = (of: (operator: number) => number) =>
      formatPattern(Array.from({ length: 900 }, (_, i) => of(i)));
    const { builders, reproducible } = estimate([
      { pattern: voices((i) => i % 450), paths: 10 },
      { pattern: voices((i) => i % 300), paths: 10 },
      { pattern: voices(() => 0), paths: 1 },
    ]);
    for (const { suspicion, deviation } of builders) expect(suspicion + deviation.mean).toBeGreaterThan(0);
    expect(reproducible.mean).toBeLessThan(0.5);
  });

  test("says of a new builder that it does not know yet", () => {
    const { builders } = scenario("new builder");
    expect(builders[0]).toMatchObject({ verdict: "unclear" });
    expect(builders[0]!.deviation.high).toBeGreaterThan(builders[1]!.deviation.high);
  });

  test("needs no context when liars are not rare", () => {
    for (const name of [
      "liar at 1 %",
      "liar at 10 %",
      "two colluders at 1 %",
      "broken clock",
      "nobody lies",
    ]) {
      const { builders } = scenario(name, { pathsPerPackage: 1 });
      const guilty = scenarios().find((each) => each.name === name)!.guilty;
      const named = builders.filter(({ verdict }) => verdict === "suspect");
      expect(named.map(({ operator }) => operator)).toEqual(guilty);
    }
  });

  test("is not misled by how many sets there are among twenty builders", () => {
    const builders = [{ lies: 0.01 }, ...Array.from({ length: 19 }, () => ({ coverage: 0.9 }))];
    const world = { ...scenarios()[0]!.world, paths: 10_000, builders };
    const named = estimate(countInContext(simulate(world, SEED))).builders.filter(
      ({ verdict }) => verdict === "suspect",
    );
    expect(named.map(({ operator }) => operator)).toEqual([0]);
  });

  test.each([
    "two share a toolchain, one path a package",
    "two share a toolchain, 4 builders",
    "half of all packages are flaky",
    "honest builders stray ten times as often",
    "100 paths, nobody lies",
    "100 paths, 4 builders, nobody lies",
  ])("names nobody: %s", (name) => {
    const { world } = otherWorlds().find((each) => each.name === name)!;
    const { builders } = estimate(
      countInContext(simulate({ ...world, paths: Math.min(world.paths, 20_000) }, SEED)),
    );
    expect(builders.filter(({ verdict }) => verdict === "suspect")).toEqual([]);
  });

  test("needs some paths to name one, however sure it would be: those of a demonstration are too few", () => {
    const of = (times: number) =>
      estimate([
        { pattern: "aaaa", paths: 3 * times },
        { pattern: "aaba", paths: times },
        { pattern: "abcd", paths: times },
      ]);
    for (const times of [1, 2, 4, 8]) {
      const { builders } = of(times);
      expect(builders.map(({ verdict }) => verdict)).toEqual(["unclear", "unclear", "unclear", "unclear"]);
      const others = builders.filter(({ operator }) => operator !== 2);
      expect(builders[2]!.suspicion).toBeGreaterThan(Math.max(...others.map(({ suspicion }) => suspicion)));
    }
    const { builders, suspicions } = of(20);
    expect(builders[2]!.verdict).toBe("suspect");
    expect(suspicions[0]!.paths).toBeGreaterThan(15);
  });

  test("blames nobody when there are two builders, and a lone deviator when there are three", () => {
    const of = (counts: Record<string, number>) =>
      estimate(Object.entries(counts).map(([pattern, paths]) => ({ pattern, paths }))).builders.map(
        ({ verdict }) => verdict,
      );
    expect(of({ aa: 1000, ab: 1000 })).not.toContain("suspect");
    expect(of({ aaa: 10_000, aab: 500, abc: 100 })).toEqual(["faithful", "faithful", "suspect"]);
  });

  test("takes one that contradicts itself for one that stands alone", () => {
    const { builders } = estimate([
      { pattern: "aaaa", paths: 10_000 },
      { pattern: "!aaa", paths: 300 },
    ]);
    expect(builders.map(({ verdict }) => verdict)).toEqual(["suspect", "faithful", "faithful", "faithful"]);
  });

  test("gives each pattern its probability of a reproducible package", () => {
    const { reproducibility } = scenario("nobody lies");
    expect(reproducibility("aaaaaaa", "agreed")).toBeGreaterThan(0.99);
    expect(reproducibility("abcdefg", "disputed")).toBeLessThan(0.01);
    expect(reproducibility("a")).toBeUndefined();
  });

  test("is finite and within bounds for any input", () => {
    const pattern = fc
      .array(fc.oneof(fc.nat(3), fc.constant("torn" as const), fc.constant(undefined)), { maxLength: 12 })
      .map(formatPattern);
    const context = fc.constantFrom("unknown", "agreed", "outliers", "disputed" as const);
    const counted = fc.array(fc.record({ pattern, context, paths: fc.nat(10_000) }), { maxLength: 12 });
    fc.assert(
      fc.property(counted, (given) => {
        const { builders, reproducible, reproducibility } = estimate(given);
        for (const { suspicion, deviation, oddness } of builders) {
          expect(suspicion).toBeGreaterThanOrEqual(0);
          expect(suspicion).toBeLessThanOrEqual(1);
          for (const { low, mean, high } of [deviation, oddness, reproducible]) {
            expect(low).toBeGreaterThanOrEqual(0);
            expect(high).toBeLessThanOrEqual(1);
            expect(mean).toBeGreaterThan(0);
            expect(low).toBeLessThanOrEqual(high);
          }
        }
        for (const { pattern, context } of given) {
          const share = reproducibility(pattern, context);
          if (share !== undefined) expect(share).toBeGreaterThanOrEqual(0);
        }
      }),
      { numRuns: 50 },
    );
  });
});

test("the partitions of seven builders have probabilities that add up to 1, whatever the kind", () => {
  const patterns = new Set<string>();
  const grow = (voices: number[]): void => {
    if (voices.length === 7) {
      patterns.add(formatPattern(voices));
      return;
    }
    for (let next = 0; next <= voices.length; next++) grow([...voices, next]);
  };
  grow([]);
  expect(patterns.size).toBe(877);
  const observations = observe(
    [...patterns].map((pattern) => ({ pattern, paths: 1 })),
    7,
  );
  FLAKY_KINDS.forEach((kind, i) => {
    const sum = observations.reduce((all, { shape }) => all + shape.byKind[i]!, 0);
    expect(sum).toBeCloseTo(1, 10);
    expect(partitionProbability([1], kind)).toBe(1);
  });
  const bySize = Map.groupBy(observations, ({ shape }) => shape);
  for (const [shape, own] of bySize) expect(own.length).toBe(shape.partitions);
});

test("a path's own dispute is not part of its context", () => {
  const counted = countInContext([
    { pattern: "ab", name: "flaky" },
    { pattern: "aa", name: "flaky" },
    { pattern: "aab", name: "lied about" },
    { pattern: "aaa", name: "lied about" },
    { pattern: "aaa", name: "lied about" },
    { pattern: "aa", name: "alone" },
    { pattern: "a", name: "alone" },
  ]);
  expect(counted).toEqual([
    { pattern: "aa", paths: 1, context: "unknown" },
    { pattern: "ab", paths: 1, context: "agreed" },
    { pattern: "aab", paths: 1, context: "agreed" },
    { pattern: "a", paths: 1, context: "agreed" },
    { pattern: "aaa", paths: 2, context: "outliers" },
    { pattern: "aa", paths: 1, context: "disputed" },
  ]);
});
