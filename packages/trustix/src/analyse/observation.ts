// Patterns as the estimate sees them: what each would mean if the package were flaky, and who would have deviated if not.

import { groupsOf, type Pattern } from "./classify.ts";
import type { CountedPattern, PackageContext } from "./context.ts";

/** Paths with one pattern in one context, at least two claims each. */
export interface Observation {
  readonly pattern: Pattern;
  readonly context: PackageContext;
  readonly paths: number;
  /** Operators with a claim, ascending. */
  readonly present: readonly number[];
  readonly shape: Shape;
  /**
   * Groups that may stand apart because they are odd: one builder alone, or a few that share an output. One that contradicts
   * itself is alone. `rest` is the shape of the others.
   */
  readonly apart: readonly { readonly members: readonly number[]; readonly rest: Shape }[];
  /**
   * What happened if the package is reproducible: each element is a list of sets that deviate, each set with an output of
   * its own, while the rest has the right one. One empty list when all agree.
   */
  readonly explanations: readonly (readonly (readonly number[])[])[];
}

/** All partitions of as many builders into groups of the same sizes. */
export interface Shape {
  /** Descending. */
  readonly sizes: readonly number[];
  readonly builders: number;
  /** How many partitions there are of this shape. */
  readonly partitions: number;
  /** Probability of each of them under each of {@link FLAKY_KINDS}. */
  readonly byKind: Float64Array;
}

/**
 * Kinds of flakiness, as Pitman-Yor partitions. A positive `strength` alone is a Chinese restaurant: new outputs without
 * end, the more of them the larger. `variants` outputs to choose from have probabilities from a symmetric Dirichlet
 * distribution with parameter `evenness`. "always": no two builds are equal.
 */
export const FLAKY_KINDS: readonly (
  | { readonly strength: number }
  | { readonly variants: number; readonly evenness: number }
  | "always"
)[] = [
  { strength: 0.3 },
  { strength: 1 },
  { strength: 4 },
  "always",
  { variants: 2, evenness: 0.5 },
  { variants: 2, evenness: 3 },
  { variants: 3, evenness: 1 },
  { variants: 3, evenness: 5 },
];

/** Colluders that are looked for. Of larger sets there are so many that chance always makes some stand out. */
export const MAX_COLLUDERS = 3;
/** With more outputs than this on one path, independent deviations are no explanation any more. */
const MAX_GROUPS = 4;

/** Probability of a partition of builders into groups of these sizes (Pitman 1995, the two-parameter formula). */
export function partitionProbability(sizes: readonly number[], kind: (typeof FLAKY_KINDS)[number]): number {
  if (kind === "always") return sizes.every((size) => size === 1) ? 1 : 0;
  const [discount, strength] =
    "strength" in kind ? [0, kind.strength] : [-kind.evenness, kind.variants * kind.evenness];
  let probability = 1;
  let seated = 0;
  for (let group = 0; group < sizes.length; group++) {
    for (let member = 0; member < sizes[group]!; member++, seated++) {
      if (seated === 0) continue;
      const weight = member === 0 ? strength + group * discount : member - discount;
      probability *= Math.max(0, weight) / (seated + strength);
    }
  }
  return probability;
}

/** What deviated for this partition to come about, for each group that may have the right output. */
function explain(groups: readonly (readonly number[])[], operators: number): (readonly number[])[][] {
  if (groups.length > MAX_GROUPS) return [];
  return groups
    .map((right) => groups.filter((group) => group !== right))
    .filter(
      (deviating) =>
        deviating.flat().length * 2 < operators && deviating.every((set) => set.length <= MAX_COLLUDERS),
    );
}

/** Whether a set may deviate, or be odd: of more than that the majority would be wrong. A single builder always may be odd. */
function isMinority(set: readonly number[], operators: number): boolean {
  return set.length === 1 || (set.length <= MAX_COLLUDERS && set.length * 2 < operators);
}

/** Sizes with one of this size left out. */
function without(sizes: readonly number[], size: number): number[] {
  return sizes.toSpliced(sizes.indexOf(size), 1);
}

/** How many ways there are to form groups of these sizes. */
function countPartitions(sizes: readonly number[]): number {
  let ways = 1;
  let seated = 0;
  const groups = new Map<number, number>();
  for (const size of sizes) {
    for (let member = 1; member <= size; member++) ways *= ++seated / member;
    const same = (groups.get(size) ?? 0) + 1;
    groups.set(size, same);
    ways /= same;
  }
  return ways;
}

/** The counted patterns that say anything, for `operators` operators. */
export function observe(patterns: Iterable<CountedPattern>, operators: number): Observation[] {
  const shapes = new Map<string, Shape>();
  const shapeOf = (sizes: readonly number[]): Shape => {
    const key = sizes.join();
    let found = shapes.get(key);
    if (found === undefined) {
      const byKind = Float64Array.from(FLAKY_KINDS, (kind) => partitionProbability(sizes, kind));
      const builders = sizes.reduce((sum, size) => sum + size, 0);
      found = { sizes, builders, partitions: countPartitions(sizes), byKind };
      shapes.set(key, found);
    }
    return found;
  };
  const observations: Observation[] = [];
  for (const { pattern, paths, context = "unknown" } of patterns) {
    const { agreed, torn } = groupsOf(pattern);
    const groups = [...agreed, ...torn.map((operator) => [operator])];
    const sizes = groups.map((group) => group.length).sort((a, b) => b - a);
    const present = groups.flat().sort((a, b) => a - b);
    if (present.length < 2 || paths <= 0) continue;
    observations.push({
      pattern,
      context,
      paths,
      present,
      shape: shapeOf(sizes),
      apart: groups
        .filter((group) => isMinority(group, operators) && group.length < present.length)
        .map((members) => ({ members, rest: shapeOf(without(sizes, members.length)) })),
      explanations: explain(groups, operators),
    });
  }
  return observations;
}
