// A report as a page of its own: no script, nothing loaded from elsewhere, light or dark as the reader has it.

import type { PathSummaryJson, ReportJson, StatusCountsJson } from "../../http/insight-schema.ts";
import { formatShare, plural, STATUS_MEANINGS, STATUSES, sidesOf } from "./counts.ts";
import { html, Markup } from "./markup.ts";
import { barSvg, columnsSvg } from "./report-svg.ts";
import { spansOf } from "./spans.ts";

/** Columns that time is divided into at most. */
const MAX_SPANS = 62;

const STYLE = `
:root { color-scheme: light dark; --ink: #1d2430; --quiet: #5b6675; --paper: #fff; --rule: #d7dce3;
  --reproducible: #1f7a53; --disputed: #c02d3c; --single: #b98a1b; --unchecked: #9aa4b1; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6eaf0; --quiet: #9ba7b6; --paper: #14181f; --rule: #343c48;
  --reproducible: #4fb886; --disputed: #f07280; --single: #dcb04a; --unchecked: #6d7886; } }
body { margin: 0 auto; max-width: 62rem; padding: 2rem 1rem 4rem; background: var(--paper); color: var(--ink);
  font: 16px/1.5 system-ui, sans-serif; }
h1 { font-size: 1.6rem; margin: 0; } h2 { font-size: 1.15rem; margin: 2.2rem 0 .6rem; }
p { margin: .4rem 0; } .quiet { color: var(--quiet); }
svg { display: block; width: 100%; } svg.bar { height: 1.75rem; margin: 1.2rem 0; border-radius: 4px; }
svg text { fill: var(--quiet); font-size: 12px; } svg line { stroke: var(--rule); }
rect.reproducible { fill: var(--reproducible); } rect.disputed { fill: var(--disputed); }
rect.single { fill: var(--single); } rect.unchecked { fill: var(--unchecked); }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
th, td { padding: .3rem .7rem .3rem 0; text-align: left; vertical-align: top; border-bottom: 1px solid var(--rule); }
th { font-weight: 600; } th.number, td.number { text-align: right; padding-right: 1.4rem; }
summary { cursor: pointer; color: var(--quiet); margin: .4rem 0; } details h2 { display: none; }
code { font-family: ui-monospace, monospace; font-size: .85rem; overflow-wrap: anywhere; }
.key { display: inline-block; width: .8em; height: .8em; border-radius: 2px; margin-right: .5em; }
.key.reproducible { background: var(--reproducible); } .key.disputed { background: var(--disputed); }
.key.single { background: var(--single); } .key.unchecked { background: var(--unchecked); }
`;

/** A column of a table: its title, and whether its cells are numbers. */
type Column = readonly [title: string, isNumber: boolean];
type Cell = string | number | Markup;

function table(caption: string, columns: readonly Column[], rows: readonly (readonly Cell[])[]): Markup {
  const kind = (index: number): string => (columns[index]?.[1] === true ? "number" : "text");
  const head = columns.map(([title], index) => html`<th scope="col" class="${kind(index)}">${title}</th>`);
  const body = rows.map(
    (row) => html`<tr>${row.map((cell, index) => html`<td class="${kind(index)}">${cell}</td>`)}</tr>
`,
  );
  return html`<h2>${caption}</h2>
<div class="scroll" role="region" aria-label="${caption}" tabindex="0"><table><thead><tr>${head}</tr></thead><tbody>
${body}</tbody></table></div>
`;
}

const COUNTS: readonly Column[] = [
  ["Paths", true],
  ["Reproducible", true],
  ["Disputed", true],
  ["Single", true],
  ["Unchecked", true],
];

function numbers(counts: StatusCountsJson): readonly number[] {
  return [counts.paths, ...STATUSES.map((status) => counts[status])];
}

/**
 * A report on some paths as the text of an HTML file.
 * @param scope what the report is on, one clause
 */
export function renderReportHtml(report: ReportJson, scope: string): string {
  const { total, at, behind, operators, systems } = report;
  const spans = spansOf(report.days, MAX_SPANS);
  const when = `${at.slice(0, 16).replace("T", " ")} UTC`;
  const legend = STATUSES.map((status) => [
    html`<span class="key ${status}"></span>${status}`,
    total[status],
    formatShare(total[status], total.paths),
    STATUS_MEANINGS[status],
  ]);
  const sections = [
    html`<h2>By the time when paths were first seen</h2>
${columnsSvg(spans)}
<details><summary>In numbers</summary>
`,
    table(
      "First seen",
      [["Day, month or year", false], ...COUNTS],
      spans.map((each) => [each.span ?? "never", ...numbers(each)]),
    ),
    html`</details>
`,
    table(
      "Builders",
      [
        ["Builder", false],
        ...COUNTS.slice(0, -1),
        ["Outlier", true],
        ["Alone", true],
        ["Contradicts itself", true],
      ],
      operators.map((each) => [
        each.operator,
        ...numbers(each).slice(0, -1),
        each.outlier,
        each.alone,
        each.torn,
      ]),
    ),
    table(
      "Systems",
      [["System", false], ...COUNTS],
      systems.map((each) => [each.system ?? "unknown", ...numbers(each)]),
    ),
    renderDisputed(report.disputed, report.unlisted),
  ];
  return html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>Reproducibility: ${scope}</title>
<style>${new Markup(STYLE)}</style>
</head>
<body>
<main>
<h1>Reproducibility: ${scope}</h1>
<p class="quiet">${plural(total.paths, "path")}, ${when}.${behind === 0 ? "" : ` ${behind} claims were not analysed yet.`}</p>
${barSvg(total)}
${table(
  "All paths",
  [
    ["Status", false],
    ["Paths", true],
    ["Share", true],
    ["Meaning", false],
  ],
  legend,
)}
${sections}
</main>
</body>
</html>
`.text;
}

function renderDisputed(disputed: readonly PathSummaryJson[], unlisted: number): Markup {
  if (disputed.length + unlisted === 0) return html`<h2>Disputed paths</h2><p>None.</p>`;
  const rows = disputed.map((each) => [html`<code>${each.storePath}</code>`, each.kind, sidesOf(each)]);
  const rest = unlisted === 0 ? [] : html`<p class="quiet">${unlisted} more are not listed.</p>`;
  return html`${table(
    "Disputed paths",
    [
      ["Path", false],
      ["Class", false],
      ["Who says what", false],
    ],
    rows,
  )}${rest}`;
}
