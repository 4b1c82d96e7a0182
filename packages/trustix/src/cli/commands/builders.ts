// trustix builders
import type { Command } from "commander";
import { renderBuilders, renderMatrix } from "../../analyse/render/builders-text.ts";
import type { BuildersJson } from "../../http/insight-schema.ts";
import { DaemonClient } from "../client.ts";
import { type ConfigOptions, loadCommandConfig } from "../context.ts";
import { type Io, styled } from "../io.ts";

interface BuildersOptions extends ConfigOptions {
  readonly matrix?: boolean;
}

/** Defines the command. */
export function define(command: Command, io: Io): void {
  command
    .option("--matrix", "also show how often each agrees with each other")
    .action(async (options: BuildersOptions) => {
      const config = await loadCommandConfig(options, io);
      const client = new DaemonClient(config.node.adminSocket);
      const answer = await client.json({ method: "GET", path: "/api/v1/builders", signal: io.signal });
      if (options.json) {
        io.out(JSON.stringify(answer));
        return;
      }
      const builders = answer as BuildersJson;
      const paint = (style: Parameters<typeof styled>[1], text: string): string => styled(io, style, text);
      io.out(renderBuilders(builders, paint));
      if (options.matrix) io.out(`\n${renderMatrix(builders, paint)}`);
      if (builders.suspicions.length > 0) io.err("`trustix suspects` says who is suspected, and why.");
    });
}
