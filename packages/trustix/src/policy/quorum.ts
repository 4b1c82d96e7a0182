/**
 * Quorums: nested thresholds over operators.
 *
 * A quorum is met for a statement, not in general: members that agree with each other on another statement do not count.
 */

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
      /** Members that are met. */
      readonly count: number;
      readonly threshold: number;
      readonly members: readonly QuorumOutcome[];
    };

/** Evaluates `quorum` for one statement, which exactly `supporters` make, each a distinct operator. */
export function evaluateQuorum(quorum: Quorum, supporters: readonly string[]): QuorumOutcome {
  if (quorum.kind === "operator") {
    const { operator } = quorum;
    return { kind: "operator", operator, met: supporters.includes(operator) };
  }
  const { name, threshold } = quorum;
  const members: QuorumOutcome[] = [];
  let count = 0;
  for (const member of quorum.members) {
    const outcome = evaluateQuorum(member, supporters);
    if (outcome.met) count++;
    members.push(outcome);
  }
  return { kind: "group", name, met: count >= threshold, count, threshold, members };
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

/** More than half of `members`: two different statements can never both have it. */
export function majorityThreshold(members: number): number {
  return Math.floor(members / 2) + 1;
}
