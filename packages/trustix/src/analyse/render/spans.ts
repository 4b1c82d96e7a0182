// Days put together into spans that can be read at a glance.

import type { ReportJson, StatusCountsJson } from "../../http/insight-schema.ts";

/** Counts of the paths that were first seen in a span: a day, a month or a year, as text; null when that is not known. */
export type SpanCounts = StatusCountsJson & { readonly span: string | null };

/** How much of `YYYY-MM-DD` names a day, a month and a year. */
const LENGTHS = [10, 7, 4];

/**
 * The days of a report by day, by month or by year: by the shortest of them that makes at most `most` spans. Oldest first,
 * unknown days last; spans without a path are left out.
 */
export function spansOf(days: ReportJson["days"], most: number): readonly SpanCounts[] {
  let spans: readonly SpanCounts[] = [];
  for (const length of LENGTHS) {
    spans = grouped(days, length);
    if (spans.length <= most) break;
  }
  return spans;
}

function grouped(days: ReportJson["days"], length: number): readonly SpanCounts[] {
  const spans = new Map<string | null, SpanCounts>();
  for (const { day, ...counts } of days) {
    const span = day?.slice(0, length) ?? null;
    const before = spans.get(span);
    spans.set(span, { span, ...(before === undefined ? counts : addCounts(before, counts)) });
  }
  return [...spans.values()].sort((a, b) => {
    if (a.span === null || b.span === null) return a.span === b.span ? 0 : a.span === null ? 1 : -1;
    return a.span < b.span ? -1 : 1;
  });
}

/** The sum of two counts. */
export function addCounts(a: StatusCountsJson, b: StatusCountsJson): StatusCountsJson {
  return {
    paths: a.paths + b.paths,
    reproducible: a.reproducible + b.reproducible,
    disputed: a.disputed + b.disputed,
    single: a.single + b.single,
    unchecked: a.unchecked + b.unchecked,
  };
}
