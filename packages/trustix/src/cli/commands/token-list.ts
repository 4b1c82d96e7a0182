// trustix token list
import type { Command } from "commander";
import { TokenFile } from "../../http/tokens.ts";
import { visible } from "../../terminal.ts";
import { type ConfigOptions, loadCommandConfig } from "../context.ts";
import { formatTable, type Io } from "../io.ts";

/** Defines the command. */
export function define(command: Command, io: Io): void {
  command.action(async (options: ConfigOptions) => {
    const config = await loadCommandConfig(options, io);
    const tokens = await new TokenFile(config.api.tokensFile).list();
    if (options.json) io.out(JSON.stringify(tokens.map(({ id, name, created }) => ({ id, name, created }))));
    else if (tokens.length > 0) {
      const rows = tokens.map(({ id, created, name }) => [id, created, visible(name)]);
      io.out(formatTable(io, ["ID", "CREATED", "NAME"], rows));
    } else io.err("There are no tokens: `trustix token create NAME` makes one.");
  });
}
