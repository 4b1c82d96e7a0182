/**
 * From votes to a decision. Pure: the same rule and votes always give the same decision, and the decision carries all that led to it.
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

/** Applies one rule to the votes. Votes of operators that the rule does not name are left out. */
export function decide(rule: Rule, allVotes: readonly Vote[]): Decision {
  const votes = memberVotes(rule.quorum, allVotes);
  const candidates = rankCandidates(rule.quorum, votes);
  const common = { rule: rule.name, votes, candidates };
  const met = candidates.filter((candidate) => candidate.outcome.met);
  const [winner, rival] = met;

  if (candidates.length === 0) {
    return {
      ...common,
      accepted: false,
      reason: "no-votes",
      explanation: `no operator of rule "${rule.name}" has built this path`,
    };
  }
  if (winner === undefined) {
    return {
      ...common,
      accepted: false,
      reason: "no-quorum",
      explanation: explainShortfall(rule, candidates),
    };
  }
  if (rival !== undefined) {
    const explanation = `${met.length} different statements meet rule "${rule.name}": a tie refuses`;
    return { ...common, accepted: false, reason: "tie", explanation };
  }
  const dissenters = votes.filter((vote) => dissents(vote, winner.statement)).map((vote) => vote.operator);
  if (rule.onConflict === "reject" && dissenters.length > 0) {
    const explanation = `${list(dissenters)} dissent${dissenters.length === 1 ? "s" : ""}, and rule "${rule.name}" rejects any dissent`;
    return { ...common, accepted: false, reason: "dissent", explanation };
  }
  const against = dissenters.length === 0 ? "" : `, against ${list(dissenters)}`;
  const explanation = `${list(winner.operators)} agree${winner.operators.length === 1 ? "s" : ""}${against}: rule "${rule.name}" is met`;
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

/** A contradiction is dissent whatever it contains: its author stands behind nothing. */
function dissents(vote: Vote, statement: string): boolean {
  return vote.kind === "conflicting" || (vote.kind === "statement" && vote.statement !== statement);
}

function rankCandidates(quorum: Quorum, votes: readonly Vote[]): Candidate[] {
  const operatorsByStatement = new Map<string, string[]>();
  for (const vote of votes) {
    if (vote.kind !== "statement") continue;
    const operators = operatorsByStatement.get(vote.statement);
    if (operators === undefined) operatorsByStatement.set(vote.statement, [vote.operator]);
    else operators.push(vote.operator);
  }
  return [...operatorsByStatement]
    .map(([statement, operators]) => ({
      statement,
      operators,
      outcome: evaluateQuorum(quorum, statement, votes),
    }))
    .sort((a, b) => b.operators.length - a.operators.length || (a.statement < b.statement ? -1 : 1));
}

function explainShortfall(rule: Rule, candidates: readonly Candidate[]): string {
  const best = candidates[0];
  if (best === undefined) return `rule "${rule.name}" is not met`;
  const needed =
    best.outcome.kind === "group"
      ? `${best.outcome.count} of the ${best.outcome.threshold} needed`
      : "not the one needed";
  const others = candidates.length === 1 ? "" : `; ${candidates.length} different statements were made`;
  return `${list(best.operators)} agree${best.operators.length === 1 ? "s" : ""}, ${needed} by rule "${rule.name}"${others}`;
}

function list(names: readonly string[]): string {
  return names.length <= 1 ? names.join("") : `${names.slice(0, -1).join(", ")} and ${names.at(-1)}`;
}
