import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Vote } from "../votes/vote.ts";
import { type Decision, decide, type Rule } from "./decide.ts";
import { percentageThreshold, type Quorum } from "./quorum.ts";

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
const says = (name: string, statement: string): Vote => ({
  operator: name,
  kind: "statement",
  statement,
  claims: [],
});
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
        { operator: "chuck", kind: "conflicting", statements: ["A", "X"], claims: [] },
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

  it("names nobody of those who all differ", () => {
    const { explanation } = decide(
      threeOfFour,
      names.map((name) => says(name, name)),
    );
    expect(explanation).toBe(
      'no two agree, 1 of the 3 needed by rule "default"; 4 different statements were made',
    );
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
