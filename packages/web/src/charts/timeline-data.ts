// From the node's timeline, which has only spans in which something happened, to what charts show.
import type { OverviewJson } from "trustix/src/http/insight-schema.ts";
import { visible } from "../text.ts";
import { STATUS, STATUSES } from "../words.ts";
import type { ChartData } from "./chart.tsx";

type Timeline = OverviewJson["timeline"];

const OPERATOR_COLOURS = [
  "--chart-1",
  "--chart-2",
  "--chart-3",
  "--chart-4",
  "--chart-5",
  "--chart-6",
] as const;

/** Spans that are drawn at least: one bar over the whole width would look like a background. */
const MIN_SPANS = 4;
/** The node sends 400. */
const MAX_SPANS = 500;
const NO_PATHS = { paths: 0, reproducible: 0, disputed: 0, single: 0, unchecked: 0 };

/** The timeline with all its spans: those in which nothing happened, and some before the first. */
export function fillGaps({ points, spanMs }: Timeline): Timeline {
  const known = new Map(points.map((point) => [Date.parse(point.at), point]));
  const [first, last] = [Math.min(...known.keys()), Math.max(...known.keys())];
  if (!Number.isFinite(first) || !Number.isFinite(last) || !(spanMs > 0)) return { points: [], spanMs };
  const spans = Math.min(MAX_SPANS, Math.max(MIN_SPANS, Math.round((last - first) / spanMs) + 1));
  const filled = Array.from({ length: spans }, (_, index) => {
    const atMs = last - (spans - 1 - index) * spanMs;
    const at = new Date(atMs).toISOString();
    return known.get(atMs) ?? { at, counts: NO_PATHS, claims: {}, disputed: 0, healed: 0 };
  });
  return { points: filled, spanMs };
}

/** Spans that are told apart on the narrowest screen. */
const MOST_SPANS = 90;

/** The timeline in no more spans than can be told apart, each of as many of its own. */
export function mergeSpans({ points, spanMs }: Timeline): Timeline {
  const each = Math.ceil(points.length / MOST_SPANS);
  if (each <= 1) return { points, spanMs };
  const merged = [];
  // The newest span is whole.
  for (let end = points.length; end > 0; end -= each) {
    const parts = points.slice(Math.max(0, end - each), end);
    const sum = (of: (point: (typeof parts)[number]) => number): number =>
      parts.reduce((total, point) => total + of(point), 0);
    const names = new Set(parts.flatMap(({ claims }) => Object.keys(claims)));
    merged.unshift({
      at: new Date(Date.parse(points[end - 1]?.at ?? "") - (each - 1) * spanMs).toISOString(),
      counts: {
        paths: sum(({ counts }) => counts.paths),
        reproducible: sum(({ counts }) => counts.reproducible),
        disputed: sum(({ counts }) => counts.disputed),
        single: sum(({ counts }) => counts.single),
        unchecked: sum(({ counts }) => counts.unchecked),
      },
      claims: Object.fromEntries([...names].map((name) => [name, sum(({ claims }) => claims[name] ?? 0)])),
      disputed: sum(({ disputed }) => disputed),
      healed: sum(({ healed }) => healed),
    });
  }
  return { points: merged, spanMs: spanMs * each };
}

/** Agreement, claims by operator, and disputes. */
export function chartsOf({ points }: Timeline): readonly [ChartData, ChartData, ChartData] {
  const times = points.map(({ at }) => Date.parse(at) / 1000);
  const totals = new Map<string, number>();
  for (const { claims } of points) {
    for (const [name, count] of Object.entries(claims)) totals.set(name, (totals.get(name) ?? 0) + count);
  }
  const ordered = [...totals].sort(([, a], [, b]) => b - a).map(([name]) => name);
  // One colour each as far as they can be told apart, the rest together.
  const own =
    ordered.length <= OPERATOR_COLOURS.length ? ordered : ordered.slice(0, OPERATOR_COLOURS.length - 1);
  const rest = ordered.slice(own.length);
  const series = own.map((name, index) => ({
    label: visible(name, 30),
    colour: OPERATOR_COLOURS[index] ?? "--chart-6",
    values: points.map(({ claims }) => claims[name] ?? 0),
  }));
  if (rest.length > 0) {
    series.push({
      label: `${rest.length} others`,
      colour: "--chart-6",
      values: points.map(({ claims }) => rest.reduce((sum, name) => sum + (claims[name] ?? 0), 0)),
    });
  }
  const shown = STATUSES.filter((status) => points.some(({ counts }) => counts[status] > 0));
  return [
    {
      kind: "stacked",
      times,
      series: shown.map((status) => ({
        label: STATUS[status].label,
        colour: `--${status}` as const,
        values: points.map(({ counts }) => counts[status]),
      })),
    },
    { kind: "stacked", times, series },
    {
      kind: "lines",
      times,
      series: [
        { label: "became disputed", colour: "--disputed", values: points.map(({ disputed }) => disputed) },
        { label: "agreed again", colour: "--reproducible", values: points.map(({ healed }) => healed) },
      ],
    },
  ];
}

/** Counts as shares of what there is in each span. */
export function sharesOf(counts: ChartData): ChartData {
  const sums = counts.times.map((_, index) =>
    counts.series.reduce((sum, { values }) => sum + (values[index] ?? 0), 0),
  );
  const series = counts.series.map((each) => ({
    ...each,
    values: each.values.map((value, index) => (value === 0 ? 0 : value / (sums[index] ?? 1))),
  }));
  return { ...counts, series, isShare: true };
}
