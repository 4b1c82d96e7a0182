// What is known in numbers, and how it came about.
import type { DatabaseSync } from "node:sqlite";
import type { OverviewJson, StatusCountsJson } from "../../http/insight-schema.ts";
import type { PatternCount } from "../report.ts";
import { countNamed, type NamedCounts } from "./counts.ts";
import type { PathTables } from "./path-index.ts";

const HOUR_MS = 3_600_000;
const MAX_SPANS = 400;
/** Lengths of a span of the timeline, in hours: those that people think in. */
const SPAN_HOURS = [1, 2, 3, 6, 12, 24, 48, 168, 336, 672, 1344, 2688, 5376, 10_752];

/** The counts of all paths. */
export function countAll({ columns, catalogue }: PathTables): NamedCounts {
  return countNamed(patternCounts(), catalogue);

  function* patternCounts(): Generator<PatternCount> {
    for (const { pattern, system, paths } of columns.totals()) {
      const text = catalogue.pattern(pattern)?.text ?? "";
      yield { pattern: text, paths, system: catalogue.system(system) };
    }
  }
}

/** Paths by status and by the hour in which they were first seen. */
function hoursOf({ columns, catalogue }: PathTables): Map<number, Counts> {
  const hours = new Map<number, Counts>();
  for (const { hour, pattern, paths } of columns.cells()) {
    const counts = hours.get(hour) ?? noCounts();
    hours.set(hour, counts);
    counts.paths += paths;
    counts[catalogue.pattern(pattern)?.status ?? "unchecked"] += paths;
  }
  return hours;
}

/** Claims that came in, by hour and operator. */
function growthOf(
  database: DatabaseSync,
): { readonly hour: number; readonly operator: string; readonly claims: number }[] {
  return database
    .prepare(
      `SELECT g.hour, coalesce(o.name, 'unknown') AS operator, sum(g.claims) AS claims FROM growth g
       LEFT JOIN source s ON s.log = g.log LEFT JOIN operator o ON o.id = s.operator GROUP BY g.hour, operator`,
    )
    .all()
    .map((row) => ({
      hour: row.hour as number,
      operator: row.operator as string,
      claims: row.claims as number,
    }));
}

function turnsOf(
  database: DatabaseSync,
): { readonly hour: number; readonly disputed: number; readonly healed: number }[] {
  return database
    .prepare("SELECT hour, disputed, healed FROM turn")
    .all()
    .map((row) => ({
      hour: row.hour as number,
      disputed: row.disputed as number,
      healed: row.healed as number,
    }));
}

type Counts = { -readonly [K in keyof StatusCountsJson]: number };

const noCounts = (): Counts => ({ paths: 0, reproducible: 0, disputed: 0, single: 0, unchecked: 0 });

interface Point {
  readonly counts: Counts;
  readonly claims: Record<string, number>;
  disputed: number;
  healed: number;
}

/** The timeline, and how many claims there are in all. */
export function timelineOf(
  database: DatabaseSync,
  tables: PathTables,
): { readonly claims: number; readonly timeline: OverviewJson["timeline"] } {
  const growth = growthOf(database);
  const turns = turnsOf(database);
  const buckets = Array.from(hoursOf(tables), ([hour, counts]) => ({ hour, counts }));
  const hours = [...growth, ...turns, ...buckets].map(({ hour }) => hour);
  const first = hours.reduce((least, hour) => Math.min(least, hour), Number.POSITIVE_INFINITY);
  const last = hours.reduce((most, hour) => Math.max(most, hour), 0);
  const spans = (length: number): number => Math.floor(last / length) - Math.floor(first / length) + 1;
  const length =
    SPAN_HOURS.find((each) => spans(each) <= MAX_SPANS) ?? Math.ceil((last + 1) / (MAX_SPANS - 1));
  const points = new Map<number, Point>();
  const at = (hour: number): Point => {
    const span = Math.floor(hour / length);
    let point = points.get(span);
    if (point === undefined) {
      point = { counts: noCounts(), claims: {}, disputed: 0, healed: 0 };
      points.set(span, point);
    }
    return point;
  };
  for (const { hour, counts } of buckets) add(at(hour).counts, counts);
  let claims = 0;
  for (const each of growth) {
    claims += each.claims;
    const point = at(each.hour);
    point.claims[each.operator] = (point.claims[each.operator] ?? 0) + each.claims;
  }
  for (const { hour, disputed, healed } of turns) {
    const point = at(hour);
    point.disputed += disputed;
    point.healed += healed;
  }
  return {
    claims,
    timeline: {
      spanMs: length * HOUR_MS,
      points: [...points]
        .sort(([a], [b]) => a - b)
        .map(([span, point]) => ({ at: new Date(span * length * HOUR_MS).toISOString(), ...point })),
    },
  };
}

function add(into: Counts, counts: StatusCountsJson): void {
  into.paths += counts.paths;
  into.reproducible += counts.reproducible;
  into.disputed += counts.disputed;
  into.single += counts.single;
  into.unchecked += counts.unchecked;
}
