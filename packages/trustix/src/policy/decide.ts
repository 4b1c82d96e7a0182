/**
 * From votes to a verdict by one rule. Pure: the same rule and votes always give the same verdict, and the verdict carries all
 * that led to it.
 */

import type { Vote } from "../votes/vote.ts";
import { evaluateQuorum, type Quorum, type QuorumOutcome, quorumOperators } from "./quorum.ts";

export interface Rule {
  /** Shown in explanations; unique in a policy. */
  readonly name: string;
  readonly quorum: Quorum;
  /**
   * `reject`: any member that says something else, or contradicts itself, is a refusal, even when the quorum is met.
   * `outvote`: members in the minority are outvoted.
   */
  readonly onConflict: "reject" | "outvote";
}

export type RefusalReason =
  /** No member of the quorum has a statement. */
  | "no-votes"
  /** Statements were made, none of them meets the quorum. */
  | "no-quorum"
  /** More than one statement meets the quorum. */
  | "tie"
  /** The quorum is met, but a member dissents and the rule says `on-conflict = "reject"`. */
  | "dissent";

/** One statement that somebody made, with who made it and how far it got. */
export interface Candidate {
  readonly statement: string;
  readonly operators: readonly string[];
  readonly outcome: QuorumOutcome;
}

export type Decision = {
  readonly rule: string;
  /** Votes of the rule's operators, in the rule's order. */
  readonly votes: readonly Vote[];
  /** Most supported first. */
  readonly candidates: readonly Candidate[];
  /** One sentence for people. */
  readonly explanation: string;
} & (
  | { readonly accepted: true; readonly statement: string }
  | { readonly accepted: false; readonly reason: RefusalReason }
);

const anything = (): boolean => true;

/**
 * Applies one rule to the votes. Votes of operators that the rule does not name are left out.
 * @param mayAccept says which statements may be accepted at all: those about the path in question. Any other one is dissent
 * like each that differs. Default: all.
 */
export function decide(
  rule: Rule,
  allVotes: readonly Vote[],
  mayAccept: (statement: string) => boolean = anything,
): Decision {
  const votes = memberVotes(rule.quorum, allVotes);
  const candidates = rankCandidates(rule.quorum, votes);
  const common = { rule: rule.name, votes, candidates };
  const met = candidates.filter((candidate) => candidate.outcome.met && mayAccept(candidate.statement));
  const [winner, rival] = met;

  if (winner === undefined) {
    const silent = !votes.some((vote) => "claims" in vote);
    const explanation = silent ? explainSilence(rule, votes) : explainShortfall(rule, votes, candidates);
    return { ...common, accepted: false, reason: silent ? "no-votes" : "no-quorum", explanation };
  }
  if (rival !== undefined) {
    const explanation = `${met.length} different statements meet rule "${rule.name}": a tie refuses`;
    return { ...common, accepted: false, reason: "tie", explanation };
  }
  const dissenters = votes.filter((vote) => dissents(vote, winner.statement)).map((vote) => vote.operator);
  if (rule.onConflict === "reject" && dissenters.length > 0) {
    const explanation = `${list(dissenters)} ${verb(dissenters, "dissent")}, and rule "${rule.name}" rejects any dissent`;
    return { ...common, accepted: false, reason: "dissent", explanation };
  }
  const against = dissenters.length === 0 ? "" : `, against ${list(dissenters)}`;
  const explanation = `${list(winner.operators)} ${verb(winner.operators, "agree")}${against}: rule "${rule.name}" is met`;
  return { ...common, accepted: true, statement: winner.statement, explanation };
}

function memberVotes(quorum: Quorum, votes: readonly Vote[]): Vote[] {
  return quorumOperators(quorum).map(
    (operator) =>
      votes.find((vote) => vote.operator === operator) ?? {
        operator,
        kind: "unreachable",
        reason: "no subscription",
      },
  );
}

/** A contradiction is dissent whatever it contains: its author stands behind nothing. Quarantine does not take dissent away. */
function dissents(vote: Vote, statement: string): boolean {
  switch (vote.kind) {
    case "statement":
      return vote.statement !== statement;
    case "quarantined":
      return vote.statements.some((each) => each !== statement);
    case "conflicting":
      return true;
    case "absent":
    case "unreachable":
      return false;
    default:
      return vote satisfies never;
  }
}

function rankCandidates(quorum: Quorum, votes: readonly Vote[]): Candidate[] {
  const made: { readonly statement: string; readonly operators: string[] }[] = [];
  for (const vote of votes) {
    if (vote.kind !== "statement") continue;
    const { operator, statement } = vote;
    const same = made.find((each) => each.statement === statement);
    if (same === undefined) made.push({ statement, operators: [operator] });
    else same.operators.push(operator);
  }
  return made
    .map(({ statement, operators }) => ({
      statement,
      operators,
      outcome: evaluateQuorum(quorum, operators),
    }))
    .sort((a, b) => b.operators.length - a.operators.length || (a.statement < b.statement ? -1 : 1));
}

function explainSilence(rule: Rule, votes: readonly Vote[]): string {
  const unreachable = operatorsOf(votes, "unreachable");
  const also = unreachable.length === 0 ? "" : `; no answer from ${list(unreachable)}`;
  return `no operator of rule "${rule.name}" is known to have built this path${also}`;
}

function explainShortfall(rule: Rule, votes: readonly Vote[], candidates: readonly Candidate[]): string {
  const [best, ...others] = candidates;
  const parts: string[] = [];
  if (best?.outcome.met === true) {
    parts.push(`what ${list(best.operators)} ${verb(best.operators, "state")} is about another path`);
  } else if (best !== undefined) {
    const { outcome, operators } = best;
    const needed =
      outcome.kind === "group" ? `${outcome.count} of the ${outcome.threshold} needed` : "not the one needed";
    // Where all differ, whoever comes first is nobody to be named.
    const isSplit = outcome.kind === "group" && operators.length === 1 && others.length > 0;
    const who = isSplit ? "no two agree" : `${list(operators)} ${verb(operators, "agree")}`;
    parts.push(`${who}, ${needed} by rule "${rule.name}"`);
    if (others.length > 0) parts.push(`${candidates.length} different statements were made`);
  }
  const contradicting = operatorsOf(votes, "conflicting");
  if (contradicting.length > 0) {
    parts.push(
      `${list(contradicting)} ${verb(contradicting, "contradict")} ${contradicting.length === 1 ? "itself" : "themselves"}`,
    );
  }
  const quarantined = operatorsOf(votes, "quarantined");
  if (quarantined.length > 0) {
    parts.push(`${list(quarantined)} ${quarantined.length === 1 ? "is" : "are"} in quarantine`);
  }
  const unreachable = operatorsOf(votes, "unreachable");
  if (unreachable.length > 0) parts.push(`no answer from ${list(unreachable)}`);
  return parts.join("; ");
}

function operatorsOf(votes: readonly Vote[], kind: Vote["kind"]): string[] {
  return votes.filter((vote) => vote.kind === kind).map((vote) => vote.operator);
}

function verb(subjects: readonly string[], plural: string): string {
  return subjects.length === 1 ? `${plural}s` : plural;
}

function list(names: readonly string[]): string {
  return names.length <= 1 ? names.join("") : `${names.slice(0, -1).join(", ")} and ${names.at(-1)}`;
}
