/**
 * Votes: what each operator says of one store path.
 *
 * A node listens to subscriptions (logs and signed caches); each belongs to an operator, and an operator has one vote however
 * many subscriptions carry its word.
 */

/** What one subscription says of a path. Text of statements is compared byte for byte; see `@trustix/nix` for its form. */
export type Answer =
  /** All statements this subscription has for the path; more than one different statement is a contradiction. */
  | { readonly kind: "statements"; readonly statements: readonly string[] }
  | { readonly kind: "absent" }
  /** The subscription could not be asked, or what it says cannot be trusted just now. `reason` is for people. */
  | { readonly kind: "unreachable"; readonly reason: string };

export interface SubscriptionAnswer {
  readonly operator: string;
  /** Name of the log or cache, for explanations. */
  readonly subscription: string;
  readonly answer: Answer;
}

/** One operator's vote. */
export type Vote =
  | { readonly operator: string; readonly kind: "statement"; readonly statement: string }
  /** Two or more different statements by one operator: it counts for none of them. */
  | { readonly operator: string; readonly kind: "conflicting"; readonly statements: readonly string[] }
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
  const statements = new Set<string>();
  const unreachable: string[] = [];
  for (const { subscription, answer } of answers) {
    switch (answer.kind) {
      case "statements":
        for (const statement of answer.statements) statements.add(statement);
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
  const [first, ...others] = [...statements].sort();
  if (first !== undefined && others.length > 0)
    return { operator, kind: "conflicting", statements: [first, ...others] };
  if (first !== undefined) return { operator, kind: "statement", statement: first };
  if (unreachable.length > 0) return { operator, kind: "unreachable", reason: unreachable.join("; ") };
  return answers.length === 0
    ? { operator, kind: "unreachable", reason: "no subscription" }
    : { operator, kind: "absent" };
}
