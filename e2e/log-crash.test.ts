import { expect, test } from "vitest";
import { crashLog } from "./log-crash.ts";

test("a log that is killed under load loses nothing it acknowledged and never forks", async () => {
  const report = await crashLog(20, 1);
  expect(report.rounds).toBe(20);
  expect(report.acknowledged).toBeGreaterThan(1000);
  expect(report.roundsWithUnpublished).toBeGreaterThan(5);
});
