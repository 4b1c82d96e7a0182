// What was checked in this browser: a line that says how it went, and every check with what it found.
import type { ComponentChildren } from "preact";
import type { Check, Outcome, Verification } from "../verify/check.ts";

const SUMMARY: Readonly<Record<Outcome, string>> = {
  verified: "Verified in your browser",
  failed: "NOT verified: a check failed",
  unavailable: "Not verified",
};
const MARK = { passed: "✓", failed: "✗", skipped: "–" } as const;
const SAID = { passed: "holds", failed: "does not hold", skipped: "not checked" } as const;

/** A box with a verification. */
export function Checks({
  verification,
  onAgain,
  children,
}: {
  readonly verification: Verification | undefined;
  readonly onAgain: () => void;
  /** More about it, below the checks: the key. */
  readonly children?: ComponentChildren;
}) {
  if (verification === undefined) {
    return (
      <div class="checks" aria-busy="true">
        <p class="checks-summary dim">Verifying…</p>
      </div>
    );
  }
  const { outcome, checks, reason } = verification;
  const failed = checks.find((check) => check.outcome === "failed");
  return (
    <div class={`checks ${outcome}`} role={outcome === "failed" ? "alert" : undefined}>
      <details open={outcome === "failed"}>
        <summary class="checks-summary">
          <span aria-hidden="true">{outcome === "verified" ? "✓" : outcome === "failed" ? "✗" : "!"}</span>{" "}
          {SUMMARY[outcome]}
          {failed !== undefined && <>: {failed.detail}</>}
          {outcome === "unavailable" && <>: {reason}</>}
        </summary>
        <CheckList checks={checks} />
        {children}
        <button type="button" class="small" onClick={onAgain}>
          Check again
        </button>
      </details>
    </div>
  );
}

function CheckList({ checks }: { readonly checks: readonly Check[] }) {
  return (
    <ol class="check-list">
      {checks.map(({ what, outcome, detail }) => (
        <li key={what} class={outcome}>
          <span class="mark" aria-hidden="true">
            {MARK[outcome]}
          </span>
          <span>
            {what} <span class="sr-only">({SAID[outcome]})</span>
            <span class="dim detail">{detail}</span>
          </span>
        </li>
      ))}
    </ol>
  );
}
