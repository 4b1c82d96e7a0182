// How far a quorum got: groups and members, with what is met.
import type { QuorumOutcome } from "trustix/src/policy/quorum.ts";
import { visible } from "../text.ts";

/** A quorum's outcome as a tree. */
export function Quorum({ outcome }: { readonly outcome: QuorumOutcome }) {
  return (
    <ul class="quorum" aria-label="How the best supported statement fared">
      <Member outcome={outcome} />
    </ul>
  );
}

function Member({ outcome }: { readonly outcome: QuorumOutcome }) {
  const mark = (
    <span class={outcome.met ? "mark passed" : "mark"} aria-hidden="true">
      {outcome.met ? "✓" : "·"}
    </span>
  );
  if (outcome.kind === "operator") {
    return (
      <li>
        {mark} {visible(outcome.operator, 64)}{" "}
        <span class="sr-only">{outcome.met ? "supports it" : "does not support it"}</span>
      </li>
    );
  }
  return (
    <li>
      {mark} {visible(outcome.name, 100)}: {outcome.count} of {outcome.members.length}, {outcome.threshold}{" "}
      needed
      <ul>
        {outcome.members.map((member) => (
          <Member outcome={member} key={member.kind === "operator" ? member.operator : member.name} />
        ))}
      </ul>
    </li>
  );
}
