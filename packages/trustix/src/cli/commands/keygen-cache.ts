// trustix keygen cache NAME FILE
import type { Command } from "commander";
import { writeNewFile } from "../context.ts";
import type { Io } from "../io.ts";
import { createCacheKey } from "../keys.ts";

/** Defines the command. */
export function define(command: Command, io: Io): void {
  command
    .argument("<name>", "the key's name, such as builder.example.org-1")
    .argument("<file>", "where to write the secret key; must not exist")
    .action(async (name: string, file: string, options: { json?: boolean }) => {
      const { secret, publicKey } = await createCacheKey(name);
      await writeNewFile(file, `${secret}\n`, 0o600);
      io.out(options.json ? JSON.stringify({ name, file, publicKey }) : publicKey);
    });
}
