// A report as CSV (RFC 4180, but lines end in LF): one table, in which the first column says what a row counts by.

import type { ReportJson, StatusCountsJson } from "../../http/insight-schema.ts";

const COLUMNS = [
  "by",
  "name",
  "paths",
  "reproducible",
  "disputed",
  "single",
  "unchecked",
  "outlier",
  "alone",
  "contradicts_itself",
  "class",
  "agreeing",
  "outliers",
] as const;

type Row = Partial<Record<(typeof COLUMNS)[number], string | number>>;

/** What a spreadsheet would take for a formula; names come from builders. */
const FORMULA = /^[=+\-@\t\r]/;

/**
 * A report, one row for `total`, each `builder`, `system` and `day`, and each disputed `path` that it lists. Lists of names
 * have spaces between them. A text that a spreadsheet would take for a formula has a `'` before it.
 */
export function formatReportCsv(report: ReportJson): string {
  const counts = ({ paths, reproducible, disputed, single, unchecked }: StatusCountsJson): Row => ({
    paths,
    reproducible,
    disputed,
    single,
    unchecked,
  });
  const rows: readonly Row[] = [
    { by: "total", name: "", ...counts(report.total) },
    ...report.operators.map((each) => ({
      by: "builder",
      name: each.operator,
      ...counts(each),
      outlier: each.outlier,
      alone: each.alone,
      contradicts_itself: each.torn,
    })),
    ...report.systems.map((each) => ({ by: "system", name: each.system ?? "", ...counts(each) })),
    ...report.days.map((each) => ({ by: "day", name: each.day ?? "", ...counts(each) })),
    ...report.disputed.map((each) => ({
      by: "path",
      name: each.storePath,
      ...counts({ paths: 1, reproducible: 0, disputed: 1, single: 0, unchecked: 0 }),
      class: each.kind,
      agreeing: each.agreeing.join(" "),
      outliers: each.outliers.join(" "),
    })),
  ];
  const lines = rows.map((row) => COLUMNS.map((column) => formatCell(row[column] ?? "")).join(","));
  return [COLUMNS.join(","), ...lines].join("\n");
}

function formatCell(value: string | number): string {
  if (typeof value === "number") return String(value);
  const text = FORMULA.test(value) ? `'${value}` : value;
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
