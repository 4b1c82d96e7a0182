import { stripVTControlCharacters, styleText } from "node:util";
import { describe, expect, it } from "vitest";
import type { PolicySettings } from "../config/policy.ts";
import { type Paint, renderTable, visible } from "../terminal.ts";
import type { Vote } from "../votes/vote.ts";
import { closureExitStatus, renderClosureReport, reportClosure } from "./closure-report.ts";
import { explain, renderExplanation } from "./explain.ts";
import { createPolicy, type PolicyDecision } from "./policy.ts";
import { renderReplay, replay } from "./replay.ts";

const names = ["alice", "bob", "chuck", "dan", "eve"];
const plain: Paint = (_, text) => text;
const colourful: Paint = (style, text) => styleText(style, text, { validateStream: false });

const hashPart = (digit: number) => String(digit).repeat(32);
const pathOf = (digit: number) => `/nix/store/${hashPart(digit)}-hello`;
const statement = (content: string, digit = 0) => `1;${pathOf(digit)};sha256:0${content.repeat(51)};1024;`;

function settings(some: Partial<PolicySettings> = {}): PolicySettings {
  const members = ["alice", "bob", "chuck", "dan"];
  return { mode: "enforce", threshold: 3, members, onConflict: "outvote", group: [], rule: [], ...some };
}
function logged(operator: string, text: string, index: number): Vote {
  const evidence = { kind: "logged", index, seenAtMs: Date.UTC(2026, 10, 22, 12, 30) } as const;
  const claims = [{ statement: text, evidence, subscription: `${operator}-log` }];
  return { operator, kind: "statement", statement: text, claims };
}
function signed(operator: string, text: string): Vote {
  const claims = [
    {
      statement: text,
      evidence: { kind: "signed", keyName: `${operator}-1` } as const,
      subscription: "cache",
    },
  ];
  return { operator, kind: "statement", statement: text, claims };
}
function decide(votes: readonly Vote[], digit = 0, some: Partial<PolicySettings> = {}): PolicyDecision {
  return createPolicy(settings(some), names).decide({ hashPart: hashPart(digit) }, votes);
}

const mixed: readonly Vote[] = [
  logged("alice", statement("a"), 7),
  signed("bob", statement("a")),
  logged("chuck", statement("x"), 12),
  { operator: "dan", kind: "unreachable", reason: "dan-log: timed out\u001b[31m" },
  logged("eve", statement("a"), 3),
];

describe("explain", () => {
  const checkpoints = new Map([["alice-log", { treeSize: 100, rootHash: "cm9vdA==" }]]);
  const explanation = explain(decide(mixed), { checkpoints });

  it("names every vote, where it stands and how it is known", () => {
    expect(explanation).toMatchObject({
      version: 1,
      storePath: pathOf(0),
      accepted: false,
      reason: "no-quorum",
      rule: { name: "default" },
      quorum: { kind: "group", count: 2, threshold: 3 },
      statements: [
        { label: "A", narSize: 1024, operators: ["alice", "bob", "eve"] },
        { label: "B", operators: ["chuck"] },
      ],
      votes: [
        {
          operator: "alice",
          counts: true,
          labels: ["A"],
          sources: [
            {
              subscription: "alice-log",
              evidence: "logged",
              index: 7,
              seenAt: "2026-11-22T12:30:00.000Z",
              checkpoint: { treeSize: 100 },
            },
          ],
        },
        {
          operator: "bob",
          sources: [{ evidence: "signed", keyName: "bob-1", index: null, checkpoint: null }],
        },
        { operator: "chuck", labels: ["B"] },
        { operator: "dan", vote: "unreachable", labels: [], sources: [] },
        { operator: "eve", counts: false },
      ],
    });
  });

  it("is JSON as it is", () => {
    expect(JSON.parse(JSON.stringify(explanation))).toEqual(explanation);
  });

  it("is a table for people, in which nothing from outside steers the terminal", () => {
    expect(renderExplanation(explanation, plain)).toBe(`/nix/store/00000000000000000000000000000000-hello
refused (no-quorum): alice and bob agree, 2 of the 3 needed by rule "default"; 2 different statements were made; no answer from dan
rule "default" applies because it is the only one; mode enforce

OPERATOR         VOTE         NAR HASH    KNOWN FROM                      INDEX  SEEN
alice            A            0aaaaaaaaa  log alice-log at size 100       7      2026-11-22 12:30
bob              A            0aaaaaaaaa  signature only, bob-1 in cache
chuck            B            0xxxxxxxxx  log chuck-log                   12     2026-11-22 12:30
dan              unreachable              dan-log: timed out\\u{1b}[31m
eve (not asked)  A            0aaaaaaaaa  log eve-log                     3      2026-11-22 12:30

   NAR HASH                                                     NAR SIZE  STORE PATH
A  sha256:0aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa  1024      /nix/store/00000000000000000000000000000000-hello
B  sha256:0xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx  1024      /nix/store/00000000000000000000000000000000-hello`);
  });

  it("shows both statements of an operator who contradicts itself, and what report mode hides", () => {
    const [first, second] = [logged("bob", statement("a"), 1), logged("bob", statement("b"), 2)];
    const claims = [first, second].flatMap((vote) => ("claims" in vote ? vote.claims : []));
    const votes: Vote[] = [
      logged("alice", statement("a"), 5),
      { operator: "bob", kind: "conflicting", statements: [statement("a"), statement("b")], claims },
    ];
    const text = renderExplanation(explain(decide(votes, 0, { mode: "report" })), plain);
    expect(text).toContain("bob              A, contradicts itself  0aaaaaaaaa");
    expect(text).toContain("                 B, contradicts itself  0bbbbbbbbb");
    expect(text).toMatch(/^accepted A: accepted because the mode is "report"/m);
    expect(text).toMatch(
      /^enforcing: refused \(no-quorum\): alice agrees, 1 of the 3 needed .* bob contradicts itself/m,
    );
  });

  it("has labels for more statements than letters", () => {
    const many = Array.from({ length: 30 }, (_, index) => `operator${index}`);
    const policy = createPolicy(settings({ members: many }), many);
    const votes = many.map((operator, index) =>
      logged(operator, statement("a").replace("1024", String(index + 1)), 0),
    );
    const { statements } = explain(policy.decide({ hashPart: hashPart(0) }, votes));
    expect(statements.map(({ label }) => label).slice(24, 29)).toEqual(["Y", "Z", "AA", "AB", "AC"]);
  });
});

describe("reportClosure", () => {
  const agree = (digit: number) =>
    ["alice", "bob", "dan"].map((each) => logged(each, statement("a", digit), 0));
  const paths = [
    { digit: 0, votes: agree(0), local: statement("a", 0), expected: "confirmed" },
    { digit: 1, votes: agree(1), local: statement("x", 1), expected: "different" },
    {
      digit: 2,
      votes: [logged("alice", statement("a", 2), 0)],
      local: statement("a", 2),
      expected: "refused",
    },
    { digit: 3, votes: [], local: statement("a", 3), expected: "nobody-else" },
    {
      digit: 4,
      votes: [logged("alice", statement("a", 4), 0), logged("bob", statement("b", 4), 0)],
      local: undefined,
      expected: "disputed",
    },
    {
      digit: 5,
      votes: [logged("alice", statement("a", 5), 0)],
      local: statement("x", 5),
      expected: "disputed",
    },
  ] as const;
  const found = paths.map(({ digit, votes, local }) => ({
    storePath: pathOf(digit),
    local,
    decision: decide(votes, digit, { mode: "report" }),
  }));
  const proven = createPolicy(settings(), names).decide(
    { hashPart: hashPart(6), proven: statement("a", 6) },
    [],
  );
  const report = reportClosure([...found, { storePath: pathOf(6), decision: proven }]);

  it("puts every path in one class, by what enforcing says", () => {
    const classes = new Map(report.paths.map((each) => [each.storePath, each.class]));
    for (const { digit, expected } of paths) expect(classes.get(pathOf(digit))).toBe(expected);
    expect(classes.get(pathOf(6))).toBe("content-addressed");
    expect(report).toMatchObject({ total: 7, counts: { disputed: 2, confirmed: 1, different: 1 } });
    expect(report.paths[0]?.class).toBe("different");
  });

  it.each([
    [[0], false, 0],
    [[0, 2], false, 1],
    [[0, 2, 3], true, 0],
    [[0, 4], true, 4],
    [[1], true, 4],
    [[], false, 0],
  ] as const)("of paths %j with mayBeUnconfirmed %j exits with %d", (digits, mayBeUnconfirmed, status) => {
    const part = reportClosure(digits.map((digit) => found[digit] as (typeof found)[number]));
    expect(closureExitStatus(part, { mayBeUnconfirmed })).toBe(status);
  });

  it("is a table, then every path that is not in order", () => {
    const text = renderClosureReport(report, plain, 3);
    expect(text).toMatch(/^different +1 +14\.3 % +what is installed is not what the policy accepts$/m);
    expect(text).toContain(`disputed  ${pathOf(4)}  `);
    expect(text).toMatch(/and 2 more: raise --limit, or see --json$/);
    expect(renderClosureReport(reportClosure([]), plain)).toContain("CLASS");
  });
});

describe("replay", () => {
  it("says what another policy would change", async () => {
    const cases = [
      { facts: { hashPart: hashPart(0) }, votes: mixed },
      { facts: { hashPart: hashPart(1) }, votes: [] },
      {
        facts: { hashPart: hashPart(2) },
        votes: ["alice", "bob", "dan"].map((each) => logged(each, statement("a", 2), 0)),
      },
    ];
    const before = createPolicy(settings(), names);
    const after = createPolicy(settings({ members: ["alice", "bob", "eve", "chuck"], threshold: 3 }), names);
    const report = await replay(cases, before, after);
    expect(report).toMatchObject({
      total: 3,
      acceptedBefore: 1,
      acceptedAfter: 1,
      counts: { "newly-accepted": 1, "newly-refused": 1, "other-statement": 0, "other-reason": 0 },
      differences: [
        {
          path: pathOf(0),
          change: "newly-accepted",
          before: { verdict: "no-quorum" },
          after: { verdict: "accepted" },
        },
        { path: pathOf(2), change: "newly-refused" },
      ],
    });
    const short = await replay(cases, before, after, 1);
    expect(short.differences).toHaveLength(1);
    expect(renderReplay(report, plain)).toMatch(/^3 paths: 1 accepted before, 1 after; 2 decisions change\n/);
    expect(renderReplay(short, plain)).toMatch(/and 1 more$/);
  });

  it("of the same policy changes nothing", async () => {
    const policy = createPolicy(settings(), names);
    const report = await replay([{ facts: { hashPart: hashPart(0) }, votes: mixed }], policy, policy);
    expect(report.differences).toEqual([]);
    expect(renderReplay(report, plain)).toBe("1 paths: 0 accepted before, 0 after; 0 decisions change");
  });
});

describe("text for terminals", () => {
  it("shows what could steer a terminal or turn its text round", () => {
    expect(visible("a\u001b[2Jb\n\u202ec\u0085\u2028")).toBe("a\\u{1b}[2Jb\\u{a}\\u{202e}c\\u{85}\\u{2028}");
  });

  it("lines columns up whatever their colours", () => {
    const table = renderTable(
      ["A", "B"],
      [
        [colourful("red", "long cell"), "1"],
        ["x", "2"],
      ],
      colourful,
    );
    expect(stripVTControlCharacters(table)).toBe("A          B\nlong cell  1\nx          2");
  });
});
