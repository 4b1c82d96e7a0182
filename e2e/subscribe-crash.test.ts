import { expect, test } from "vitest";
import { crashSubscriber } from "./subscribe-crash.ts";

test("a node that is killed while it reads logs goes on where it was, with the index it should have", async () => {
  // Where a random moment falls depends on how fast the machine is, so: series of rounds until enough kills fell amid reading.
  let killedWithin = 0;
  for (let seed = 1; seed <= 8 && killedWithin < 3; seed++) {
    const report = await crashSubscriber(12, seed);
    expect(report.rounds).toBe(12);
    killedWithin += report.killedWithin;
  }
  expect(killedWithin).toBeGreaterThan(2);
});
