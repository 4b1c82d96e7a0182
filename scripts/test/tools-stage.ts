// The first stage: fetches the outside tools that later stages test against.

import { ToolUnavailable } from "../outside-tools/apt.ts";
import { TOOLS, type ToolName, type ToolRecipe } from "../outside-tools/catalog.ts";
import { ensureTool } from "../outside-tools/install.ts";
import { canPrivatiseNix } from "../outside-tools/nix.ts";
import { failed, IN_CI, type Outcome, passed } from "./stage.ts";

/** Benchmarks fetch their own. */
const NEEDED: readonly ToolName[] = ["nix-2.8", "nix-2.26", "nix-2.34", "go", "go-tessera", "torchwood"];

/** Fetches what is missing. A tool that cannot be had fails the stage in CI, unless it is optional. */
export async function toolsStage(): Promise<Outcome> {
  const missing: string[] = [];
  const skips: string[] = [];
  const leaveOut = (reason: string, optional: boolean): void => {
    (IN_CI && !optional ? missing : skips).push(reason);
  };
  for (const name of NEEDED) {
    try {
      await ensureTool(name);
    } catch (error) {
      if (!(error instanceof ToolUnavailable)) throw error;
      leaveOut(`${name}: ${error.message}`, (TOOLS[name] as ToolRecipe).optional);
    }
  }
  if (!(await canPrivatiseNix())) {
    leaveOut(
      "real Nix: needs root or unprivileged user namespaces (sysctl kernel.unprivileged_userns_clone=1)",
      false,
    );
  }
  return missing.length > 0 ? failed(missing.join("\n"), {}, skips) : passed({}, skips);
}
