// trustix token revoke ID
import type { Command } from "commander";
import { TokenFile } from "../../http/tokens.ts";
import { visible } from "../../terminal.ts";
import { type ConfigOptions, loadCommandConfig } from "../context.ts";
import type { Io } from "../io.ts";

/** Defines the command. */
export function define(command: Command, io: Io): void {
  command
    .argument("<id>", "as `trustix token list` shows it")
    .action(async (id: string, options: ConfigOptions) => {
      const config = await loadCommandConfig(options, io);
      const { name } = await new TokenFile(config.api.tokensFile).revoke(id);
      io.out(options.json ? JSON.stringify({ revoked: id, name }) : `revoked ${id} (${visible(name)})`);
    });
}
