import { expect, test } from "vitest";
import { crashSubscriber } from "./subscribe-crash.ts";

test("a node that is killed while it reads logs goes on where it was, with the index it should have", async () => {
  const report = await crashSubscriber(12, 1);
  expect(report.rounds).toBe(12);
  expect(report.killedWithin).toBeGreaterThan(2);
});
