import { contentAddressedPath, sha256 } from "@trustix/nix";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type PolicySettings, policyProblems } from "../config/policy.ts";
import type { Vote } from "../votes/vote.ts";
import { createPolicy, type PathFacts, type PolicyDecision, provenStatement } from "./policy.ts";
import type { PolicyScript, ScriptAnswer, ScriptInput } from "./script.ts";

const names = ["alice", "bob", "chuck", "dan"];
const hashPart = "0".repeat(32);
const facts: PathFacts = { hashPart };

/** A statement about `/nix/store/000…-<name>` whose NAR hash is filled with one character. */
function statement(content: string, name = "hello-2.12", hash = hashPart): string {
  return `1;/nix/store/${hash}-${name};sha256:0${content.repeat(51)};1024;`;
}
const [A, B] = [statement("a"), statement("b")];

function says(operator: string, text: string): Vote {
  return { operator, kind: "statement", statement: text, claims: [] };
}
function absent(operator: string): Vote {
  return { operator, kind: "absent" };
}
function settings(some: Partial<PolicySettings> = {}): PolicySettings {
  return { mode: "enforce", threshold: "majority", onConflict: "outvote", group: [], rule: [], ...some };
}
function verdict(decision: PolicyDecision): string {
  return decision.accepted ? `${decision.basis} ${decision.statement}` : decision.reason;
}
function decide(some: Partial<PolicySettings>, votes: readonly Vote[], given: PathFacts = facts): string {
  return verdict(createPolicy(settings(some), names).decide(given, votes));
}

describe("which rule applies", () => {
  const policy = createPolicy(
    settings({
      threshold: 3,
      rule: [
        { name: "browsers", match: ["firefox-*", "chromium-*"], threshold: 4 },
        { name: "mine", match: ["my-*"], threshold: 1, members: ["alice"] },
      ],
    }),
    names,
  );
  const by = (name: string, operators: readonly string[]) =>
    policy.decide(
      facts,
      operators.map((operator) => says(operator, statement("a", name))),
    );

  it.each([
    ["firefox-140.0", 3, "browsers", "no-quorum", '"firefox-*" matches the name'],
    ["firefox-140.0", 4, "browsers", "quorum", '"firefox-*" matches the name'],
    ["my-tool", 1, "mine", "quorum", '"my-*" matches the name'],
    ["hello", 2, "default", "no-quorum", "no other rule matches"],
    ["hello", 3, "default", "quorum", "no other rule matches"],
  ])("%s by %d operators: rule %s", (name, count, rule, outcome, because) => {
    const decision = by(name, names.slice(0, count));
    expect(decision.rule).toMatchObject({ name: rule, because });
    expect(verdict(decision).split(" ")[0]).toBe(outcome);
    expect(decision.storePath).toBe(`/nix/store/${hashPart}-${name}`);
  });

  it("does not let an operator choose a weaker rule by lying about the name", () => {
    const honest = ["bob", "chuck", "dan"].map((operator) => says(operator, A));
    const lie = statement("x", "my-hello");
    const decision = policy.decide(facts, [says("alice", lie), ...honest]);
    expect(verdict(decision)).toBe("tie");
    expect(decision.explanation).toContain("my-hello");
    const known = policy.decide({ hashPart, storePath: `/nix/store/${hashPart}-hello-2.12` }, [
      says("alice", lie),
      ...honest,
    ]);
    expect(verdict(known)).toBe(`quorum ${A}`);
  });

  it("refuses when two names have a quorum each, though one of them is a tie in itself", () => {
    const votes = [
      says("alice", statement("z", "other")),
      says("bob", statement("a")),
      says("dan", statement("b")),
    ];
    expect(decide({ threshold: 1 }, votes)).toBe("tie");
  });

  it("never accepts a statement about another path, however many make it", () => {
    const other = statement("a", "hello-2.12", "1".repeat(32));
    expect(
      decide(
        {},
        names.map((operator) => says(operator, other)),
      ),
    ).toBe("no-quorum");
    const renamed = statement("a", "goodbye");
    expect(
      decide(
        {},
        names.map((operator) => says(operator, renamed)),
        {
          hashPart,
          storePath: `/nix/store/${hashPart}-hello-2.12`,
        },
      ),
    ).toBe("no-quorum");
    expect(
      decide(
        {},
        names.map((operator) => says(operator, "no statement at all")),
      ),
    ).toBe("no-quorum");
  });
});

describe("without any policy settings", () => {
  it.each([
    [1, 1],
    [2, 2],
    [3, 2],
    [4, 3],
    [5, 3],
  ])("of %d operators %d must agree", (operators, needed) => {
    const all = Array.from({ length: operators }, (_, index) => `operator${index}`);
    const policy = createPolicy(settings(), all);
    const votes = all.map((operator) => says(operator, A));
    expect(policy.decide(facts, votes.slice(0, needed)).accepted).toBe(true);
    expect(policy.decide(facts, votes.slice(0, needed - 1)).accepted).toBe(false);
  });

  it("refuses all when there is no operator", () => {
    expect(createPolicy(settings(), []).decide(facts, [says("eve", A)])).toMatchObject({
      reason: "no-votes",
    });
  });
});

describe("groups and thresholds", () => {
  const group = [{ name: "community", threshold: 2, members: ["bob", "chuck", "dan"] }];
  it.each<[string, Partial<PolicySettings>, Vote[], string]>([
    [
      "a percentage is of configured members",
      { threshold: "75%" },
      [says("alice", A), says("bob", A)],
      "no-quorum",
    ],
    ["a percentage that is met", { threshold: "50%" }, [says("alice", A), says("bob", A)], `quorum ${A}`],
    [
      "alice and two of the others",
      { threshold: 2, members: ["alice", "community"], group },
      [says("alice", A), says("bob", A), says("dan", A)],
      `quorum ${A}`,
    ],
    [
      "alice and one of the others",
      { threshold: 2, members: ["alice", "community"], group },
      [says("alice", A), says("bob", A), says("dan", B)],
      "no-quorum",
    ],
    [
      "dissent refuses",
      { threshold: 2, onConflict: "reject" },
      [says("alice", A), says("bob", A), says("dan", B)],
      "dissent",
    ],
  ])("%s", (_, some, votes, expected) => {
    expect(decide(some, votes)).toBe(expected);
  });
});

describe("mode report", () => {
  it("accepts the best supported statement and records what enforcing says", () => {
    const policy = createPolicy(settings({ mode: "report", threshold: 3 }), names);
    const decision = policy.decide(facts, [says("alice", B), says("bob", A), says("dan", A)]);
    expect(verdict(decision)).toBe(`report ${A}`);
    expect(decision.enforced).toMatchObject({ accepted: false, reason: "no-quorum" });
  });

  it("prefers the operator who is configured first, not a statement that was ground to sort first", () => {
    const policy = createPolicy(settings({ mode: "report", threshold: 3 }), names);
    expect(verdict(policy.decide(facts, [says("bob", A), says("alice", B)]))).toBe(`report ${B}`);
  });

  it("accepts nothing that nobody stands behind", () => {
    const conflicting: Vote = { operator: "bob", kind: "conflicting", statements: [A, B], claims: [] };
    expect(decide({ mode: "report" }, [absent("alice"), conflicting])).toBe("no-quorum");
    expect(decide({ mode: "report" }, [])).toBe("no-votes");
  });
});

describe("a path that proves itself", () => {
  const bytes = sha256(new TextEncoder().encode("contents"));
  const hash = { algorithm: "sha256", bytes } as const;
  const contentAddress = { method: "nar", hash } as const;
  const storePath = contentAddressedPath(contentAddress, "source");
  const info = { storePath, narHash: hash, narSize: 120, references: [], contentAddress };
  const given = { hashPart: storePath.slice(11, 43), storePath, proven: provenStatement(info) };

  it("needs no votes", () => {
    expect(given.proven).toBeDefined();
    const decision = createPolicy(settings({ threshold: 3 }), names).decide(given, []);
    expect(verdict(decision)).toBe(`content-addressed ${given.proven}`);
    expect(decision.rule.name).toBe("content-addressed");
  });

  it("is not proven by a hash that differs, nor for another path", () => {
    const other = { algorithm: "sha256", bytes: sha256(new Uint8Array()) } as const;
    expect(provenStatement({ ...info, narHash: other })).toBeUndefined();
    expect(decide({}, [], { ...given, storePath: undefined, hashPart })).toBe("no-votes");
  });
});

describe("a script", () => {
  const asked: ScriptInput[] = [];
  const answering = (answer: ScriptAnswer): PolicyScript => ({
    decide: (input) => {
      asked.push(input);
      return answer;
    },
  });
  const votes = [says("alice", A), says("bob", B), absent("chuck")];
  it.each<[string, ScriptAnswer, string]>([
    ["accepts a statement that was made", { kind: "accept", statement: B, because: "bob" }, `script ${B}`],
    [
      "cannot accept what nobody states",
      { kind: "accept", statement: statement("c"), because: "I" },
      "policy-error",
    ],
    ["refuses", { kind: "refuse", because: "no" }, "script-refused"],
    ["fails", { kind: "error", message: "oops" }, "policy-error"],
  ])("%s", (_, answer, expected) => {
    expect(verdict(createPolicy(settings(), names, answering(answer)).decide(facts, votes))).toBe(expected);
  });

  it("sees path, name, votes and what the rule says", () => {
    createPolicy(settings(), names, answering({ kind: "refuse", because: "no" })).decide(facts, [
      says("alice", A),
    ]);
    expect(asked.at(-1)).toMatchObject({
      path: `/nix/store/${hashPart}-hello-2.12`,
      name: "hello-2.12",
      votes: [
        { operator: "alice", kind: "statement", statement: A, logged: false },
        { operator: "bob", kind: "unreachable", statement: null },
        { operator: "chuck" },
        { operator: "dan" },
      ],
      quorum: { accepted: false, reason: "no-quorum", statement: null, rule: "default" },
    });
  });

  it("is not asked when there is nothing to accept", () => {
    const before = asked.length;
    const policy = createPolicy(settings(), names, answering({ kind: "refuse", because: "no" }));
    expect(verdict(policy.decide(facts, [absent("alice")]))).toBe("no-votes");
    expect(asked.length).toBe(before);
  });
});

describe("for any votes", () => {
  const contents = ["a", "b", "c"];
  const someVote = (operator: string): fc.Arbitrary<Vote> =>
    fc.oneof(
      fc.constantFrom(...contents).map((content) => says(operator, statement(content))),
      fc.constantFrom("lax-1", "other").map((name) => says(operator, statement("z", name))),
      fc.string().map((text) => says(operator, text)),
      fc.constant<Vote>({ operator, kind: "conflicting", statements: [A, B], claims: [] }),
      fc.constant(absent(operator)),
      fc.constant<Vote>({ operator, kind: "unreachable", reason: "down" }),
    );
  const someVotes = fc.tuple(...names.map(someVote));
  const someSettings = fc
    .record({
      mode: fc.constantFrom<PolicySettings["mode"]>("enforce", "report"),
      onConflict: fc.constantFrom<PolicySettings["onConflict"]>("outvote", "reject"),
      threshold: fc.oneof(
        fc.integer({ min: 1, max: 2 }),
        fc.integer({ min: 1, max: 100 }).map((percent) => `${percent}%`),
        fc.constant("majority"),
      ),
      grouped: fc.boolean(),
      ruled: fc.boolean(),
    })
    .map(({ grouped, ruled, ...some }) =>
      settings({
        ...some,
        ...(grouped ? { members: ["alice", "rest"] } : {}),
        group: [{ name: "rest", threshold: "66%", members: ["bob", "chuck", "dan"] }],
        rule: ruled ? [{ name: "lax", match: ["lax-*"], threshold: 1, members: ["dan"] }] : [],
      }),
    );

  it("accepts only a statement about the path that an operator makes", () => {
    fc.assert(
      fc.property(someSettings, someVotes, (some, votes) => {
        const decision = createPolicy(some, names).decide(facts, votes);
        if (!decision.accepted) return;
        expect(votes.some((vote) => vote.kind === "statement" && vote.statement === decision.statement)).toBe(
          true,
        );
        expect(decision.statement).toContain(`/${hashPart}-`);
      }),
    );
  });

  it("ignores everybody who is not configured, and the order of votes", () => {
    fc.assert(
      fc.property(someSettings, someVotes, fc.constantFrom(...contents), (some, votes, content) => {
        const policy = createPolicy(some, names);
        const strangers = ["eve", "mallory"].map((operator) => says(operator, statement(content)));
        expect(policy.decide(facts, [...strangers, ...votes].reverse())).toEqual(policy.decide(facts, votes));
      }),
    );
  });

  it("one more vote for an accepted statement never makes it refused where dissent is outvoted", () => {
    fc.assert(
      fc.property(someSettings, someVotes, fc.nat(3), (some, votes, who) => {
        const policy = createPolicy({ ...some, mode: "enforce", onConflict: "outvote" }, names);
        const before = policy.decide(facts, votes);
        if (!before.accepted) return;
        const more = votes.map((vote, index) =>
          index === who ? says(vote.operator, before.statement) : vote,
        );
        expect(policy.decide(facts, more)).toMatchObject({ accepted: true, statement: before.statement });
      }),
    );
  });

  it("mode report accepts whatever enforcing accepts", () => {
    fc.assert(
      fc.property(someSettings, someVotes, (some, votes) => {
        const enforced = createPolicy({ ...some, mode: "enforce" }, names).decide(facts, votes);
        const reported = createPolicy({ ...some, mode: "report" }, names).decide(facts, votes);
        expect(reported.enforced).toEqual(enforced.enforced);
        if (enforced.accepted) expect(verdict(reported)).toBe(verdict(enforced));
      }),
    );
  });
});

it("settings that are no policy are an error", () => {
  expect(() => createPolicy(settings({ members: ["nobody"] }), names)).toThrow(
    expect.objectContaining({ code: "CONFIG_INVALID" }),
  );
});

describe("settings that pass their checks", () => {
  const all = ["alice", "bob", "chuck", "g", "h", "i"];
  const someNames = fc.uniqueArray(fc.constantFrom(...all), { minLength: 1, maxLength: 4 });
  const someThreshold = fc.oneof(
    fc.integer({ min: -1, max: 5 }),
    fc.constantFrom("majority", "1%", "67%", "100%"),
  );
  const quorum = { threshold: someThreshold, members: someNames };
  const some: fc.Arbitrary<PolicySettings> = fc.record({
    mode: fc.constantFrom("enforce", "report"),
    onConflict: fc.constantFrom("outvote", "reject"),
    threshold: someThreshold,
    members: fc.option(someNames, { nil: undefined }),
    group: fc.array(fc.record({ name: fc.constantFrom("g", "h", "i"), ...quorum }), { maxLength: 4 }),
    rule: fc.array(
      fc.record({
        name: fc.constantFrom("r", "s"),
        match: fc.array(fc.constantFrom("*", "a-*", "b"), { minLength: 1 }),
        threshold: someThreshold,
        members: fc.option(someNames, { nil: undefined }),
      }),
      { maxLength: 3 },
    ),
  });

  it("ends on any settings, and what it lets pass decides without an error", () => {
    fc.assert(
      fc.property(some, (settings) => {
        const operators = ["alice", "bob", "chuck"];
        if (policyProblems(settings, operators).length > 0) return;
        const policy = createPolicy(settings, operators);
        const votes = operators.map((operator) => ({
          operator,
          kind: "statement" as const,
          statement: A,
          claims: [],
        }));
        // No threshold is out of reach: when all agree, all is accepted.
        expect(policy.decide({ hashPart: "0".repeat(32) }, votes).accepted).toBe(true);
        expect(policy.decide({ hashPart: "0".repeat(32) }, []).accepted).toBe(false);
      }),
      { numRuns: 2000 },
    );
  });
});
