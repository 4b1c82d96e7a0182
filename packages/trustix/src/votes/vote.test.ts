import { describe, expect, it } from "vitest";
import { type Answer, type Claim, countVotes } from "./vote.ts";

const logged = (statement: string): Claim => ({
  statement,
  evidence: { kind: "logged", index: 7, seenAtMs: 0 },
});
const claims = (...statements: string[]): Answer => ({ kind: "claims", claims: statements.map(logged) });
const answer = (operator: string, subscription: string, given: Answer) => ({
  operator,
  subscription,
  answer: given,
});

describe("countVotes", () => {
  it("gives an operator with two logs one vote, and remembers both", () => {
    const votes = countVotes(
      ["alice"],
      [answer("alice", "one", claims("A")), answer("alice", "two", claims("A"))],
    );
    expect(votes).toEqual([
      {
        operator: "alice",
        kind: "statement",
        statement: "A",
        claims: [
          { ...logged("A"), subscription: "one" },
          { ...logged("A"), subscription: "two" },
        ],
      },
    ]);
  });

  it.each([
    ["within one log", [answer("alice", "one", claims("B", "A"))]],
    [
      "between two logs of one operator",
      [answer("alice", "one", claims("A")), answer("alice", "two", claims("B"))],
    ],
  ])("finds a contradiction %s", (_where, answers) => {
    expect(countVotes(["alice"], answers)).toMatchObject([{ kind: "conflicting", statements: ["A", "B"] }]);
  });

  it("counts what one log says though the operator's other log is down", () => {
    const answers = [
      answer("alice", "one", { kind: "unreachable", reason: "down" }),
      answer("alice", "two", claims("A")),
    ];
    expect(countVotes(["alice"], answers)).toMatchObject([{ kind: "statement", statement: "A" }]);
  });

  it("tells absent from unreachable", () => {
    const answers = [
      answer("alice", "one", { kind: "absent" }),
      answer("bob", "two", { kind: "unreachable", reason: "connection refused" }),
    ];
    expect(countVotes(["alice", "bob", "chuck"], answers)).toEqual([
      { operator: "alice", kind: "absent" },
      { operator: "bob", kind: "unreachable", reason: "two: connection refused" },
      { operator: "chuck", kind: "unreachable", reason: "no subscription" },
    ]);
  });
});
