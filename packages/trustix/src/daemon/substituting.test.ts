import { expect, test } from "vitest";
import { createPolicy, type PolicyDecision } from "../policy/policy.ts";
import type { QuarantinedOperator } from "../votes/quarantine.ts";
import { decideFor } from "./substituting.ts";

const settings = { mode: "enforce", threshold: 1, onConflict: "outvote", group: [], rule: [] } as const;
const policy = createPolicy(settings, ["alice"]);
const hashPart = (n: number): string => String(n).padStart(32, "0");
const { signal } = new AbortController();

function decider(isLate = false) {
  const asked: string[] = [];
  const clock = { nowMs: 0 };
  const decide = (facts: { readonly hashPart: string }): PolicyDecision | Promise<PolicyDecision> => {
    asked.push(facts.hashPart);
    const decision = policy.decide(facts, []);
    return isLate ? Promise.resolve(decision) : decision;
  };
  let list: readonly QuarantinedOperator[] = [];
  const silence = (): void => {
    list = [{ operator: "alice", by: "hand", reason: "test", sinceMs: 0 }];
  };
  const decisions = { decide, quarantine: { list: () => list }, policy: {} };
  const replacePolicy = (): void => {
    decisions.policy = {};
  };
  return { asked, clock, silence, replacePolicy, decide: decideFor(decisions, () => clock.nowMs) };
}

test.each([false, true])(
  "a decision is taken for the present one for a second (late: %s)",
  async (isLate) => {
    const { asked, clock, decide } = decider(isLate);
    const first = await decide(hashPart(1), { signal });
    expect(first).toMatchObject({ accepted: false, reason: "no-votes" });
    clock.nowMs = 999;
    expect(decide(hashPart(1), { signal })).toBe(first);
    clock.nowMs = 1000;
    await decide(hashPart(1), { signal });
    expect(asked).toHaveLength(2);
  },
);

test.each([false, true])(
  "once anybody is in quarantine, no decision from before is taken (late: %s)",
  async (isLate) => {
    const { asked, silence, decide } = decider(isLate);
    await decide(hashPart(1), { signal });
    const underWay = decide(hashPart(2), { signal });
    silence();
    await underWay;
    await decide(hashPart(1), { signal });
    await decide(hashPart(2), { signal });
    expect(asked).toEqual([1, 2, 1, 2].map(hashPart));
    await decide(hashPart(2), { signal });
    expect(asked).toHaveLength(4);
  },
);

test.each([false, true])(
  "once the policy is replaced, no decision from before is taken (late: %s)",
  async (isLate) => {
    const { asked, replacePolicy, decide } = decider(isLate);
    await decide(hashPart(1), { signal });
    const underWay = decide(hashPart(2), { signal });
    replacePolicy();
    await underWay;
    await decide(hashPart(1), { signal });
    await decide(hashPart(2), { signal });
    await decide(hashPart(2), { signal });
    // One that was made at once, by the policy before, is in memory no more either.
    expect(asked).toEqual([1, 2, 1, 2].map(hashPart));
  },
);

test("not more than ten thousand decisions are kept, the newest", async () => {
  const { asked, decide } = decider();
  for (let n = 0; n <= 10_000; n++) await decide(hashPart(n), { signal });
  await decide(hashPart(10_000), { signal });
  expect(asked).toHaveLength(10_001);
  await decide(hashPart(0), { signal });
  expect(asked).toHaveLength(10_002);
});
