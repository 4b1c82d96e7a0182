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

/** Tells the contexts of patterns; remembers what each pattern says. */
export class Contexts {
  readonly #levels = new Map<Pattern, Level>();

  /** The context of the paths of each pattern, in the order given. `patterns` are all of one package, with the number of paths. */
  of(patterns: readonly (readonly [Pattern, number])[]): PackageContext[] {
    const counts: [number, number, number, number] = [0, 0, 0, 0];
    for (const [pattern, paths] of patterns) counts[this.#level(pattern)] += paths;
    return patterns.map(([pattern]) => {
      const own = this.#level(pattern);
      let worst = 3;
      while (worst > 0 && counts[worst as Level] - (own === worst ? 1 : 0) === 0) worst--;
      return CONTEXTS[worst]!;
    });
  }

  /** Whether somebody disagrees on paths of this pattern. */
  isDisputed(pattern: Pattern): boolean {
    return this.#level(pattern) >= 2;
  }

  #level(pattern: Pattern): Level {
    const found = this.#levels.get(pattern) ?? levelOf(pattern);
    this.#levels.set(pattern, found);
    return found;
  }
}

/** Counts of patterns in their contexts. */
export class ContextCounts {
  readonly #counted = new Map<PackageContext, Map<Pattern, number>>();

  add(pattern: Pattern, context: PackageContext, paths: number): void {
    const into = this.#counted.get(context) ?? new Map<Pattern, number>();
    this.#counted.set(context, into);
    into.set(pattern, (into.get(pattern) ?? 0) + paths);
  }

  /** Contexts in a fixed order, patterns in the order in which they were first added. */
  list(): CountedPattern[] {
    return CONTEXTS.flatMap((context) =>
      Array.from(this.#counted.get(context) ?? [], ([pattern, paths]) => ({ pattern, paths, context })),
    );
  }
}

/**
 * Counts paths by pattern and by what the package's other paths show. `paths` gives each path once, with the package that it is
 * of: its name without version, say.
 */
export function countInContext(
  paths: Iterable<{ readonly pattern: Pattern; readonly name: string }>,
): CountedPattern[] {
  const packages = new Map<string, Map<Pattern, number>>();
  for (const { pattern, name } of paths) {
    const counts = packages.get(name) ?? new Map<Pattern, number>();
    packages.set(name, counts);
    counts.set(pattern, (counts.get(pattern) ?? 0) + 1);
  }
  const contexts = new Contexts();
  const counted = new ContextCounts();
  for (const counts of packages.values()) {
    const patterns = [...counts];
    contexts.of(patterns).forEach((context, i) => {
      const [pattern, count] = patterns[i]!;
      counted.add(pattern, context, count);
    });
  }
  return counted.list();
}
