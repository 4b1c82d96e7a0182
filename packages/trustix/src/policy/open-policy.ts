/** Makes the policy of a configuration: the only part of this role that reads a file. */

import { readFile } from "node:fs/promises";
import type { Config } from "../config/load.ts";
import { TrustixError } from "../errors.ts";
import { createPolicy, type Policy } from "./policy.ts";
import { openSandbox } from "./sandbox.ts";

/**
 * The policy that a configuration describes, with its script loaded.
 * @throws TrustixError `POLICY_SCRIPT_INVALID` when the script cannot be read or used; `CONFIG_INVALID` as `createPolicy`
 */
export async function openPolicy({ policy, operator }: Pick<Config, "policy" | "operator">): Promise<Policy> {
  const operators = operator.map(({ name }) => name);
  if (policy.script === undefined) return createPolicy(policy, operators);
  const { file, time, memory } = policy.script;
  let source: string;
  try {
    source = await readFile(file, "utf8");
  } catch (cause) {
    throw new TrustixError(
      "POLICY_SCRIPT_INVALID",
      `${file} cannot be read (${(cause as NodeJS.ErrnoException).code})`,
      { hint: "Write the script, or correct `file` in [policy.script].", cause },
    );
  }
  const script = await openSandbox({ source, fileName: file, timeMs: time, memoryBytes: memory });
  return createPolicy(policy, operators, script);
}
