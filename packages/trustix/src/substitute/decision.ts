// What the substituter wants to know of the policy. The daemon composes subscriptions and policy into it.
import type { StorePath } from "@trustix/nix";

/** The policy's word on one store path. */
export type SubstituteDecision =
  | {
      readonly accepted: true;
      /** The statement that a binary has to fulfil, as `formatNixStatement` writes it. */
      readonly statement: string;
      /** The derivation that the deciders name; no signature covers it. */
      readonly deriver?: StorePath | undefined;
      /** One sentence for people. */
      readonly explanation: string;
    }
  | {
      readonly accepted: false;
      /** A word for programs, such as `no-quorum`. */
      readonly reason: string;
      /** One sentence for people. */
      readonly explanation: string;
    };

/**
 * Decides on the path with this hash part, now. Called for every narinfo and every NAR; an answer without a promise is
 * served fastest. A rejection counts as a refusal for the time being.
 */
export type Decide = (
  hashPart: string,
  options: { readonly signal: AbortSignal },
) => SubstituteDecision | Promise<SubstituteDecision>;
