// Paths counted for overview and report, with names instead of numbers.
import type { PathClassName, StatusCountsJson } from "../../http/insight-schema.ts";
import { type PatternCount, type Report, reportOf } from "../report.ts";
import type { Catalogue } from "./catalogue.ts";

/** Most systems that are told apart in an answer; a builder may call its system what it likes. */
const MAX_SYSTEMS = 64;

type Named = StatusCountsJson & { readonly system: string | null };

/** What overview and report have in common. */
export interface NamedCounts {
  readonly total: StatusCountsJson;
  readonly classes: Record<PathClassName, number>;
  readonly systems: Named[];
  readonly operators: (Omit<Report["operators"][number], "operator"> & { readonly operator: string })[];
  readonly buckets: Report["buckets"];
}

/** Counts rows of pattern counts. */
export function countNamed(rows: Iterable<PatternCount>, catalogue: Catalogue): NamedCounts {
  const { total, classes, systems, operators, buckets } = reportOf(rows);
  return {
    total,
    classes: { ...classes },
    systems: fewSystems(systems.map(({ system, ...counts }) => ({ system: system ?? null, ...counts }))),
    operators: operators.map(({ operator, ...counts }) => ({
      operator: catalogue.operator(operator),
      ...counts,
    })),
    buckets,
  };
}

/** The systems with most paths; the rest is counted with those whose system is unknown. */
function fewSystems(systems: readonly Named[]): Named[] {
  if (systems.length <= MAX_SYSTEMS) return [...systems];
  const bySize = systems.toSorted((a, b) => b.paths - a.paths);
  const kept = new Set(bySize.filter(({ system }) => system !== null).slice(0, MAX_SYSTEMS - 1));
  const rest = { system: null, paths: 0, reproducible: 0, disputed: 0, single: 0, unchecked: 0 };
  for (const { system: _, ...counts } of systems.filter((each) => !kept.has(each))) {
    for (const key of Object.keys(counts) as (keyof StatusCountsJson)[]) rest[key] += counts[key];
  }
  return [...systems.filter((each) => kept.has(each)), rest];
}
