import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { PolicySettings, QuarantineSettings } from "../config/policy.ts";
import { markQuarantined, type Quarantined, quarantineOf, withoutQuarantine } from "../votes/quarantine.ts";
import type { Vote } from "../votes/vote.ts";
import { explain, renderExplanation } from "./explain.ts";
import { createPolicy, type PolicyDecision } from "./policy.ts";
import type { PolicyScript, ScriptInput } from "./script.ts";
import { chooseSuspects, isSuspectEnough, quarantineUnder, type Suspect } from "./suspects.ts";

const names = ["alice", "bob", "chuck", "dan"];
const hashPart = "0".repeat(32);
const facts = { hashPart };

function statement(content: string, name = "hello-2.12"): string {
  return `1;/nix/store/${hashPart}-${name};sha256:0${content.repeat(51)};1024;`;
}
const [A, B] = [statement("a"), statement("b")];

function says(operator: string, text: string): Vote {
  return { operator, kind: "statement", statement: text, claims: [] };
}
function settings(some: Partial<PolicySettings> = {}): PolicySettings {
  return { mode: "enforce", threshold: 2, onConflict: "outvote", group: [], rule: [], ...some };
}
function quarantined(...operators: readonly string[]): Quarantined {
  const list = operators.map((operator) => ({
    operator,
    by: "hand" as const,
    reason: "its disk is broken",
    sinceMs: 0,
  }));
  return quarantineOf(list);
}
function decide(
  some: Partial<PolicySettings>,
  votes: readonly Vote[],
  silenced: readonly string[],
  script?: PolicyScript,
): PolicyDecision {
  return createPolicy(settings(some), names, script).decide(
    facts,
    markQuarantined(votes, quarantined(...silenced)),
  );
}
function verdict(decision: PolicyDecision): string {
  return decision.accepted ? `${decision.basis} ${decision.statement}` : decision.reason;
}

describe("who is in quarantine", () => {
  const votes = [says("alice", A), says("bob", A), says("chuck", A)];

  it("does not count, and is not taken off the threshold", () => {
    expect(verdict(decide({ threshold: 3 }, votes, []))).toBe(`quorum ${A}`);
    const decision = decide({ threshold: 3 }, votes, ["chuck"]);
    expect(verdict(decision)).toBe("quarantine");
    expect(decision.explanation).toBe(
      'alice and bob agree, 2 of the 3 needed by rule "default"; chuck is in quarantine; no answer from dan',
    );
    expect(verdict(decide({ threshold: "75%" }, votes, ["chuck"]))).toBe("quarantine");
    expect(verdict(decide({ threshold: 2 }, votes, ["chuck"]))).toBe(`quorum ${A}`);
  });

  it("dissents still", () => {
    const against = [says("alice", A), says("bob", A), says("chuck", B)];
    expect(verdict(decide({ onConflict: "reject" }, against, ["chuck"]))).toBe("dissent");
    const outvoted = decide({}, against, ["chuck"]);
    expect(outvoted).toMatchObject({ accepted: true, statement: A });
    expect(outvoted.explanation).toContain("against chuck");
  });

  it("makes a tie still", () => {
    const two = [says("alice", A), says("bob", B)];
    expect(verdict(decide({ threshold: 1 }, two, []))).toBe("tie");
    expect(verdict(decide({ threshold: 1 }, two, ["bob"]))).toBe("tie");
    const names = [says("alice", A), says("bob", statement("a", "other"))];
    expect(verdict(decide({ threshold: 1 }, names, ["bob"]))).toBe("tie");
  });

  it("is told from one that says nothing", () => {
    const decision = decide({}, [says("chuck", A)], ["chuck", "dan"]);
    expect(verdict(decision)).toBe("no-quorum");
    expect(decision.votes.map(({ kind }) => kind)).toEqual([
      "unreachable",
      "unreachable",
      "quarantined",
      "unreachable",
    ]);
    expect(decision.storePath).toBe(`/nix/store/${hashPart}-hello-2.12`);
  });

  it("is not believed in mode report either", () => {
    expect(verdict(decide({ mode: "report" }, [says("chuck", A)], ["chuck"]))).toBe("no-quorum");
    const either = [says("alice", B), says("chuck", A)];
    expect(decide({ mode: "report" }, either, ["chuck"])).toMatchObject({ accepted: true, statement: B });
  });

  it("is shown with what it said, and why it does not count", () => {
    const decision = decide({ threshold: 3 }, votes, ["chuck"]);
    const explanation = explain(decision);
    expect(explanation).toMatchObject({ accepted: false, reason: "quarantine" });
    expect(explanation.votes[2]).toMatchObject({
      operator: "chuck",
      vote: "quarantined",
      labels: ["A"],
      reason: "its disk is broken",
    });
    const claims = [
      {
        statement: A,
        subscription: "chuck",
        evidence: { kind: "logged" as const, index: 3, seenAtMs: 0 },
      },
    ];
    const logged = votes.map((vote): Vote => ({ ...vote, claims }) as Vote);
    const text = renderExplanation(explain(decide({ threshold: 3 }, logged, ["chuck"])), (_, each) => each);
    expect(text).toContain("A, in quarantine");
    expect(text).toContain("chuck is in quarantine and does not count: its disk is broken");
  });
});

describe("a script", () => {
  it("sees votes in quarantine as such, and is asked as if nobody were, too", () => {
    const asked: ScriptInput[] = [];
    const script: PolicyScript = {
      decide(input) {
        asked.push(input);
        return { kind: "accept", statement: A, because: "alice is enough" };
      },
    };
    const votes = [says("alice", A), says("chuck", B)];
    expect(verdict(decide({}, votes, ["chuck"], script))).toBe(`script ${A}`);
    expect(asked.map((input) => input.votes[2])).toMatchObject([
      { operator: "chuck", kind: "quarantined", statement: null },
      { operator: "chuck", kind: "statement", statement: B },
    ]);
  });

  it("cannot make quarantine bring about an acceptance", () => {
    // Accepts when nobody contradicts: what silencing the one who does would be for.
    const script: PolicyScript = {
      decide: ({ votes }) =>
        votes.some(({ statement }) => statement === B)
          ? { kind: "refuse", because: "somebody says otherwise" }
          : { kind: "accept", statement: A, because: "nobody says otherwise" },
    };
    const votes = [says("alice", A), says("chuck", B)];
    const decision = decide({}, votes, ["chuck"], script);
    expect(verdict(decision)).toBe("script-refused");
    expect(decision.explanation).toContain("somebody says otherwise; ");
  });
});

describe("any policy and votes", () => {
  const contents = [A, B, statement("c", "lax-1"), statement("d", "lax-1")];
  const someVote = (operator: string): fc.Arbitrary<Vote> =>
    fc.oneof(
      { weight: 6, arbitrary: fc.constantFrom(...contents).map((text) => says(operator, text)) },
      fc.constant<Vote>({ operator, kind: "conflicting", statements: [A, B], claims: [] }),
      fc.constant<Vote>({ operator, kind: "absent" }),
    );
  const someVotes = fc.tuple(...names.map(someVote));
  const someSettings = fc.record({
    mode: fc.constantFrom<PolicySettings["mode"]>("enforce", "report"),
    threshold: fc.oneof(fc.integer({ min: 1, max: 2 }), fc.constantFrom("majority", "34%", "100%")),
    onConflict: fc.constantFrom<PolicySettings["onConflict"]>("outvote", "reject"),
    members: fc.constantFrom(undefined, ["alice", "rest"], ["bob", "chuck"]),
    group: fc.constant([{ name: "rest", threshold: "34%", members: ["bob", "chuck", "dan"] }]),
    rule: fc.constantFrom([], [{ name: "lax", match: ["lax-*"], threshold: 1, members: ["chuck", "dan"] }]),
  });
  const some = fc.subarray(names);
  /** A script that says yes or no by whim, but the same of the same. */
  const someScript = fc.option(
    fc.func(fc.constantFrom<"A" | "B" | "quorum" | "no">("A", "B", "quorum", "no")).map(
      (whim): PolicyScript => ({
        decide(input) {
          const said = whim(input.votes.map(({ kind, statement }) => [kind, statement]));
          const statement = said === "A" ? A : said === "B" ? B : input.quorum.statement;
          return said === "no" || statement === null
            ? { kind: "refuse", because: "no" }
            : { kind: "accept", statement, because: "yes" };
        },
      }),
    ),
    { nil: undefined },
  );

  it("accept nothing with quarantine that they would not accept without it", () => {
    fc.assert(
      fc.property(someSettings, someVotes, some, someScript, (given, votes, silenced, script) => {
        const without = decide(given, votes, [], script);
        const now = decide(given, votes, silenced, script);
        expect(now.enforced.accepted && !without.enforced.accepted).toBe(false);
        if (now.enforced.accepted && without.enforced.accepted) {
          expect(now.enforced.statement).toBe(without.enforced.statement);
        }
        // In mode report the best supported statement is taken, which may be another one: but never from nothing.
        if (now.accepted) {
          expect(without.accepted).toBe(true);
          expect(votes.some((vote) => vote.kind === "statement" && !silenced.includes(vote.operator))).toBe(
            true,
          );
        }
      }),
      { numRuns: 2000 },
    );
  });

  it("accept ever less with ever more in quarantine", () => {
    fc.assert(
      fc.property(someSettings, someVotes, some, some, (given, votes, few, more) => {
        const now = decide({ ...given, mode: "enforce" }, votes, [...few, ...more]);
        if (!now.accepted) return;
        expect(verdict(decide({ ...given, mode: "enforce" }, votes, few))).toBe(`quorum ${now.statement}`);
      }),
      { numRuns: 1000 },
    );
  });

  it("are as before when quarantine ends", () => {
    fc.assert(
      fc.property(someVotes, some, (votes, silenced) => {
        const texts = (all: readonly Vote[]): unknown[] =>
          all.map((vote) =>
            vote.kind === "statement" ? [vote.statement] : "statements" in vote ? vote.statements : vote.kind,
          );
        expect(texts(withoutQuarantine(markQuarantined(votes, quarantined(...silenced))))).toEqual(
          texts(votes),
        );
      }),
    );
  });
});

it("rules that cannot be met any more are known", () => {
  const policy = createPolicy(
    settings({ threshold: 3, rule: [{ name: "lax", match: ["lax-*"], threshold: 1, members: ["dan"] }] }),
    names,
  );
  expect(policy.rulesBlockedBy([])).toEqual([]);
  expect(policy.rulesBlockedBy(["alice"])).toEqual([]);
  expect(policy.rulesBlockedBy(["alice", "bob"])).toEqual(["default"]);
  expect(policy.rulesBlockedBy(["dan"])).toEqual(["lax"]);
});

describe("suspects", () => {
  const rules: QuarantineSettings = { enabled: true, above: 0.99, minPaths: 10, after: 0, atMost: "34%" };
  const suspect = (operator: string, paths = 50, suspicion = 0.999): Suspect => ({
    operator,
    suspicion,
    paths,
  });
  const nobody = { operators: names, quarantined: [], released: new Map<string, number>() };
  const chosen = (...args: Parameters<typeof chooseSuspects>): string[] =>
    chooseSuspects(...args).chosen.map(({ operator }) => operator);

  it("need probability and paths", () => {
    expect(isSuspectEnough(suspect("chuck"), rules)).toBe(true);
    expect(isSuspectEnough(suspect("chuck", 9.9), rules)).toBe(false);
    expect(isSuspectEnough(suspect("chuck", 1000, 0.99), rules)).toBe(false);
  });

  it("are chosen only where it is enabled, known to the configuration, and not beyond the share", () => {
    const all = names.map((operator, index) => suspect(operator, 50 + index));
    expect(chosen(all, rules, nobody)).toEqual(["dan"]);
    expect(chooseSuspects(all, rules, nobody).heldBack.map(({ operator }) => operator)).toEqual([
      "chuck",
      "bob",
      "alice",
    ]);
    expect(chosen(all, { ...rules, atMost: "50%" }, nobody)).toEqual(["dan", "chuck"]);
    expect(chosen(all, rules, { ...nobody, quarantined: ["alice"] })).toEqual([]);
    expect(chosen(all, { ...rules, enabled: false }, nobody)).toEqual([]);
    expect(chosen([suspect("eve")], rules, nobody)).toEqual([]);
    expect(chosen([suspect("bob")], rules, { ...nobody, operators: ["alice", "bob"] })).toEqual([]);
  });

  it("under other settings: who stays, who is added, who would count again", () => {
    const told = (operator: string, state: "quarantined" | "released", by: "estimate" | "hand") => ({
      operator,
      state,
      by,
      reason: "test",
      since: "2026-11-22T00:00:00Z",
    });
    const node = {
      operators: [told("alice", "quarantined", "estimate"), told("bob", "released", "hand")],
      suspects: [suspect("bob"), suspect("dan")],
    };
    const under = (some: Partial<QuarantineSettings>): string[] =>
      quarantineUnder({ ...rules, ...some }, names, node).map(({ operator }) => operator);
    expect(under({})).toEqual(["alice"]);
    expect(under({ atMost: "50%" })).toEqual(["alice", "dan"]);
    expect(under({ enabled: false })).toEqual([]);
  });

  it("that were released go back for more than was known then", () => {
    const released = { ...nobody, released: new Map([["chuck", 50]]) };
    expect(chosen([suspect("chuck", 59)], rules, released)).toEqual([]);
    expect(chosen([suspect("chuck", 60)], rules, released)).toEqual(["chuck"]);
  });
});
