// What a package's other paths (its other versions, outputs and systems) say of how reproducible it is.
//
// One path alone cannot tell a lie from a flaky package that had two variants and gave six builders the same one. The other
// paths of the package can: a flaky package is flaky there too.

import { groupsOf, type Pattern } from "./classify.ts";

/**
 * What is seen on the other paths of the same package:
 * - `unknown`: there is none that two operators have built;
 * - `agreed`: all agree, wherever two have built it;
 * - `outliers`: at worst, one operator or a minority with one statement stands against all others;
 * - `disputed`: there is more disagreement than that on one at least.
 */
export type PackageContext = "unknown" | "agreed" | "outliers" | "disputed";

/** Paths that share pattern and context, counted. */
export interface CountedPattern {
  readonly pattern: Pattern;
  readonly paths: number;
  /** Default `unknown`. */
  readonly context?: PackageContext;
}

type Level = 0 | 1 | 2 | 3;
const CONTEXTS: readonly PackageContext[] = ["unknown", "agreed", "outliers", "disputed"];

/** How bad it looks on one path, as an index into `CONTEXTS`. */
function levelOf(pattern: Pattern): Level {
  const { agreed, torn } = groupsOf(pattern);
  const sizes = [...agreed.map((group) => group.length), ...torn.map(() => 1)];
  const claims = sizes.reduce((sum, size) => sum + size, 0);
  if (claims < 2) return 0;
  if (sizes.length === 1) return 1;
  return sizes.length === 2 && Math.max(...sizes) * 2 > claims ? 2 : 3;
}

/**
 * Counts paths by pattern and by what the package's other paths show. `paths` gives each path once, with the package that it is
 * of: its name without version, say. It is iterated twice.
 */
export function countInContext(
  paths: Iterable<{ readonly pattern: Pattern; readonly name: string }>,
): CountedPattern[] {
  const levels = new Map<Pattern, Level>();
  const level = (pattern: Pattern): Level => {
    const found = levels.get(pattern) ?? levelOf(pattern);
    levels.set(pattern, found);
    return found;
  };
  const packages = new Map<string, [number, number, number, number]>();
  for (const { pattern, name } of paths) {
    const counts = packages.get(name) ?? [0, 0, 0, 0];
    packages.set(name, counts);
    counts[level(pattern)]++;
  }
  const counted = CONTEXTS.map(() => new Map<Pattern, number>());
  for (const { pattern, name } of paths) {
    const own = level(pattern);
    let worst = 3;
    while (worst > 0 && packages.get(name)![worst as Level] - (own === worst ? 1 : 0) === 0) worst--;
    const into = counted[worst]!;
    into.set(pattern, (into.get(pattern) ?? 0) + 1);
  }
  return counted.flatMap((patterns, i) =>
    Array.from(patterns, ([pattern, count]) => ({ pattern, paths: count, context: CONTEXTS[i]! })),
  );
}
