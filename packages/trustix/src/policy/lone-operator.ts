// Says when a policy asks for no agreement at all: with a single operator, more than half is one of one.
import type { Config } from "../config/load.ts";
import { createPolicy } from "./policy.ts";

/**
 * Who decides alone on paths that no rule matches, and what to do about it; undefined when nobody does, when a script has the
 * last word, and in mode `report`, which refuses nothing anyway.
 */
export function loneOperatorWarning({
  policy,
  operator,
}: Pick<Config, "policy" | "operator">): string | undefined {
  if (policy.script !== undefined || policy.mode === "report") return undefined;
  const { needed, members, alone } = createPolicy(
    policy,
    operator.map(({ name }) => name),
  ).defaultQuorum;
  if (alone.length === 0) return undefined;
  const who = alone.length === 1 ? alone[0] : `any one of ${alone.join(", ")}`;
  const fix = members.length === 1 ? "subscribe to further operators" : "raise `threshold` in [policy]";
  return `${who} decides alone: the policy needs ${needed} of ${members.length} to agree; ${fix}`;
}
