import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { formatPattern } from "./classify.ts";
import { agreementMatrix, type PatternCount, reportOf } from "./report.ts";

const rows: PatternCount[] = [
  { pattern: "aab", paths: 2, system: "x86_64-linux", bucketMs: 0 },
  { pattern: "aaa", paths: 10, system: "aarch64-linux", bucketMs: 5 },
  { pattern: "a", paths: 4, system: "x86_64-linux", bucketMs: 5 },
  { pattern: "ab", paths: 3, bucketMs: 0 },
  { pattern: "aa!", paths: 1, system: "x86_64-linux" },
  { pattern: "", paths: 7 },
];

describe("reportOf", () => {
  test("counts by status, operator, system and time", () => {
    const report = reportOf(rows);
    expect(report.total).toEqual({ paths: 27, reproducible: 10, disputed: 6, single: 4, unchecked: 7 });
    expect(report.classes).toEqual({
      unchecked: 7,
      single: 4,
      unanimous: 10,
      majority: 2,
      split: 3,
      conflicting: 1,
    });
    expect(report.operators).toMatchObject([
      { operator: 0, paths: 20, outlier: 0, alone: 0, torn: 0 },
      { operator: 1, paths: 16, disputed: 6, outlier: 0 },
      { operator: 2, paths: 13, reproducible: 10, disputed: 3, outlier: 3, alone: 3, torn: 1 },
    ]);
    expect(report.systems).toMatchObject([
      { system: "aarch64-linux", paths: 10 },
      { system: "x86_64-linux", paths: 7 },
      { system: undefined, paths: 10 },
    ]);
    expect(report.buckets.map(({ bucketMs, paths }) => [bucketMs, paths])).toEqual([
      [0, 5],
      [5, 14],
      [undefined, 8],
    ]);
  });

  test("every path has one status", () => {
    const pattern = fc
      .array(fc.oneof(fc.nat(2), fc.constant("torn" as const), fc.constant(undefined)))
      .map(formatPattern);
    fc.assert(
      fc.property(fc.array(fc.record({ pattern, paths: fc.nat(9) })), (given) => {
        const { total, operators } = reportOf(given);
        for (const counts of [total, ...operators]) {
          expect(counts.reproducible + counts.disputed + counts.single + counts.unchecked).toBe(counts.paths);
        }
        expect(total.paths).toBe(given.reduce((sum, { paths }) => sum + paths, 0));
      }),
    );
  });
});

test("the agreement matrix is symmetric, and who contradicts itself agrees with nobody", () => {
  const { shared, agreed } = agreementMatrix(
    rows.map(({ pattern, paths }) => [pattern, paths] as const),
    3,
  );
  expect([...shared]).toEqual([20, 16, 13, 16, 16, 13, 13, 13, 13]);
  expect([...agreed]).toEqual([20, 13, 10, 13, 16, 10, 10, 10, 12]);
});
