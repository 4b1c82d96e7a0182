import { expect, test } from "vitest";
import { chartsOf, fillGaps, mergeSpans, sharesOf } from "./timeline-data.ts";

const HOUR = 3_600_000;
const START = Date.parse("2026-11-22T00:00:00Z");

const point = (hour: number, reproducible: number, disputed: number) => ({
  at: new Date(START + hour * HOUR).toISOString(),
  counts: { paths: reproducible + disputed, reproducible, disputed, single: 0, unchecked: 0 },
  claims: { alice: reproducible + disputed, bob: reproducible },
  disputed,
  healed: 0,
});

test("one point has a few empty spans before it, and nothing behind it", () => {
  const { points } = fillGaps({ spanMs: HOUR, points: [point(5, 3, 1)] });
  expect(points.map(({ counts }) => counts.paths)).toEqual([0, 0, 0, 4]);
  expect(fillGaps({ spanMs: HOUR, points: [] }).points).toEqual([]);
  expect(fillGaps({ spanMs: 0, points: [point(5, 3, 1)] }).points).toEqual([]);
});

test("many spans are put together without losing anything, and the newest ends where it ended", () => {
  const all = Array.from({ length: 200 }, (_, hour) => point(hour, hour, 1));
  const filled = fillGaps({ spanMs: HOUR, points: all });
  const merged = mergeSpans(filled);
  expect(merged.spanMs).toBe(3 * HOUR);
  expect(merged.points).toHaveLength(67);
  const sum = (timeline: typeof merged) =>
    timeline.points.reduce((total, { claims }) => total + (claims.alice ?? 0), 0);
  expect(sum(merged)).toBe(sum(filled));
  const times = merged.points.map(({ at }) => Date.parse(at));
  expect(times.at(-1)! + merged.spanMs).toBe(START + 200 * HOUR);
  expect(new Set(times.slice(1).map((time, index) => time - times[index]!))).toEqual(new Set([3 * HOUR]));
  expect(mergeSpans(fillGaps({ spanMs: HOUR, points: all.slice(0, 20) })).spanMs).toBe(HOUR);
});

test("shares of a span add up to all of it, and to nothing where there is nothing", () => {
  const [agreement] = chartsOf(fillGaps({ spanMs: HOUR, points: [point(0, 3, 1), point(2, 1, 0)] }));
  const shares = sharesOf(agreement);
  expect(shares.series.map(({ values }) => values)).toEqual([
    [0, 0.75, 0, 1],
    [0, 0.25, 0, 0],
  ]);
});
