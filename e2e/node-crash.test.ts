import { expect, test } from "vitest";
import { crashNode } from "./node-crash.ts";

test("a user's node that is killed goes on where it was, and never serves anything wrong", async () => {
  const report = await crashNode(6, 1);
  expect(report.rounds).toBe(6);
  expect(report.killedReading).toBeGreaterThan(1);
  expect(report.nars).toBeGreaterThan(5);
});
