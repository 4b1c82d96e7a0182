/**
 * Operators in quarantine: what they say is shown, and counts for nothing.
 *
 * Quarantine can only make acceptance harder. Thresholds go on to count a quarantined operator among those configured, and
 * the policy refuses whatever it would have refused had everybody counted (`policy/policy.ts`): to silence a dissenter
 * makes nothing acceptable.
 */

import type { Vote } from "./vote.ts";

/** An operator that does not count now. */
export interface QuarantinedOperator {
  readonly operator: string;
  /** `estimate`: it became too suspect. `hand`: somebody put it there. */
  readonly by: "estimate" | "hand";
  /** One sentence for people; for `hand` it is what was typed. */
  readonly reason: string;
  readonly sinceMs: number;
}

/** Who is in quarantine now. */
export interface Quarantined {
  /** This operator's quarantine; undefined when it counts. */
  find(operator: string): QuarantinedOperator | undefined;
  /** All of them, in the order of the configuration: another list after each change, the same one until then. */
  list(): readonly QuarantinedOperator[];
}

/** Quarantine of a fixed list. */
export function quarantineOf(list: readonly QuarantinedOperator[]): Quarantined {
  return { find: (operator) => list.find((each) => each.operator === operator), list: () => list };
}

/** The votes with those of quarantined operators marked. Who says nothing of the path has nothing that could count, and stays as it is. */
export function markQuarantined(votes: readonly Vote[], quarantined: Quarantined): readonly Vote[] {
  if (quarantined.list().length === 0) return votes;
  return votes.map((vote): Vote => {
    if (vote.kind !== "statement" && vote.kind !== "conflicting") return vote;
    const found = quarantined.find(vote.operator);
    if (found === undefined) return vote;
    const { operator, claims } = vote;
    const [first, ...others] = vote.kind === "statement" ? [vote.statement] : vote.statements;
    if (first === undefined) return vote;
    return { operator, kind: "quarantined", reason: found.reason, statements: [first, ...others], claims };
  });
}

/** The votes as they would be if everybody counted. */
export function withoutQuarantine(votes: readonly Vote[]): readonly Vote[] {
  return votes.map((vote): Vote => {
    if (vote.kind !== "quarantined") return vote;
    const { operator, claims, statements } = vote;
    const [statement, ...others] = statements;
    return others.length === 0
      ? { operator, kind: "statement", statement, claims }
      : { operator, kind: "conflicting", statements, claims };
  });
}
