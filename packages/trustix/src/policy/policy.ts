/**
 * A whole policy: which rule applies to a path, what that rule and the policy's script say, and what the mode makes of it.
 *
 * Pure but for the script, which is passed in. The same settings, facts and votes give the same decision.
 */

import {
  type Fingerprinted,
  formatNixStatement,
  HASH_PART_LENGTH,
  provesNarHash,
  type SelfProving,
} from "@trustix/nix";
import { type PolicySettings, policyProblems, type QuorumSettings } from "../config/policy.ts";
import { TrustixError } from "../errors.ts";
import { withoutQuarantine } from "../votes/quarantine.ts";
import type { Vote } from "../votes/vote.ts";
import { type Decision, decide, type Rule } from "./decide.ts";
import { matchesGlob } from "./glob.ts";
import { evaluateQuorum, majorityThreshold, percentageThreshold, type Quorum } from "./quorum.ts";
import type { PolicyScript } from "./script.ts";
import { storePathOf } from "./statement-path.ts";
import { neverEasier, type Verdict } from "./verdict.ts";

/** Name of the rule for paths that no `[[policy.rule]]` matches. */
const DEFAULT_RULE = "default";

/** What is known of a path before anybody is asked. `hashPart` and `storePath` come from the caller, and agree. */
export interface PathFacts {
  /** The 32 characters that a binary cache is asked for. */
  readonly hashPart: string;
  /** The full store path, when it is known. Then statements about any other name of the same hash part are mere dissent. */
  readonly storePath?: string | undefined;
  /** The statement that the path's own name proves: see {@link provenStatement}. The caller has verified it. */
  readonly proven?: string | undefined;
}

/** A verdict with all that it was made from. */
export type PolicyDecision = Verdict & {
  readonly hashPart: string;
  /** The path that this is about, when somebody named it. */
  readonly storePath?: string | undefined;
  readonly mode: "enforce" | "report";
  /** One vote for each configured operator, in the order of the configuration. */
  readonly votes: readonly Vote[];
  /** What mode `enforce` says: in that mode, the verdict itself. */
  readonly enforced: Verdict;
};

/** Whose agreement is enough where no `[[policy.rule]]` matches. */
export interface DefaultQuorum {
  /** How many of the members must agree. */
  readonly needed: number;
  /** Operators and groups, in the order of the configuration. */
  readonly members: readonly string[];
  /** Operators whose word alone is enough; empty in any policy that asks for agreement. A script may say otherwise. */
  readonly alone: readonly string[];
}

interface NamedRule extends Rule {
  readonly match: readonly string[];
}

/** The statement that a store path proves by its own name; undefined when it proves none and votes are needed. */
export function provenStatement(info: SelfProving & Fingerprinted): string | undefined {
  return provesNarHash(info) ? formatNixStatement(info) : undefined;
}

/**
 * Makes a policy of its settings.
 * @param operators names of all configured operators; a vote of anybody else is ignored
 * @param script has the last word on paths that somebody has built, unless they prove themselves
 * @throws TrustixError `CONFIG_INVALID` when the settings are no policy; `loadConfig` says so earlier, with lines
 */
export function createPolicy(
  settings: PolicySettings,
  operators: readonly string[],
  script?: PolicyScript,
): Policy {
  const [problem] = policyProblems(settings, operators);
  if (problem !== undefined) {
    throw new TrustixError("CONFIG_INVALID", `${problem.path.join(".")} ${problem.message}`);
  }
  const groups = new Map(settings.group.map((each) => [each.name, each]));
  const quorum = (name: string, { threshold, members = [] }: QuorumSettings): Quorum => ({
    kind: "group",
    name,
    threshold: thresholdOf(threshold, members.length),
    members: members.map((member): Quorum => {
      const group = groups.get(member);
      return group === undefined ? { kind: "operator", operator: member } : quorum(member, group);
    }),
  });
  const members = settings.members ?? operators;
  const rules = settings.rule.map((rule) => ({
    name: rule.name,
    match: rule.match,
    quorum: quorum(rule.name, { threshold: rule.threshold, members: rule.members ?? members }),
    onConflict: rule.onConflict ?? settings.onConflict,
  }));
  const fallback: NamedRule = {
    name: DEFAULT_RULE,
    match: [],
    quorum: quorum(DEFAULT_RULE, { threshold: settings.threshold, members }),
    onConflict: settings.onConflict,
  };
  return new Policy(settings.mode, operators, rules, fallback, script);
}

function thresholdOf(setting: QuorumSettings["threshold"], members: number): number {
  if (typeof setting === "number") return setting;
  return setting === "majority"
    ? majorityThreshold(members)
    : percentageThreshold(Number(setting.slice(0, -1)), members);
}

/** Decides which statement about a path, if any, is good enough. Made by {@link createPolicy}. */
export class Policy {
  readonly mode: "enforce" | "report";
  /** All configured operators, in order: those to count votes of. */
  readonly operators: readonly string[];
  readonly #rules: readonly NamedRule[];
  readonly #fallback: NamedRule;
  readonly #script: PolicyScript | undefined;

  constructor(
    mode: "enforce" | "report",
    operators: readonly string[],
    rules: readonly NamedRule[],
    fallback: NamedRule,
    script: PolicyScript | undefined,
  ) {
    this.mode = mode;
    this.operators = operators;
    this.#rules = rules;
    this.#fallback = fallback;
    this.#script = script;
  }

  /** Decides about one path. `votes` as `countVotes` gives them. Never throws. */
  decide(facts: PathFacts, votes: readonly Vote[]): PolicyDecision {
    const counted = this.operators.map(
      (operator): Vote =>
        votes.find((vote) => vote.operator === operator) ?? {
          operator,
          kind: "unreachable",
          reason: "not asked",
        },
    );
    const { hashPart } = facts;
    const { mode } = this;
    const provenPath = facts.proven === undefined ? undefined : storePathOf(facts.proven);
    if (facts.proven !== undefined && provenPath !== undefined && isPath(provenPath, facts)) {
      const proven: Verdict = {
        rule: {
          name: "content-addressed",
          because: "the path's own name proves its contents",
          operators: [],
        },
        candidates: [],
        explanation: "the store path proves its contents: no votes are needed",
        accepted: true,
        statement: facts.proven,
        basis: "content-addressed",
      };
      return { ...proven, hashPart, storePath: provenPath, mode, votes: counted, enforced: proven };
    }
    const { storePath, statements, verdict } = this.#judge(facts, counted);
    const enforced = counted.some(({ kind }) => kind === "quarantined")
      ? neverEasier(verdict, this.#judge(facts, withoutQuarantine(counted)).verdict)
      : verdict;
    const final = mode === "enforce" ? enforced : lenient(enforced, statements);
    const named = final.accepted ? storePathOf(final.statement) : storePath;
    return { ...final, hashPart, storePath: named, mode, votes: counted, enforced };
  }

  /** What must agree on a path that no rule of the configuration matches. */
  get defaultQuorum(): DefaultQuorum {
    const { quorum } = this.#fallback;
    const alone = this.operators.filter((operator) => evaluateQuorum(quorum, [operator]).met);
    if (quorum.kind === "operator") return { needed: 1, members: [quorum.operator], alone };
    const members = quorum.members.map((each) => (each.kind === "operator" ? each.operator : each.name));
    return { needed: quorum.threshold, members, alone };
  }

  /** Names of the rules that can never be met while these operators do not count. */
  rulesBlockedBy(silenced: readonly string[]): readonly string[] {
    const others = this.operators.filter((operator) => !silenced.includes(operator));
    return [...this.#rules, this.#fallback]
      .filter(({ quorum }) => !evaluateQuorum(quorum, others).met)
      .map(({ name }) => name);
  }

  /** What rules and script say, whatever the mode. */
  #judge(
    facts: PathFacts,
    votes: readonly Vote[],
  ): {
    readonly storePath: string | undefined;
    readonly statements: readonly Supported[];
    readonly verdict: Verdict;
  } {
    const statements = statementsAbout(facts, votes);
    const { storePath, verdict } = this.#applyRules(facts, votes, statements);
    const { hashPart } = facts;
    if (this.#script === undefined || statements.length === 0) return { storePath, statements, verdict };
    const said = applyScript(this.#script, { storePath, hashPart }, votes, statements, verdict);
    return { storePath, statements, verdict: said };
  }

  /**
   * A hash part alone does not say which rule applies: the name does, and only statements tell it. An operator may lie about it,
   * so each name is judged under its own rule by statements about that very name.
   */
  #applyRules(
    facts: PathFacts,
    votes: readonly Vote[],
    statements: readonly Supported[],
  ): { readonly storePath: string | undefined; readonly verdict: Verdict } {
    const paths = facts.storePath === undefined ? namesOf(facts, votes, statements) : [facts.storePath];
    const verdicts = (paths.length === 0 ? [undefined] : paths).map((storePath) => ({
      storePath,
      verdict: this.#applyRule(storePath, votes, statements),
    }));
    // Names with support enough for a quorum, even if what is said under that name is a tie or disputed.
    const supported = verdicts.filter(
      ({ verdict }) => verdict.accepted || verdict.reason === "tie" || verdict.reason === "dissent",
    );
    const [first, second] = supported;
    if (first !== undefined && second !== undefined) {
      const explanation = `different names of this path each have a quorum, ${supported.map(({ storePath }) => storePath).join(" and ")}: a tie refuses`;
      const { rule, candidates } = first.verdict;
      return {
        storePath: undefined,
        verdict: { rule, candidates, explanation, accepted: false, reason: "tie" },
      };
    }
    // `statements` has the most supported one first, and so have the verdicts.
    return (first ?? verdicts[0]) as (typeof verdicts)[number];
  }

  #applyRule(
    storePath: string | undefined,
    votes: readonly Vote[],
    statements: readonly Supported[],
  ): Verdict {
    const name = nameIn(storePath);
    let rule = this.#fallback;
    let because = this.#rules.length === 0 ? "it is the only one" : "no other rule matches";
    search: for (const each of this.#rules) {
      for (const pattern of each.match) {
        if (!matchesGlob(pattern, name)) continue;
        rule = each;
        because = `"${pattern}" matches the name`;
        break search;
      }
    }
    const decision: Decision = decide(rule, votes, (statement) =>
      statements.some((each) => each.statement === statement && each.storePath === storePath),
    );
    const { candidates, explanation } = decision;
    const operators = decision.votes.map((vote) => vote.operator);
    const common = { rule: { name: rule.name, because, operators }, candidates, explanation };
    return decision.accepted
      ? { ...common, accepted: true, statement: decision.statement, basis: "quorum" }
      : { ...common, accepted: false, reason: decision.reason };
  }
}

/** A statement about the path in question, and how many operators make it. */
interface Supported {
  readonly statement: string;
  readonly storePath: string;
  count: number;
}

/**
 * Statements that may be accepted, most supported first; among equals, that of the operator who is configured first. They are
 * few, so looking through them is faster than hashing each statement for a map.
 */
function statementsAbout(facts: PathFacts, votes: readonly Vote[]): Supported[] {
  const found: Supported[] = [];
  for (const vote of votes) {
    if (vote.kind !== "statement") continue;
    const { statement } = vote;
    const same = found.find((each) => each.statement === statement);
    if (same !== undefined) {
      same.count++;
      continue;
    }
    const storePath = storePathOf(statement);
    if (storePath !== undefined && isPath(storePath, facts)) found.push({ statement, storePath, count: 1 });
  }
  return found.sort((a, b) => b.count - a.count);
}

/** The paths that statements are about; what quarantined operators say names only paths that could be meant, too. */
function namesOf(facts: PathFacts, votes: readonly Vote[], statements: readonly Supported[]): string[] {
  const names = new Set(statements.map((each) => each.storePath));
  for (const vote of votes) {
    if (vote.kind !== "quarantined") continue;
    for (const storePath of vote.statements.map(storePathOf)) {
      if (storePath !== undefined && isPath(storePath, facts)) names.add(storePath);
    }
  }
  return [...names];
}

/** Whether a path, as `storePathOf` finds it, is the one in question. */
function isPath(about: string, { hashPart, storePath }: PathFacts): boolean {
  return storePath === undefined
    ? hashPart.length === HASH_PART_LENGTH && about.startsWith(hashPart, about.lastIndexOf("/") + 1)
    : about === storePath;
}

/** The name after the hash part; empty when the path is not known, which only a pattern for everything matches. */
function nameIn(storePath: string | undefined): string {
  return storePath === undefined ? "" : storePath.slice(storePath.lastIndexOf("/") + 34);
}

function applyScript(
  script: PolicyScript,
  { storePath, hashPart }: { readonly storePath: string | undefined; readonly hashPart: string },
  votes: readonly Vote[],
  statements: readonly Supported[],
  verdict: Verdict,
): Verdict {
  const answer = script.decide({
    path: storePath ?? null,
    name: storePath === undefined ? null : nameIn(storePath),
    hashPart,
    votes: votes.map((vote) => ({
      operator: vote.operator,
      kind: vote.kind,
      statement: vote.kind === "statement" ? vote.statement : null,
      logged: "claims" in vote && vote.claims.some((claim) => claim.evidence.kind === "logged"),
    })),
    quorum: {
      accepted: verdict.accepted,
      statement: verdict.accepted ? verdict.statement : null,
      reason: verdict.accepted ? null : verdict.reason,
      rule: verdict.rule.name,
      explanation: verdict.explanation,
    },
  });
  const { rule, candidates } = verdict;
  const common = { rule, candidates };
  switch (answer.kind) {
    case "accept": {
      const { statement, because: explanation } = answer;
      if (statements.some((each) => each.statement === statement)) {
        return { ...common, explanation, accepted: true, statement, basis: "script" };
      }
      return {
        ...common,
        explanation: "the policy script accepted a statement about this path that no operator makes",
        accepted: false,
        reason: "policy-error",
      };
    }
    case "refuse":
      return { ...common, explanation: answer.because, accepted: false, reason: "script-refused" };
    case "error":
      return {
        ...common,
        explanation: `the policy script failed: ${answer.message}`,
        accepted: false,
        reason: "policy-error",
      };
    default:
      return answer satisfies never;
  }
}

/** Mode `report`: whatever any operator states is accepted, the best supported statement first. */
function lenient(enforced: Verdict, statements: readonly Supported[]): Verdict {
  const [best] = statements;
  if (enforced.accepted || best === undefined) return enforced;
  const { rule, candidates } = enforced;
  return {
    rule,
    candidates,
    explanation: `accepted because the mode is "report"; enforcing would refuse: ${enforced.explanation}`,
    accepted: true,
    statement: best.statement,
    basis: "report",
  };
}
