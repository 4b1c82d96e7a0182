import { expect, it } from "vitest";
import { fuzz } from "./fuzz.ts";
import { mutate, Random } from "./mutate.ts";

it("finds no input that crashes, hangs or bloats a parser, in a short run", () => {
  const report = fuzz({ inputs: 40_000, seed: 20261122 });
  expect(report.failures).toEqual([]);
  for (const [target, counts] of Object.entries(report.targets)) {
    // Seeds that are never accepted, or always, would test nothing.
    expect(counts.accepted, `${target} accepted`).toBeGreaterThan(0);
    if (target !== "Nix strings") expect(counts.refused, `${target} refused`).toBeGreaterThan(0);
  }
  expect(report.heapGrowthMiB).toBeLessThan(64);
});

it("repeats itself for the same seed", () => {
  const make = () => {
    const random = new Random(7);
    return Array.from({ length: 50 }, () => mutate(new Uint8Array(40), new Uint8Array([1, 2, 3]), random));
  };
  expect(make()).toEqual(make());
});
