// A report as text for a terminal.

import type { PathStatusName, ReportJson, StatusCountsJson } from "../../http/insight-schema.ts";
import { type Paint, renderTable, visible } from "../../terminal.ts";
import { divideCells, formatShare, plural, STATUS_MEANINGS, STATUSES, sidesOf } from "./counts.ts";
import { spansOf } from "./spans.ts";

/** How a report is printed. */
export interface ReportTextOptions {
  readonly paint: Paint;
  /** Whether a bar stands behind each line of counts. */
  readonly hasBars: boolean;
  /** Disputed paths that are listed at most. */
  readonly limit: number;
}

/** Cells of a bar. */
const BAR_WIDTH = 24;
/** Lines that time is divided into at most. */
const MAX_SPANS = 14;

/** Told apart without colours, too. */
const CELLS: Readonly<Record<PathStatusName, string>> = {
  reproducible: "█",
  disputed: "▓",
  single: "▒",
  unchecked: "░",
};

const STYLES: Readonly<Record<PathStatusName, Parameters<Paint>[0]>> = {
  reproducible: "green",
  disputed: "red",
  single: "yellow",
  unchecked: "dim",
};

/**
 * A report on some paths: the counts, then by builder, system and time, then the disputed paths.
 * @param scope what the report is on, one clause
 */
export function renderReport(report: ReportJson, scope: string, options: ReportTextOptions): string {
  const { paint, hasBars } = options;
  const bar = (counts: StatusCountsJson): string[] => (hasBars ? [renderBar(counts, paint)] : []);
  const numbers = (counts: StatusCountsJson): string[] => [
    String(counts.paths),
    ...STATUSES.map((status) => (counts[status] === 0 ? "0" : paint(STYLES[status], String(counts[status])))),
  ];
  const header = ["PATHS", "REPRODUCIBLE", "DISPUTED", "SINGLE", "UNCHECKED"];
  const picture = hasBars ? [""] : [];
  const { total } = report;
  const blocks = [
    `${paint("bold", visible(scope))}: ${plural(total.paths, "path")}, ${report.at.slice(0, 16).replace("T", " ")} UTC`,
    renderTable(
      ["STATUS", "PATHS", "SHARE", "MEANING"],
      STATUSES.map((status) => [
        paint(STYLES[status], hasBars ? `${CELLS[status]} ${status}` : status),
        String(total[status]),
        formatShare(total[status], total.paths),
        STATUS_MEANINGS[status],
      ]),
      paint,
    ),
  ];
  const section = (head: readonly string[], rows: readonly (readonly string[])[]): void => {
    if (rows.length > 0) blocks.push(renderTable(head, rows, paint));
  };
  section(
    ["BUILDER", ...header.slice(0, -1), "OUTLIER", "ALONE", "CONTRADICTS ITSELF", ...picture],
    report.operators.map((each) => [
      visible(each.operator),
      ...numbers(each).slice(0, -1),
      String(each.outlier),
      String(each.alone),
      String(each.torn),
      ...bar(each),
    ]),
  );
  section(
    ["SYSTEM", ...header, ...picture],
    report.systems.map((each) => [visible(each.system ?? "unknown"), ...numbers(each), ...bar(each)]),
  );
  section(
    ["FIRST SEEN", ...header, ...picture],
    spansOf(report.days, MAX_SPANS).map((each) => [each.span ?? "never", ...numbers(each), ...bar(each)]),
  );
  if (report.disputed.length > 0) blocks.push(renderDisputed(report, options));
  return blocks.join("\n\n");
}

function renderBar(counts: StatusCountsJson, paint: Paint): string {
  const cells = divideCells(counts, BAR_WIDTH);
  return STATUSES.filter((status) => cells[status] > 0)
    .map((status) => paint(STYLES[status], CELLS[status].repeat(cells[status])))
    .join("");
}

function renderDisputed({ disputed, unlisted }: ReportJson, { paint, limit }: ReportTextOptions): string {
  const rows = disputed
    .slice(0, limit)
    .map((each) => [paint("red", each.kind), visible(each.storePath), visible(sidesOf(each))]);
  const lines = rows.length === 0 ? [] : [renderTable(["DISPUTE", "PATH", "WHO SAYS WHAT"], rows, paint)];
  const more = unlisted + Math.max(0, disputed.length - limit);
  if (more > 0) lines.push(`and ${more} more disputed: raise --limit, or see --json`);
  return lines.join("\n");
}
