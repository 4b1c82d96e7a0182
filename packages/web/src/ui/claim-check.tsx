// The box "verified in your browser" of one logged claim.
import { useEffect } from "preact/hooks";
import { hrefTo } from "../router.ts";
import type { Outcome } from "../verify/check.ts";
import { type ShownClaim, verifyClaim } from "../verify/claim.ts";
import { useVerification } from "../verify/use-verification.ts";
import { Checks } from "./checks.tsx";

/** Verifies a claim and shows how it went. */
export function ClaimCheck({
  claim,
  onOutcome,
}: {
  readonly claim: ShownClaim;
  /** Told when it is done, and again when it is done anew. */
  readonly onOutcome?: (outcome: Outcome) => void;
}) {
  const identity = JSON.stringify(claim);
  const { result, again } = useVerification(identity, (signal) => verifyClaim(claim, signal));
  useEffect(() => {
    if (result !== undefined) onOutcome?.(result.outcome);
  }, [result]);
  return (
    <Checks verification={result} onAgain={again}>
      <p class="note">
        Checked with the key on <a href={hrefTo(["log", claim.subscription])}>the page of the log</a>, where
        you can pin your own.
      </p>
    </Checks>
  );
}
