// trustix clear NAME
import type { Command } from "commander";
import { DaemonClient } from "../client.ts";
import { type ConfigOptions, loadCommandConfig } from "../context.ts";
import type { Io } from "../io.ts";

interface ClearOptions extends ConfigOptions {
  readonly forget?: boolean;
}

/** Defines the command. */
export function define(command: Command, io: Io): void {
  command
    .argument("<name>", "name of a subscription to a log")
    .option("--forget", "forget all that was read of it, and believe whatever it shows next")
    .action(async (name: string, options: ClearOptions) => {
      const config = await loadCommandConfig(options, io);
      const client = new DaemonClient(config.node.adminSocket);
      const path = `/api/v1/subscriptions/${encodeURIComponent(name)}/clear`;
      const forget = options.forget === true;
      await client.send({ method: "POST", path, body: { forget }, signal: io.signal });
      if (options.json) io.out(JSON.stringify({ cleared: name, forgotten: forget }));
      else io.out(`${name} counts again${forget ? ", and is read anew" : ""}.`);
    });
}
