import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type Decision, decide, type Rule } from "./decide.ts";
import { percentageThreshold, type Quorum } from "./quorum.ts";
import { countVotes, type Vote } from "./vote.ts";

const names = ["alice", "bob", "chuck", "dan"];
const operator = (name: string): Quorum => ({ kind: "operator", operator: name });
const group = (threshold: number, members: readonly Quorum[], name = "builders"): Quorum => ({
  kind: "group",
  name,
  threshold,
  members,
});
const rule = (quorum: Quorum, onConflict: Rule["onConflict"] = "outvote"): Rule => ({
  name: "default",
  quorum,
  onConflict,
});
const threeOfFour = rule(group(3, names.map(operator)));
const says = (name: string, statement: string): Vote => ({ operator: name, kind: "statement", statement });
const absent = (name: string): Vote => ({ operator: name, kind: "absent" });

function verdict(decision: Decision): string {
  return decision.accepted ? decision.statement : decision.reason;
}

describe("decide", () => {
  it.each<[string, Rule, Vote[], string]>([
    [
      "three agree, one has not built",
      threeOfFour,
      [says("alice", "A"), says("bob", "A"), absent("chuck"), says("dan", "A")],
      "A",
    ],
    [
      "four built, one differs",
      threeOfFour,
      [says("alice", "A"), says("bob", "A"), says("chuck", "X"), says("dan", "A")],
      "A",
    ],
    [
      "two of four only",
      threeOfFour,
      [says("alice", "A"), says("bob", "A"), absent("chuck"), absent("dan")],
      "no-quorum",
    ],
    ["everyone differs", threeOfFour, names.map((name) => says(name, name)), "no-quorum"],
    ["nobody has built", threeOfFour, names.map(absent), "no-votes"],
    ["no votes at all", threeOfFour, [], "no-votes"],
    [
      "a contradicting builder counts for nobody",
      threeOfFour,
      [
        says("alice", "A"),
        says("bob", "A"),
        { operator: "chuck", kind: "conflicting", statements: ["A", "X"] },
        absent("dan"),
      ],
      "no-quorum",
    ],
    [
      "two against two is a tie",
      rule(group(2, names.map(operator))),
      [says("alice", "A"), says("bob", "A"), says("chuck", "X"), says("dan", "X")],
      "tie",
    ],
    [
      "any dissent refuses when the rule says so",
      rule(group(3, names.map(operator)), "reject"),
      [says("alice", "A"), says("bob", "A"), says("chuck", "X"), says("dan", "A")],
      "dissent",
    ],
    ["a single trusted operator", rule(operator("alice")), [says("alice", "A"), says("bob", "X")], "A"],
    [
      "somebody outside the rule does not count",
      rule(group(2, [operator("alice"), operator("bob")])),
      [says("alice", "A"), says("eve", "A")],
      "no-quorum",
    ],
    [
      "nested groups",
      rule(group(2, [operator("alice"), group(1, [operator("bob"), operator("chuck")], "community")])),
      [says("alice", "A"), absent("bob"), says("chuck", "A")],
      "A",
    ],
    [
      "a group member votes for what its own quorum met",
      rule(group(2, [operator("alice"), group(2, [operator("bob"), operator("chuck")], "community")])),
      [says("alice", "A"), says("bob", "A"), says("chuck", "X")],
      "no-quorum",
    ],
  ])("%s", (_name, given, votes, expected) => {
    expect(verdict(decide(given, votes))).toBe(expected);
  });

  it("explains itself", () => {
    const decision = decide(threeOfFour, [
      says("alice", "A"),
      says("bob", "A"),
      says("chuck", "X"),
      says("dan", "A"),
    ]);
    expect(decision.explanation).toBe('alice, bob and dan agree, against chuck: rule "default" is met');
    expect(decision.candidates.map((each) => [each.statement, each.operators.length])).toEqual([
      ["A", 3],
      ["X", 1],
    ]);
  });

  const someVotes = fc.tuple(
    ...names.map((name) =>
      fc
        .constantFrom("A", "B", undefined)
        .map((statement) => (statement === undefined ? absent(name) : says(name, statement))),
    ),
  );
  const someThreshold = fc.integer({ min: 1, max: 4 });

  it("accepts only a statement that the threshold of distinct operators made", () => {
    fc.assert(
      fc.property(someVotes, someThreshold, (votes, threshold) => {
        const decision = decide(rule(group(threshold, names.map(operator))), votes);
        const count = (statement: string) =>
          votes.filter((vote) => vote.kind === "statement" && vote.statement === statement).length;
        const met = ["A", "B"].filter((statement) => count(statement) >= threshold);
        expect(verdict(decision)).toBe(
          met.length === 1
            ? met[0]
            : met.length === 2
              ? "tie"
              : count("A") + count("B") === 0
                ? "no-votes"
                : "no-quorum",
        );
      }),
    );
  });

  it("does not depend on the order of votes, nor on a vote being repeated", () => {
    fc.assert(
      fc.property(someVotes, someThreshold, fc.nat(3), (votes, threshold, repeated) => {
        const given = rule(group(threshold, names.map(operator)));
        const again = [...votes].reverse().concat(votes[repeated] ?? []);
        expect(decide(given, again)).toEqual(decide(given, votes));
      }),
    );
  });
});

describe("countVotes", () => {
  const statements = (...list: string[]) => ({ kind: "statements", statements: list }) as const;

  it("gives an operator with two logs one vote", () => {
    const answers = ["one", "two"].map((subscription) => ({
      operator: "alice",
      subscription,
      answer: statements("A"),
    }));
    expect(countVotes(["alice"], answers)).toEqual([says("alice", "A")]);
  });

  it("finds a contradiction within one log and between two of one operator", () => {
    const conflicting = [{ operator: "alice", kind: "conflicting", statements: ["A", "B"] }];
    expect(
      countVotes(["alice"], [{ operator: "alice", subscription: "one", answer: statements("B", "A") }]),
    ).toEqual(conflicting);
    expect(
      countVotes(
        ["alice"],
        [
          { operator: "alice", subscription: "one", answer: statements("A") },
          { operator: "alice", subscription: "two", answer: statements("B") },
        ],
      ),
    ).toEqual(conflicting);
  });

  it("tells absent from unreachable", () => {
    const down = { kind: "unreachable", reason: "connection refused" } as const;
    expect(
      countVotes(
        ["alice", "bob", "chuck"],
        [
          { operator: "alice", subscription: "one", answer: { kind: "absent" } },
          { operator: "bob", subscription: "two", answer: down },
        ],
      ),
    ).toEqual([
      absent("alice"),
      { operator: "bob", kind: "unreachable", reason: "two: connection refused" },
      { operator: "chuck", kind: "unreachable", reason: "no subscription" },
    ]);
  });
});

describe("percentageThreshold", () => {
  it.each([
    [50, 4, 2],
    [51, 4, 3],
    [75, 4, 3],
    [100, 4, 4],
    [1, 4, 1],
    [0, 4, 1],
    [67, 3, 3],
    [66, 3, 2],
  ])("%d%% of %d is %d", (percent, members, expected) => {
    expect(percentageThreshold(percent, members)).toBe(expected);
  });
});
