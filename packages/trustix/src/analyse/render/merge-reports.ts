// Several reports as one: a list of paths may be longer than a request to the daemon may be.

import type { ReportJson, StatusCountsJson } from "../../http/insight-schema.ts";
import { addCounts } from "./spans.ts";

/**
 * The report on all the paths of several reports, none of which may have a path of another. Systems and days are in
 * order, and of the disputed paths those whose class changed last come first.
 * @param reports one at least
 * @param list disputed paths to list at most
 */
export function mergeReports(reports: readonly ReportJson[], list: number): ReportJson {
  const [first, ...more] = reports as [ReportJson, ...ReportJson[]];
  if (more.length === 0) return first;
  const classes = { ...first.classes };
  for (const report of more) {
    for (const kind of Object.keys(classes) as (keyof typeof classes)[])
      classes[kind] += report.classes[kind];
  }
  const disputed = reports.flatMap((report) => report.disputed);
  disputed.sort((a, b) => compare(b.changed, a.changed) || compare(a.hashPart, b.hashPart));
  const listed = disputed.slice(0, list);
  const found = disputed.length + reports.reduce((sum, { unlisted }) => sum + unlisted, 0);
  const newest = reports.at(-1) as ReportJson;
  return {
    version: newest.version,
    at: newest.at,
    behind: Math.max(...reports.map(({ behind }) => behind)),
    total: reports.map(({ total }) => total).reduce(addCounts),
    classes,
    operators: mergeBy(
      reports.flatMap((report) => report.operators),
      ({ operator }) => operator,
      (a, b) => ({
        operator: a.operator,
        outlier: a.outlier + b.outlier,
        alone: a.alone + b.alone,
        torn: a.torn + b.torn,
      }),
    ),
    systems: mergeBy(
      reports.flatMap((report) => report.systems),
      ({ system }) => system,
      ({ system }) => ({ system }),
    ),
    days: mergeBy(
      reports.flatMap((report) => report.days),
      ({ day }) => day,
      ({ day }) => ({ day }),
    ),
    disputed: listed,
    unlisted: found - listed.length,
  };
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

/** Rows with the same key added up; by key, null last. */
function mergeBy<Row extends StatusCountsJson>(
  rows: readonly Row[],
  keyOf: (row: Row) => string | null,
  rest: (a: Row, b: Row) => Omit<Row, keyof StatusCountsJson>,
): Row[] {
  const merged = new Map<string | null, Row>();
  for (const row of rows) {
    const key = keyOf(row);
    const before = merged.get(key);
    merged.set(
      key,
      before === undefined ? row : ({ ...rest(before, row), ...addCounts(before, row) } as Row),
    );
  }
  return [...merged]
    .sort(([a], [b]) => {
      if (a === null || b === null) return a === b ? 0 : a === null ? 1 : -1;
      return compare(a, b);
    })
    .map(([, row]) => row);
}
