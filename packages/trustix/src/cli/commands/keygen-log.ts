// trustix keygen log ORIGIN FILE
import type { Command } from "commander";
import { writeNewFile } from "../context.ts";
import type { Io } from "../io.ts";
import { createLogKey } from "../keys.ts";

/** Defines the command. */
export function define(command: Command, io: Io): void {
  command
    .argument("<origin>", "the log's origin: a URL without its scheme, such as builder.example.org/nix")
    .argument("<file>", "where to write the private key; must not exist")
    .action(async (origin: string, file: string, options: { json?: boolean }) => {
      const { secret, vkey } = await createLogKey(origin);
      await writeNewFile(file, `${secret}\n`, 0o600);
      io.out(options.json ? JSON.stringify({ origin, file, vkey }) : vkey);
    });
}
