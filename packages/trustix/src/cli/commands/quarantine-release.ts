// trustix quarantine release OPERATOR
import type { Command } from "commander";
import { visible } from "../../terminal.ts";
import { DaemonClient } from "../client.ts";
import { type ConfigOptions, loadCommandConfig } from "../context.ts";
import type { Io } from "../io.ts";

interface ReleaseOptions extends ConfigOptions {
  readonly reason: string;
}

/** Defines the command. */
export function define(command: Command, io: Io): void {
  command
    .argument("<operator>", "name of an operator in quarantine")
    .option("--reason <text>", "why, for those who will ask", "released by hand")
    .action(async (operator: string, options: ReleaseOptions) => {
      const config = await loadCommandConfig(options, io);
      const client = new DaemonClient(config.node.adminSocket);
      const path = `/api/v1/quarantine/${encodeURIComponent(operator)}/release`;
      const body = { reason: options.reason };
      const answer = await client.json({ method: "POST", path, body, signal: io.signal });
      if (options.json) io.out(JSON.stringify(answer));
      else {
        io.out(
          `${visible(operator)} counts again. It stays so until it is added again, or deviates on more paths than are known now.`,
        );
      }
    });
}
