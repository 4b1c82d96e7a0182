// trustix token create NAME
import { randomBytes } from "node:crypto";
import type { Command } from "commander";
import { TokenFile } from "../../http/tokens.ts";
import { type ConfigOptions, loadCommandConfig } from "../context.ts";
import type { Io } from "../io.ts";

/** Defines the command. */
export function define(command: Command, io: Io): void {
  command
    .argument("<name>", "who will use it, for your own record")
    .action(async (name: string, options: ConfigOptions) => {
      const config = await loadCommandConfig(options, io);
      const { token, record } = await new TokenFile(config.api.tokensFile).create(
        name,
        randomBytes(32),
        io.now(),
      );
      if (options.json) io.out(JSON.stringify({ id: record.id, name, token }));
      else {
        io.out(token);
        if (io.isTty) io.err(`Token ${record.id}. It is shown this once; only its hash is kept.`);
      }
      if (config.api.listen === undefined) io.err("trustix: tokens are of use once `[api] listen` is set");
    });
}
