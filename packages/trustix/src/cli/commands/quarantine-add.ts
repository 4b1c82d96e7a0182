// trustix quarantine add OPERATOR
import type { Command } from "commander";
import { visible } from "../../terminal.ts";
import { DaemonClient } from "../client.ts";
import { type ConfigOptions, loadCommandConfig } from "../context.ts";
import type { Io } from "../io.ts";

interface AddOptions extends ConfigOptions {
  readonly reason: string;
}

/** Defines the command. */
export function define(command: Command, io: Io): void {
  command
    .argument("<operator>", "name of an operator in the configuration")
    .requiredOption("--reason <text>", "why, for those who will ask")
    .action(async (operator: string, options: AddOptions) => {
      const config = await loadCommandConfig(options, io);
      const client = new DaemonClient(config.node.adminSocket);
      const path = `/api/v1/quarantine/${encodeURIComponent(operator)}`;
      const body = { reason: options.reason };
      const answer = await client.json({ method: "POST", path, body, signal: io.signal });
      if (options.json) io.out(JSON.stringify(answer));
      else io.out(`${visible(operator)} does not count any more, until \`trustix quarantine release\`.`);
    });
}
