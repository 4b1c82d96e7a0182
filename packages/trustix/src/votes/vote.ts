/**
 * Votes: what each operator says of one store path.
 *
 * A node listens to subscriptions (logs and signed caches); each belongs to an operator, and an operator has one vote however
 * many subscriptions carry its word.
 */

/** A statement as one subscription has it. Statements are compared as text; `@trustix/nix` defines their form. */
export interface Claim {
  readonly statement: string;
  /**
   * How we know: an entry of a log, proven against a signed checkpoint, or only a signature on a cache's narinfo, which
   * cannot tell built from copied.
   */
  readonly evidence:
    | { readonly kind: "logged"; readonly index: number; readonly seenAtMs: number }
    | { readonly kind: "signed"; readonly keyName: string };
}

/** What one subscription says of a path. */
export type Answer =
  /** All that this subscription has for the path, at least one claim; different statements are a contradiction. */
  | { readonly kind: "claims"; readonly claims: readonly Claim[] }
  | { readonly kind: "absent" }
  /** The subscription could not be asked, or what it says cannot be trusted just now. `reason` is for people. */
  | { readonly kind: "unreachable"; readonly reason: string };

export interface SubscriptionAnswer {
  readonly operator: string;
  /** Name of the log or cache, for explanations. */
  readonly subscription: string;
  readonly answer: Answer;
}

/** Where one operator's vote stands in one of its subscriptions. */
export type SourcedClaim = Claim & { readonly subscription: string };

/** One operator's vote. `claims` are all that it was made from. */
export type Vote =
  | {
      readonly operator: string;
      readonly kind: "statement";
      readonly statement: string;
      readonly claims: readonly SourcedClaim[];
    }
  /** Two or more different statements by one operator: it counts for none of them. */
  | {
      readonly operator: string;
      readonly kind: "conflicting";
      readonly statements: readonly string[];
      readonly claims: readonly SourcedClaim[];
    }
  /** It speaks, and does not count, because it is in quarantine (`quarantine.ts`). Two statements or more contradict each other. */
  | {
      readonly operator: string;
      readonly kind: "quarantined";
      /** Why it is in quarantine; for people. */
      readonly reason: string;
      readonly statements: readonly [string, ...string[]];
      readonly claims: readonly SourcedClaim[];
    }
  | { readonly operator: string; readonly kind: "absent" }
  | { readonly operator: string; readonly kind: "unreachable"; readonly reason: string };

/**
 * Folds what the subscriptions say into one vote for each of `operators`, in that order.
 * An operator without any answer is `unreachable`: not having been asked is not the same as having nothing to say.
 */
export function countVotes(operators: readonly string[], answers: readonly SubscriptionAnswer[]): Vote[] {
  return operators.map((operator) =>
    operatorVote(
      operator,
      answers.filter((each) => each.operator === operator),
    ),
  );
}

function operatorVote(operator: string, answers: readonly SubscriptionAnswer[]): Vote {
  const claims: SourcedClaim[] = [];
  const unreachable: string[] = [];
  for (const { subscription, answer } of answers) {
    switch (answer.kind) {
      case "claims":
        for (const claim of answer.claims) claims.push({ ...claim, subscription });
        break;
      case "unreachable":
        unreachable.push(`${subscription}: ${answer.reason}`);
        break;
      case "absent":
        break;
      default:
        answer satisfies never;
    }
  }
  const [first, ...others] = [...new Set(claims.map((claim) => claim.statement))].sort();
  if (first !== undefined && others.length > 0) {
    return { operator, kind: "conflicting", statements: [first, ...others], claims };
  }
  if (first !== undefined) return { operator, kind: "statement", statement: first, claims };
  if (unreachable.length > 0) return { operator, kind: "unreachable", reason: unreachable.join("; ") };
  return answers.length === 0
    ? { operator, kind: "unreachable", reason: "no subscription" }
    : { operator, kind: "absent" };
}
