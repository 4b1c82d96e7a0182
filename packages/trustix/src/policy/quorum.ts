/**
 * Quorums: nested thresholds over operators.
 *
 * A quorum is met for a statement, not in general: members that agree with each other on another statement do not count.
 */
import type { Vote } from "../votes/vote.ts";

export type Quorum =
  | { readonly kind: "operator"; readonly operator: string }
  | {
      readonly kind: "group";
      /** Shown in explanations. */
      readonly name: string;
      /** How many members must be met, 1 to the number of members. */
      readonly threshold: number;
      readonly members: readonly Quorum[];
    };

/** How far one quorum got for one statement; mirrors the quorum's shape, so that a decision can be shown in full. */
export type QuorumOutcome =
  | { readonly kind: "operator"; readonly operator: string; readonly met: boolean }
  | {
      readonly kind: "group";
      readonly name: string;
      readonly met: boolean;
      readonly count: number;
      readonly threshold: number;
      readonly members: readonly QuorumOutcome[];
    };

/** Evaluates `quorum` for `statement`. Only a plain vote for exactly this statement counts. */
export function evaluateQuorum(quorum: Quorum, statement: string, votes: readonly Vote[]): QuorumOutcome {
  if (quorum.kind === "operator") {
    const met = votes.some(
      (vote) =>
        vote.kind === "statement" && vote.operator === quorum.operator && vote.statement === statement,
    );
    return { kind: "operator", operator: quorum.operator, met };
  }
  const members = quorum.members.map((member) => evaluateQuorum(member, statement, votes));
  const count = members.filter((member) => member.met).length;
  return {
    kind: "group",
    name: quorum.name,
    met: count >= quorum.threshold,
    count,
    threshold: quorum.threshold,
    members,
  };
}

/** The operators anywhere in a quorum, each once, in order of first appearance. */
export function quorumOperators(quorum: Quorum): string[] {
  const found = new Set<string>();
  const visit = (node: Quorum): void => {
    if (node.kind === "operator") found.add(node.operator);
    else node.members.forEach(visit);
  };
  visit(quorum);
  return [...found];
}

/**
 * The threshold that a percentage of configured members means: the smallest count that is at least `percent` of `members`,
 * and never 0. Absent members stay in the denominator, so that silence cannot lower the bar.
 */
export function percentageThreshold(percent: number, members: number): number {
  return Math.max(1, Math.ceil((percent * members) / 100));
}
