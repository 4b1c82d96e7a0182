import { expect, test } from "vitest";
import { crashNode } from "./node-crash.ts";

test("a user's node that is killed goes on where it was, and never serves anything wrong", async () => {
  // Where a random moment falls depends on how fast the machine is, so: series of rounds until enough kills fell amid reading.
  let [killedReading, nars] = [0, 0];
  for (let seed = 1; seed <= 8 && (killedReading < 2 || nars < 6); seed++) {
    const report = await crashNode(6, seed);
    expect(report.rounds).toBe(6);
    killedReading += report.killedReading;
    nars += report.nars;
  }
  expect(killedReading).toBeGreaterThan(1);
  expect(nars).toBeGreaterThan(5);
});
