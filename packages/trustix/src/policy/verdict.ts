/** What a policy says of one path, and what quarantine may make of it. */

import type { Candidate, RefusalReason } from "./decide.ts";

/** The rule that was applied. */
export interface AppliedRule {
  readonly name: string;
  /** Why this one: completes "this rule applies because …". */
  readonly because: string;
  /** Whom it asks, in its order. */
  readonly operators: readonly string[];
}

/** Why a statement was accepted. */
export type AcceptanceBasis =
  /** The store path itself proves the contents; nobody was asked. */
  | "content-addressed"
  /** The rule's quorum is met. */
  | "quorum"
  /** The policy's script accepted it. */
  | "script"
  /** The mode is `report`, and `enforce` would have refused. */
  | "report";

/** Why nothing was accepted. */
export type PolicyRefusal =
  | RefusalReason
  /** It would be accepted if nobody were in quarantine. */
  | "quarantine"
  /** The policy's script refused. */
  | "script-refused"
  /** The policy's script failed: it threw, ran too long, or returned what it may not. */
  | "policy-error";

/** What a policy says in one mode. */
export type Verdict = {
  readonly rule: AppliedRule;
  /** Statements of the rule's operators, most supported first. */
  readonly candidates: readonly Candidate[];
  /** One sentence for people. May contain text that a script returned: escape it for terminals and headers. */
  readonly explanation: string;
} & (
  | { readonly accepted: true; readonly statement: string; readonly basis: AcceptanceBasis }
  | { readonly accepted: false; readonly reason: PolicyRefusal }
);

/**
 * What comes of a verdict without the quarantined operators, given the one in which everybody counts: quarantine may withhold
 * an acceptance and never bring one about, whether by rules or by a script.
 */
export function neverEasier(verdict: Verdict, everybody: Verdict): Verdict {
  const { rule, candidates } = verdict;
  if (!verdict.accepted) return everybody.accepted ? { ...verdict, reason: "quarantine" } : verdict;
  if (everybody.accepted && everybody.statement === verdict.statement) return verdict;
  const explanation = everybody.accepted
    ? "another statement would be accepted if nobody were in quarantine"
    : `${everybody.explanation}; what operators in quarantine say still speaks against others`;
  const reason = everybody.accepted ? "quarantine" : everybody.reason;
  return { rule, candidates, explanation, accepted: false, reason };
}
