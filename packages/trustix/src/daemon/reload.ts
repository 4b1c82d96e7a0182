// Reads the configuration file again while the daemon runs. The policy is replaced in one step, between two decisions; all else
// that differs is named, and waits for a restart. A file with any fault changes nothing.
import { isDeepStrictEqual } from "node:util";
import { type Config, loadConfig } from "../config/load.ts";
import type { ReloadJson } from "../http/reload-schema.ts";
import { loneOperatorWarning } from "../policy/lone-operator.ts";
import { openPolicy } from "../policy/open-policy.ts";
import type { Decisions } from "./decisions.ts";
import type { Logger } from "./logger.ts";

/** What a reload works on. */
export interface ReloadParts {
  /** The configuration that the daemon was started with. */
  readonly config: Config;
  /** Absent: there is no policy to replace. */
  readonly decisions: Pick<Decisions, "usePolicy"> | undefined;
  readonly logger: Logger;
}

/** Reloads the configuration, one request after the other. */
export class Reloader {
  readonly #parts: ReloadParts;
  /** As it is in force. */
  #inForce: Config;
  #last: Promise<unknown> = Promise.resolve();

  constructor(parts: ReloadParts) {
    this.#parts = parts;
    this.#inForce = parts.config;
  }

  /**
   * Reads the file and applies what can be applied.
   * @throws TrustixError `CONFIG_MISSING`, `CONFIG_INVALID`, `POLICY_SCRIPT_INVALID`; then all is as it was
   */
  reload(): Promise<ReloadJson> {
    const reloading = this.#last.then(() => this.#reload());
    this.#last = reloading.catch(() => {});
    return reloading;
  }

  async #reload(): Promise<ReloadJson> {
    const { decisions, logger } = this.#parts;
    const before = this.#inForce;
    const next = await loadConfig(before.file);
    const needsRestart = differingSections(before, next);
    const applied: string[] = [];
    // Members of a policy are operators: with others than those that vote, it would be another policy than the file's.
    if (decisions !== undefined && !needsRestart.includes("operator")) {
      const { quarantine } = before.policy;
      const policy = { ...next.policy, quarantine };
      // Also when the file is as it was: its script may not be.
      decisions.usePolicy(await openPolicy({ policy, operator: before.operator }));
      if (!isDeepStrictEqual(policy, before.policy)) {
        applied.push("policy");
        const lone = loneOperatorWarning({ policy, operator: before.operator });
        if (lone !== undefined) logger.warn({}, lone);
      }
      this.#inForce = { ...before, policy };
    } else if (!isDeepStrictEqual({ ...next.policy, quarantine: before.policy.quarantine }, before.policy)) {
      needsRestart.push("policy");
    }
    logger.info({ applied, needsRestart }, "configuration is read again");
    return { applied, needsRestart };
  }
}

/** Sections that differ, besides what the policy says of votes. */
function differingSections(before: Config, next: Config): string[] {
  const differing: string[] = [];
  // The command line may have set the format of the daemon's log.
  const node = { ...next.node, logFormat: before.node.logFormat };
  for (const [name, section] of Object.entries({ ...next, node })) {
    if (name === "file" || name === "policy") continue;
    if (!isDeepStrictEqual(section, before[name as keyof Config])) differing.push(name);
  }
  if (!isDeepStrictEqual(next.policy.quarantine, before.policy.quarantine))
    differing.push("policy.quarantine");
  return differing;
}
