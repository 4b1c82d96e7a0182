/** Verification of checkpoints against a trust policy (https://c2sp.org/tlog-policy). */
import { parseCheckpoint } from "./checkpoint.ts";
import { createCosignatureVerifier } from "./cosignature.ts";
import { TlogError } from "./errors.ts";
import { createVerifier, type KeyVerifier } from "./keys.ts";
import { type Note, type NoteLimits, parseNote } from "./note.ts";
import { openCheckpoint, type VerifiedCheckpoint } from "./open-checkpoint.ts";
import { formatPolicy, isQuorumMet, type Policy } from "./tlog-policy.ts";

/** A policy with its keys ready for use. Keep it: keys are imported once. */
export class PolicyVerifier {
  readonly policy: Policy;
  /** By origin. A log may have several keys, while it changes them. */
  readonly #logs = new Map<string, KeyVerifier[]>();
  /** By the policy's name of the witness. */
  readonly #witnesses: ReadonlyMap<string, KeyVerifier>;

  /**
   * @param policy parsed, or put together by hand and then checked here
   * @throws TlogError POLICY_MALFORMED
   */
  constructor(policy: Policy) {
    formatPolicy(policy);
    this.policy = policy;
    for (const { key } of policy.logs) {
      const keys = this.#logs.get(key.name);
      if (keys === undefined) this.#logs.set(key.name, [createVerifier(key)]);
      else keys.push(createVerifier(key));
    }
    this.#witnesses = new Map(
      policy.witnesses.map(({ name, key }) => [name, createCosignatureVerifier(key)]),
    );
  }

  /**
   * Parses a checkpoint note and verifies that it is by a log of the policy and that the quorum has cosigned it.
   * @throws TlogError POLICY_UNSATISFIED if the quorum is not met; ORIGIN_MISMATCH if the policy has no such log; and
   *   those of the function `openCheckpoint`
   */
  async openCheckpoint(
    input: Note | Uint8Array | string,
    limits: NoteLimits = {},
  ): Promise<VerifiedCheckpoint> {
    const note = typeof input === "string" || input instanceof Uint8Array ? parseNote(input, limits) : input;
    const { origin } = parseCheckpoint(note.text);
    const logs = this.#logs.get(origin);
    if (logs === undefined) {
      throw new TlogError("ORIGIN_MISMATCH", `policy has no log ${JSON.stringify(origin)}`);
    }
    const opened = await openCheckpoint(note, { origin, logs, witnesses: [...this.#witnesses.values()] });
    const keys = new Set(opened.cosignatures.map(({ key }) => key));
    const cosigned = [...this.#witnesses].filter(([, { key }]) => keys.has(key)).map(([name]) => name);
    if (!isQuorumMet(this.policy, new Set(cosigned))) {
      const list = cosigned.length === 0 ? "no witness" : cosigned.join(", ");
      throw new TlogError(
        "POLICY_UNSATISFIED",
        `quorum ${this.policy.quorum} is not met: cosigned by ${list}`,
      );
    }
    return opened;
  }
}
