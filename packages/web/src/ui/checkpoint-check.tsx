// The box "verified in your browser" of one checkpoint.
import { visible } from "../text.ts";
import { type ShownCheckpoint, verifyCheckpoint } from "../verify/checkpoints.ts";
import type { NamedLog } from "../verify/log.ts";
import { useVerification } from "../verify/use-verification.ts";
import { Checks } from "./checks.tsx";

/** Verifies a checkpoint and shows how it went. */
export function CheckpointCheck({
  subscription,
  log,
  checkpoint,
}: {
  readonly subscription: string;
  readonly log: NamedLog;
  readonly checkpoint: ShownCheckpoint;
}) {
  const { result, again } = useVerification(`${log.vkey} ${checkpoint.note}`, (signal) =>
    verifyCheckpoint(subscription, log, checkpoint, signal),
  );
  return (
    <Checks verification={result} onAgain={again}>
      <pre class="command">
        <code>{visible(checkpoint.note, 4000).replaceAll("\\u{a}", "\n")}</code>
      </pre>
    </Checks>
  );
}
