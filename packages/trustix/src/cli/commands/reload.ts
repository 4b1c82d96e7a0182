// trustix reload
import type { Command } from "commander";
import type { ReloadJson } from "../../http/reload-schema.ts";
import { DaemonClient } from "../client.ts";
import { type ConfigOptions, loadCommandConfig } from "../context.ts";
import { EXIT } from "../failure.ts";
import type { Io } from "../io.ts";

/** Defines the command. */
export function define(command: Command, io: Io): void {
  command
    .addHelpText(
      "after",
      "\nExit status: 0 when all of the file is in force, 1 when some of it needs a restart.",
    )
    .action(async (options: ConfigOptions) => {
      const config = await loadCommandConfig(options, io);
      const client = new DaemonClient(config.node.adminSocket);
      const call = { method: "POST", path: "/api/v1/reload", body: {}, signal: io.signal } as const;
      const { applied, needsRestart } = (await client.json(call)) as ReloadJson;
      if (options.json) io.out(JSON.stringify({ applied, needsRestart }));
      else if (applied.length > 0) io.out(`in force now: ${applied.join(", ")}`);
      else if (needsRestart.length === 0) io.out("nothing has changed");
      if (needsRestart.length === 0) return;
      io.err(`not in force until the daemon is restarted: ${needsRestart.join(", ")}`);
      io.setExitStatus(EXIT.failed);
    });
}
