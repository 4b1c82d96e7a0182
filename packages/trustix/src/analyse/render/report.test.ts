import { styleText } from "node:util";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  type PathSummaryJson,
  type ReportJson,
  reportSchema,
  type StatusCountsJson,
} from "../../http/insight-schema.ts";
import type { Paint } from "../../terminal.ts";
import {
  divideCells,
  formatInterval,
  formatProbability,
  formatShare,
  listOf,
  STATUSES,
  sidesOf,
} from "./counts.ts";
import { html } from "./markup.ts";
import { mergeReports } from "./merge-reports.ts";
import { formatReportCsv } from "./report-csv.ts";
import { renderReportHtml } from "./report-html.ts";
import { renderReport } from "./report-text.ts";
import { spansOf } from "./spans.ts";

const plain: Paint = (_, text) => text;
const colourful: Paint = (style, text) => styleText(style, text, { validateStream: false });

const counts = (reproducible: number, disputed = 0, single = 0, unchecked = 0): StatusCountsJson => ({
  paths: reproducible + disputed + single + unchecked,
  reproducible,
  disputed,
  single,
  unchecked,
});

function path(name: string, some: Partial<PathSummaryJson> = {}): PathSummaryJson {
  const hashPart = "0".repeat(32);
  return {
    hashPart,
    name,
    storePath: `/nix/store/${hashPart}-${name}`,
    system: "x86_64-linux",
    kind: "majority",
    status: "disputed",
    agreeing: ["alice", "bob"],
    outliers: ["chuck"],
    firstSeen: "2026-11-01T00:00:00Z",
    changed: "2026-11-02T00:00:00Z",
    ...some,
  };
}

const report: ReportJson = {
  version: 7,
  at: "2026-11-22T18:00:00Z",
  behind: 0,
  total: counts(1990, 2, 7, 1),
  classes: { unchecked: 1, single: 7, unanimous: 1990, majority: 1, split: 1, conflicting: 0 },
  operators: [
    { operator: "alice", ...counts(1990, 2, 7), outlier: 0, alone: 0, torn: 0 },
    { operator: "chuck", ...counts(900, 1), outlier: 1, alone: 1, torn: 0 },
  ],
  systems: [
    { system: "x86_64-linux", ...counts(1990, 2, 7) },
    { system: null, ...counts(0, 0, 0, 1) },
  ],
  days: [
    { day: "2026-11-20", ...counts(1000, 0, 7) },
    { day: "2026-11-21", ...counts(990, 2) },
    { day: null, ...counts(0, 0, 0, 1) },
  ],
  disputed: [
    path("hello-2.12.1"),
    path("steering\u001b[2J", { kind: "split", agreeing: [], outliers: ["alice", "chuck"] }),
  ],
  unlisted: 3,
};

const anyCounts = fc.tuple(fc.nat(1e6), fc.nat(1e6), fc.nat(1e6), fc.nat(1e6)).map((each) => counts(...each));
const anyText = fc.oneof(
  fc.string({ unit: "grapheme" }),
  fc.string({
    unit: fc.constantFrom(..."<>&\"'=,;\r\n\t-/! `{}", "</title>", "<script>", "]]>", "\u202e", "\0"),
  }),
);
const anyPath = fc
  .record({ name: anyText, agreeing: fc.array(anyText), outliers: fc.array(anyText) })
  .map(({ name, ...some }) => path(name, some));
const anyDay = fc
  .date({ min: new Date("2020-01-01"), max: new Date("2029-12-31"), noInvalidDate: true })
  .map((date) => date.toISOString().slice(0, 10));
/** A report on paths of its own, whose parts add up. */
const anyReport: fc.Arbitrary<ReportJson> = fc
  .record({
    days: fc.uniqueArray(fc.tuple(fc.option(anyDay), anyCounts), { selector: ([day]) => day, maxLength: 40 }),
    systems: fc.array(anyText),
    operators: fc.uniqueArray(anyText, { maxLength: 5 }),
    disputed: fc.array(anyPath, { maxLength: 5 }),
    unlisted: fc.nat(9),
  })
  .map(({ days, systems, operators, disputed, unlisted }) => {
    const total = days.map(([, each]) => each).reduce(sum, counts(0));
    return {
      version: 1,
      at: "2026-11-22T18:00:00Z",
      behind: 0,
      total,
      classes: {
        unchecked: total.unchecked,
        single: total.single,
        unanimous: total.reproducible,
        majority: total.disputed,
        split: 0,
        conflicting: 0,
      },
      operators: operators.map((operator) => ({ operator, ...total, outlier: 1, alone: 0, torn: 2 })),
      systems: systems.slice(0, 1).map((system) => ({ system, ...total })),
      days: days.map(([day, each]) => ({ day, ...each })),
      disputed,
      unlisted,
    };
  });

function sum(a: StatusCountsJson, b: StatusCountsJson): StatusCountsJson {
  return counts(
    a.reproducible + b.reproducible,
    a.disputed + b.disputed,
    a.single + b.single,
    a.unchecked + b.unchecked,
  );
}

describe("numbers", () => {
  test.each([
    [0, 10, "0.0 %"],
    [1, 100_000, "<0.1 %"],
    [99_999, 100_000, ">99.9 %"],
    [10, 10, "100.0 %"],
    [1, 3, "33.3 %"],
    [0, 0, "-"],
  ])("%d of %d is %s", (part, whole, text) => {
    expect(formatShare(part, whole)).toBe(text);
  });

  test("what is estimated is never certain", () => {
    expect(formatProbability(1)).toBe(">99.9 %");
    expect(formatProbability(0)).toBe("<0.1 %");
    expect(formatProbability(0.5)).toBe("50.0 %");
    expect(formatInterval({ low: 0, mean: 0.00123, high: 0.164 })).toBe("0.123 % (0 to 16.4)");
  });

  test("names and sides in words", () => {
    expect([listOf([]), listOf(["a"]), listOf(["a", "b", "c"])]).toEqual(["", "a", "a, b and c"]);
    expect(sidesOf(path("x"))).toBe("alice and bob agree; chuck differs");
    expect(sidesOf(path("x", { kind: "split", agreeing: [], outliers: ["a", "b"] }))).toBe("a and b differ");
    expect(sidesOf(path("x", { kind: "conflicting", agreeing: [], outliers: ["a"] }))).toBe(
      "a contradicts itself",
    );
    expect(sidesOf(path("x", { kind: "conflicting", agreeing: ["a"], outliers: ["b", "c"] }))).toBe(
      "a stands alone; b and c differ or contradict themselves",
    );
  });

  test("a bar is full, and shows whatever there is", () => {
    fc.assert(
      fc.property(anyCounts, fc.integer({ min: 4, max: 60 }), (each, width) => {
        const cells = divideCells(each, width);
        expect(STATUSES.reduce((total, status) => total + cells[status], 0)).toBe(
          each.paths === 0 ? 0 : width,
        );
        for (const status of STATUSES) expect(cells[status] > 0).toBe(each[status] > 0);
      }),
    );
  });
});

test("spans have every path once, and are few", () => {
  fc.assert(
    fc.property(anyReport, ({ days, total }) => {
      const spans = spansOf(days, 14);
      expect(spans.length).toBeLessThanOrEqual(14);
      expect(spans.reduce<StatusCountsJson>((a, b) => sum(a, b), counts(0))).toEqual(total);
      const names = spans.map(({ span }) => span ?? "~");
      expect(names).toEqual([...names].sort());
    }),
  );
});

describe("mergeReports", () => {
  test("adds up", () => {
    fc.assert(
      fc.property(fc.array(anyReport, { minLength: 1, maxLength: 4 }), fc.nat(20), (reports, list) => {
        const merged = mergeReports(reports, list);
        const total = reports.map((each) => each.total).reduce(sum);
        expect(merged.total).toEqual(total);
        expect(merged.days.reduce<StatusCountsJson>((a, b) => sum(a, b), counts(0))).toEqual(total);
        expect(merged.classes.unanimous).toBe(total.reproducible);
        expect(merged.disputed.length + merged.unlisted).toBe(
          reports.reduce((all, each) => all + each.disputed.length + each.unlisted, 0),
        );
        const days = merged.days.map(({ day }) => day);
        expect(new Set(days).size).toBe(days.length);
        const torn = reports.flatMap(({ operators }) => operators).reduce((all, each) => all + each.torn, 0);
        expect(merged.operators.reduce((all, each) => all + each.torn, 0)).toBe(torn);
      }),
    );
  });

  test("twice the same is twice as much, in the same order", () => {
    const merged = mergeReports([report, report], 3);
    expect(reportSchema.parse(merged)).toEqual(merged);
    expect(merged.total).toEqual(counts(3980, 4, 14, 2));
    expect(merged.systems.map(({ system }) => system)).toEqual(["x86_64-linux", null]);
    expect(merged.days.map(({ day }) => day)).toEqual(["2026-11-20", "2026-11-21", null]);
    expect([merged.disputed.length, merged.unlisted]).toEqual([3, 7]);
  });
});

describe("for a terminal", () => {
  test("plain", () => {
    const text = renderReport(report, "all that is known", { paint: plain, hasBars: false, limit: 1 });
    expect(text).toMatchInlineSnapshot(`
      "all that is known: 2000 paths, 2026-11-22 18:00 UTC

      STATUS        PATHS  SHARE   MEANING
      reproducible  1990   99.5 %  two builders or more built it, all alike
      disputed      2      0.1 %   builders contradict each other, or one contradicts itself
      single        7      0.3 %   built by one builder only: nothing to compare with
      unchecked     1      <0.1 %  built by no builder that this node listens to

      BUILDER  PATHS  REPRODUCIBLE  DISPUTED  SINGLE  OUTLIER  ALONE  CONTRADICTS ITSELF
      alice    1999   1990          2         7       0        0      0
      chuck    901    900           1         0       1        1      0

      SYSTEM        PATHS  REPRODUCIBLE  DISPUTED  SINGLE  UNCHECKED
      x86_64-linux  1999   1990          2         7       0
      unknown       1      0             0         0       1

      FIRST SEEN  PATHS  REPRODUCIBLE  DISPUTED  SINGLE  UNCHECKED
      2026-11-20  1007   1000          0         7       0
      2026-11-21  992    990           2         0       0
      never       1      0             0         0       1

      DISPUTE   PATH                                                      WHO SAYS WHAT
      majority  /nix/store/00000000000000000000000000000000-hello-2.12.1  alice and bob agree; chuck differs
      and 4 more disputed: raise --limit, or see --json"
    `);
  });

  test("with colours and bars", () => {
    const text = renderReport(report, "all that is known", { paint: colourful, hasBars: true, limit: 50 });
    expect(text.replaceAll("\u001b[", "^")).toMatchInlineSnapshot(`
      "^1mall that is known^22m: 2000 paths, 2026-11-22 18:00 UTC

      ^1mSTATUS^22m          ^1mPATHS^22m  ^1mSHARE^22m   ^1mMEANING^22m
      ^32m█ reproducible^39m  1990   99.5 %  two builders or more built it, all alike
      ^31m▓ disputed^39m      2      0.1 %   builders contradict each other, or one contradicts itself
      ^33m▒ single^39m        7      0.3 %   built by one builder only: nothing to compare with
      ^2m░ unchecked^22m     1      <0.1 %  built by no builder that this node listens to

      ^1mBUILDER^22m  ^1mPATHS^22m  ^1mREPRODUCIBLE^22m  ^1mDISPUTED^22m  ^1mSINGLE^22m  ^1mOUTLIER^22m  ^1mALONE^22m  ^1mCONTRADICTS ITSELF^22m  ^1m^22m
      alice    1999   ^32m1990^39m          ^31m2^39m         ^33m7^39m       0        0      0                   ^32m██████████████████████^39m^31m▓^39m^33m▒^39m
      chuck    901    ^32m900^39m           ^31m1^39m         0       1        1      0                   ^32m███████████████████████^39m^31m▓^39m

      ^1mSYSTEM^22m        ^1mPATHS^22m  ^1mREPRODUCIBLE^22m  ^1mDISPUTED^22m  ^1mSINGLE^22m  ^1mUNCHECKED^22m  ^1m^22m
      x86_64-linux  1999   ^32m1990^39m          ^31m2^39m         ^33m7^39m       0          ^32m██████████████████████^39m^31m▓^39m^33m▒^39m
      unknown       1      0             0         0       ^2m1^22m          ^2m░░░░░░░░░░░░░░░░░░░░░░░░^22m

      ^1mFIRST SEEN^22m  ^1mPATHS^22m  ^1mREPRODUCIBLE^22m  ^1mDISPUTED^22m  ^1mSINGLE^22m  ^1mUNCHECKED^22m  ^1m^22m
      2026-11-20  1007   ^32m1000^39m          0         ^33m7^39m       0          ^32m███████████████████████^39m^33m▒^39m
      2026-11-21  992    ^32m990^39m           ^31m2^39m         0       0          ^32m███████████████████████^39m^31m▓^39m
      never       1      0             0         0       ^2m1^22m          ^2m░░░░░░░░░░░░░░░░░░░░░░░░^22m

      ^1mDISPUTE^22m   ^1mPATH^22m                                                           ^1mWHO SAYS WHAT^22m
      ^31mmajority^39m  /nix/store/00000000000000000000000000000000-hello-2.12.1       alice and bob agree; chuck differs
      ^31msplit^39m     /nix/store/00000000000000000000000000000000-steering\\u{1b}[2J  alice and chuck differ
      and 3 more disputed: raise --limit, or see --json"
    `);
  });

  test("nothing steers the terminal", () => {
    fc.assert(
      fc.property(anyReport, anyText, (each, scope) => {
        const text = renderReport(each, scope, { paint: plain, hasBars: true, limit: 50 });
        expect(text).not.toMatch(/(?!\n)[\p{Cc}\p{Cf}]/u);
      }),
    );
  });
});

/** Rows of cells of a CSV text. */
function parseCsv(text: string): string[][] {
  const rows: string[][] = [[]];
  for (const [, quoted, bare = "", end] of `${text}\n`.matchAll(/(?:"((?:[^"]|"")*)"|([^",\n\r]*))(,|\n)/g)) {
    rows.at(-1)!.push(quoted?.replaceAll('""', '"') ?? bare);
    if (end === "\n") rows.push([]);
  }
  return rows.slice(0, -1);
}

describe("as CSV", () => {
  test("reads back, and is no formula", () => {
    fc.assert(
      fc.property(anyReport, (each) => {
        const [head = [], ...rows] = parseCsv(formatReportCsv(each));
        const safe = (text: string) => (/^[=+\-@\t\r]/.test(text) ? `'${text}` : text);
        const column = (name: string) => rows.map((row) => row[head.indexOf(name)]);
        for (const row of rows) expect(row).toHaveLength(head.length);
        expect(column("name")).toEqual(
          [
            "",
            ...each.operators.map(({ operator }) => operator),
            ...each.systems.map(({ system }) => system ?? ""),
            ...each.days.map(({ day }) => day ?? ""),
            ...each.disputed.map(({ storePath }) => storePath),
          ].map(safe),
        );
        const days = rows.filter(([by]) => by === "day");
        for (const status of STATUSES) {
          const at = head.indexOf(status);
          expect(days.reduce((all, row) => all + Number(row[at]), 0)).toBe(each.total[status]);
        }
        for (const row of rows) for (const cell of row) expect(cell).not.toMatch(/^[=+\-@]/);
      }),
    );
  });
});

/** Tags without the values of their attributes. */
function skeletonOf(page: string): readonly string[] {
  return [...page.matchAll(/<[^<>]*>/g)].map(([tag]) => tag.replaceAll(/"[^"]*"/g, '""'));
}

describe("as a page", () => {
  test("is well-formed and asks for nothing", () => {
    const page = renderReportHtml(report, "the closure of hello");
    const open: string[] = [];
    for (const [, end, name = "", closed] of page.matchAll(/<(\/?)([a-z0-9]+)[^<>]*?(\/?)>/g)) {
      if (["meta", "rect/", "line"].includes(name) || closed === "/") continue;
      if (end === "/") expect(open.pop()).toBe(name);
      else open.push(name);
    }
    expect(open).toEqual([]);
    expect(page).not.toMatch(/<script|https?:|url\(|@import|src=|href=/);
    expect(page).toContain("3 more are not listed");
    expect(page).toContain("steering\\u{1b}[2J");
  });

  test("keeps its shape whatever the names are", () => {
    const shape = (names: readonly [string, string, string, string]): readonly string[] => {
      const [scope, system, operator, name] = names;
      const named: ReportJson = {
        ...report,
        operators: [{ ...report.operators[0]!, operator }],
        systems: [{ ...report.systems[0]!, system }],
        disputed: [path(name, { agreeing: [operator] })],
      };
      return skeletonOf(renderReportHtml(named, scope));
    };
    const harmless = shape(["a", "b", "c", "d"]);
    fc.assert(
      fc.property(fc.tuple(anyText, anyText, anyText, anyText), (names) => {
        expect(shape(names)).toEqual(harmless);
      }),
    );
  });

  test("escapes in content and in attributes, and nothing twice", () => {
    const inner = html`<b>${"<&\"'"}</b>`;
    expect(html`<i title="${'"'}">${[inner, 1, "&"]}</i>`.text).toBe(
      '<i title="&quot;"><b>&lt;&amp;&quot;&#39;</b>1&amp;</i>',
    );
  });
});
