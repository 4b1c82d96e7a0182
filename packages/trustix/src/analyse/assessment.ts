// The estimate over all paths, with names and with the paths that weigh most, as it is stored and shown.

import type { DatabaseSync } from "node:sqlite";
import type { BuilderJson, IntervalJson, PathSummaryJson, SuspicionJson } from "../http/insight-schema.ts";
import type { Pattern } from "./classify.ts";
import { ContextCounts, Contexts, type CountedPattern, type PackageContext } from "./context.ts";
import { type Estimate, estimate, type Suspicion } from "./estimate.ts";
import type { Pause } from "./follower.ts";
import { Catalogue } from "./queries/catalogue.ts";
import { Summaries } from "./queries/summaries.ts";

/** What is known of an operator; see `builderSchema`. */
export type OperatorAssessment = NonNullable<BuilderJson["assessment"]> & { readonly operator: string };

/** The row of table `assessment`. */
export interface Assessment {
  /** Milliseconds since 1970. */
  readonly atMs: number;
  /** Version of the analysis that it was made from. */
  readonly version: number;
  /** Of an operator that does not count now, what was known of it when it last did. */
  readonly builders: readonly OperatorAssessment[];
  /** Likewise. */
  readonly suspicions: readonly SuspicionJson[];
  /** Expected share of reproducible ones among the paths that two operators or more have built; null without such paths. */
  readonly reproducible: IntervalJson | null;
  /** Probability that a path is reproducible, by `<context> <pattern>`; patterns with two claims or more. */
  readonly reproducibility: Readonly<Record<string, number>>;
}

const MAX_EVIDENCE = 50;
/** Rows between two looks at the clock. */
const LOOK_EVERY = 512;

interface Counted {
  readonly patterns: readonly CountedPattern[];
  /** For each disputed pattern in its context, some packages that have it. */
  readonly packages: ReadonlyMap<string, readonly string[]>;
}

/** The newest assessment; undefined when there is none. */
export function readAssessment(database: DatabaseSync): Assessment | undefined {
  const row = database.prepare("SELECT json FROM assessment").get();
  return row === undefined ? undefined : (JSON.parse(row.json as string) as Assessment);
}

/** What an assessment is made of. */
export interface AssessOptions {
  readonly atMs: number;
  readonly version: number;
  readonly storeDir: string;
  /** Operators that do not count now. */
  readonly away: ReadonlySet<string>;
}

/** Assesses the paths of a database and stores the result; undefined, and nothing stored, when `pause` says not to go on. */
export async function assess(
  database: DatabaseSync,
  options: AssessOptions,
  pause: Pause,
): Promise<Assessment | undefined> {
  const { atMs, version, storeDir, away } = options;
  const catalogue = new Catalogue();
  catalogue.read(database);
  const counted = await count(database, catalogue, pause);
  if (counted === undefined) return undefined;
  const found = estimate(counted.patterns, { operators: catalogue.operators });
  const summaries = new Summaries(database, storeDir);
  const name = (operator: number): string => catalogue.operator(operator);
  const before = readAssessment(database);
  const isAway = ({ operators }: SuspicionJson): boolean => operators.some((each) => away.has(each));
  const assessment: Assessment = {
    atMs,
    version,
    builders: [
      ...found.builders
        .map(({ operator, ...rest }) => ({ operator: name(operator), ...rest }))
        .filter(({ operator }) => !away.has(operator)),
      ...(before?.builders.filter(({ operator }) => away.has(operator)) ?? []),
    ],
    suspicions: [
      ...found.suspicions.map(
        (each): SuspicionJson => ({
          ...each,
          operators: each.operators.map(name),
          evidence: evidencePaths(database, each, counted, (ids) => summaries.of(ids, catalogue)),
        }),
      ),
      ...(before?.suspicions.filter(isAway) ?? []),
    ],
    reproducible: counted.patterns.some(isComparable) ? found.reproducible : null,
    reproducibility: reproducibilities(counted.patterns, found),
  };
  database
    .prepare("INSERT OR REPLACE INTO assessment (id, at_ms, json) VALUES (1, ?, ?)")
    .run(atMs, JSON.stringify(assessment));
  return assessment;
}

async function count(
  database: DatabaseSync,
  catalogue: Catalogue,
  pause: Pause,
): Promise<Counted | undefined> {
  const contexts = new Contexts();
  const counts = new ContextCounts();
  const packages = new Map<string, string[]>();
  let of: string | undefined;
  let patterns: [Pattern, number][] = [];
  const close = (): void => {
    contexts.of(patterns).forEach((context, i) => {
      const [pattern, paths] = patterns[i]!;
      counts.add(pattern, context, paths);
      if (!contexts.isDisputed(pattern)) return;
      const key = `${context} ${pattern}`;
      const some = packages.get(key) ?? [];
      packages.set(key, some);
      if (some.length < MAX_EVIDENCE) some.push(of!);
    });
    patterns = [];
  };
  // In the order of the index, so that a package's rows are together.
  const select = database.prepare(
    "SELECT package, pattern, count(*) FROM path GROUP BY package, pattern ORDER BY package, pattern",
  );
  select.setReturnArrays(true);
  let rows = 0;
  for (const row of select.iterate()) {
    const [name, pattern, paths] = row as unknown as [string, number, number];
    if (name !== of) {
      close();
      of = name;
    }
    patterns.push([catalogue.pattern(pattern)!.text, paths]);
    if (++rows % LOOK_EVERY === 0 && !(await pause())) return undefined;
  }
  close();
  return { patterns: counts.list(), packages };
}

/** Paths that speak against somebody, those of the most telling patterns first. */
function evidencePaths(
  database: DatabaseSync,
  { evidence }: Suspicion,
  { packages }: Counted,
  summarize: (ids: readonly number[]) => PathSummaryJson[],
): SuspicionJson["evidence"] {
  const select = database.prepare(
    `SELECT p.id FROM path p JOIN pattern t ON t.id = p.pattern WHERE p.package = ? AND t.text = ?
     ORDER BY p.changed DESC, p.hash LIMIT ?`,
  );
  const found: SuspicionJson["evidence"] = [];
  for (const { pattern, context, probability } of evidence.toSorted(
    (a, b) => b.probability - a.probability,
  )) {
    for (const name of packages.get(`${context} ${pattern}`) ?? []) {
      const left = MAX_EVIDENCE - found.length;
      if (left === 0) return found;
      const ids = select.all(name, pattern, left).map(({ id }) => id as number);
      for (const path of summarize(ids)) found.push({ ...path, probability, context });
    }
  }
  return found;
}

function reproducibilities(patterns: readonly CountedPattern[], found: Estimate): Record<string, number> {
  const all: Record<string, number> = {};
  for (const { pattern, context } of patterns) {
    const probability = found.reproducibility(pattern, context);
    if (probability !== undefined) all[reproducibilityKey(pattern, context)] = probability;
  }
  return all;
}

/** Who deviates more probably than not, how probably, and on how many paths it is expected to do so alone or with others. */
export function deviantsOf({
  builders,
  suspicions,
}: Assessment): { readonly operator: string; readonly suspicion: number; readonly paths: number }[] {
  const deviating = builders.filter(({ suspicion }) => suspicion > 0.5);
  return deviating.map(({ operator, suspicion }) => ({
    operator,
    suspicion,
    paths: suspicions
      .filter(({ operators }) => operators.includes(operator))
      .reduce((sum, { paths }) => sum + paths, 0),
  }));
}

/** Where `Assessment.reproducibility` has a path of this pattern in this context. */
export function reproducibilityKey(pattern: Pattern, context: PackageContext = "unknown"): string {
  return `${context} ${pattern}`;
}

/** Whether two operators or more have a claim. */
function isComparable({ pattern }: CountedPattern): boolean {
  return pattern.replaceAll(".", "").length > 1;
}
