// Whether a checkpoint is to be believed: signed by the log, and by the witnesses where they are asked for.

import {
  createCosignatureVerifier,
  createVerifier,
  isQuorumMet,
  openCheckpoint,
  TlogError,
  type VerifiedCheckpoint,
} from "@trustix/tlog";
import type { LogSubscription } from "./options.ts";

/** Verifies signed notes; rejects with `TlogError`. */
export type CheckpointOpener = (note: Uint8Array) => Promise<VerifiedCheckpoint>;

/** For the checkpoints of one log. Throws `TlogError` for a key that cannot be used. */
export function checkpointOpener(subscription: LogSubscription): CheckpointOpener {
  const { origin, key, witnesses: policy } = subscription;
  const witnesses = new Map(
    policy?.witnesses.map((witness) => [createCosignatureVerifier(witness.key), witness.name]),
  );
  const trust = { origin, logs: [createVerifier(key)], witnesses: [...witnesses.keys()] };
  return async (note) => {
    const opened = await openCheckpoint(note, trust);
    const signed = new Set(opened.cosignatures.map((cosignature) => cosignature.key));
    const cosigned = [...witnesses].filter(([witness]) => signed.has(witness.key)).map(([, name]) => name);
    if (policy !== undefined && !isQuorumMet(policy, new Set(cosigned))) {
      const message = `not enough witnesses have cosigned the checkpoint: ${cosigned.join(", ") || "none"}`;
      throw new TlogError("POLICY_UNSATISFIED", message);
    }
    return opened;
  };
}
