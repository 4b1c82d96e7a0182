// Counts of a report, and the agreement between operators, from counted patterns.

import { classify, groupsOf, type PathClass, type PathStatus, type Pattern, statusOf } from "./classify.ts";

/** Paths that share pattern and labels, counted: what a database's GROUP BY gives. */
export interface PatternCount {
  readonly pattern: Pattern;
  readonly paths: number;
  /** Such as `x86_64-linux`; undefined when unknown. */
  readonly system?: string | undefined;
  /** Start of the span of time that the paths were first seen in, milliseconds since 1970. */
  readonly bucketMs?: number | undefined;
}

/** Paths by what a report calls them; they add up to `paths`. */
export type StatusCounts = Readonly<Record<PathStatus, number>> & { readonly paths: number };

/** How an operator fares. */
export interface OperatorCounts extends StatusCounts {
  readonly operator: number;
  /** Paths in which more than half of those with a claim agree on something else. */
  readonly outlier: number;
  /** Those of them in which it is the only one. */
  readonly alone: number;
  /** Paths about which it contradicts itself. */
  readonly torn: number;
}

/** A report. Every path is counted once in each of `total`, `systems` and `buckets`, and once for each of its operators. */
export interface Report {
  readonly total: StatusCounts;
  readonly classes: Readonly<Record<PathClass, number>>;
  /** By operator number, for all operators with a claim. `unchecked` is 0. */
  readonly operators: readonly OperatorCounts[];
  /** By name of the system; paths of unknown system come last, under undefined. */
  readonly systems: readonly (StatusCounts & { readonly system: string | undefined })[];
  /** By time, oldest first; paths without a time come last, under undefined. */
  readonly buckets: readonly (StatusCounts & { readonly bucketMs: number | undefined })[];
}

type Counts = { -readonly [Key in keyof StatusCounts]: number };

function noCounts(): Counts {
  return { paths: 0, reproducible: 0, disputed: 0, single: 0, unchecked: 0 };
}

/** Adds up counted patterns. Give paths that nobody has a claim for with pattern `""`: they are `unchecked`. */
export function reportOf(rows: Iterable<PatternCount>): Report {
  const total = noCounts();
  const classes: Record<PathClass, number> = {
    unchecked: 0,
    single: 0,
    unanimous: 0,
    majority: 0,
    split: 0,
    conflicting: 0,
  };
  const operators: (Counts & { outlier: number; alone: number; torn: number })[] = [];
  const systems = new Map<string | undefined, Counts>();
  const buckets = new Map<number | undefined, Counts>();
  for (const { pattern, paths, system, bucketMs } of rows) {
    const { kind, agreeing, outliers, torn } = classify(pattern);
    const status = statusOf(kind);
    const count = (counts: Counts): void => {
      counts.paths += paths;
      counts[status] += paths;
    };
    classes[kind] += paths;
    count(total);
    count(entry(systems, system));
    count(entry(buckets, bucketMs));
    for (const operator of [...agreeing, ...outliers]) {
      while (operators.length <= operator) {
        operators.push({ ...noCounts(), outlier: 0, alone: 0, torn: 0 });
      }
      const own = operators[operator]!;
      count(own);
      if (agreeing.length > outliers.length && outliers.includes(operator)) {
        own.outlier += paths;
        if (outliers.length === 1) own.alone += paths;
      }
      if (torn.includes(operator)) own.torn += paths;
    }
  }
  return {
    total,
    classes,
    operators: operators
      .map((counts, operator) => ({ operator, ...counts }))
      .filter(({ paths }) => paths > 0),
    systems: sorted(systems).map(([system, counts]) => ({ system, ...counts })),
    buckets: sorted(buckets).map(([bucketMs, counts]) => ({ bucketMs, ...counts })),
  };
}

function entry<Key>(counts: Map<Key, Counts>, key: Key): Counts {
  const found = counts.get(key) ?? noCounts();
  counts.set(key, found);
  return found;
}

/** By key, undefined last. Text in the order of its UTF-16 units, the same on every machine. */
function sorted<Key extends string | number>(
  counts: Map<Key | undefined, Counts>,
): [Key | undefined, Counts][] {
  return [...counts].sort(([a], [b]) => {
    if (a === undefined || b === undefined) return a === b ? 0 : a === undefined ? 1 : -1;
    return a < b ? -1 : a > b ? 1 : 0;
  });
}

/** How often two operators agree. */
export interface AgreementMatrix {
  /** Rows and columns. */
  readonly operators: number;
  /** At `row * operators + column`: paths that both have a claim for. On the diagonal: that the operator has one for. */
  readonly shared: Float64Array;
  /** Likewise: those of them in which both say the same. One that contradicts itself agrees with nobody, not with itself either. */
  readonly agreed: Float64Array;
}

/** The agreement of each operator with each other, for `operators` of them. Symmetric. */
export function agreementMatrix(
  patterns: Iterable<readonly [Pattern, number]>,
  operators: number,
): AgreementMatrix {
  const shared = new Float64Array(operators * operators);
  const agreed = new Float64Array(operators * operators);
  const add = (into: Float64Array, group: readonly number[], paths: number): void => {
    for (const row of group) for (const column of group) into[row * operators + column]! += paths;
  };
  for (const [pattern, paths] of patterns) {
    const groups = groupsOf(pattern);
    add(shared, [...groups.agreed.flat(), ...groups.torn], paths);
    for (const group of groups.agreed) add(agreed, group, paths);
  }
  return { operators, shared, agreed };
}
