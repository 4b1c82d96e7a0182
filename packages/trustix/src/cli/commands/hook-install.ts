// trustix hook install
import { mkdir, readFile } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import type { Command } from "commander";
import { TrustixError } from "../../errors.ts";
import { renderHook } from "../../publish/hook.ts";
import { SpoolDir } from "../../publish/spool-dir.ts";
import { type ConfigOptions, loadCommandConfig, writeNewFile } from "../context.ts";
import type { Io } from "../io.ts";

interface HookOptions extends ConfigOptions {
  readonly to?: string;
}

/** Defines the command. */
export function define(command: Command, io: Io): void {
  command
    .option("--to <file>", "where to write the hook (default: post-build-hook beside the configuration)")
    .action(async (options: HookOptions) => {
      const config = await loadCommandConfig(options, io);
      const file = resolve(options.to ?? join(dirname(config.file), "post-build-hook"));
      const { spoolDir } = config.publish;
      const hook = renderHook({ spoolDir });
      const present = await readFile(file, "utf8").catch(() => undefined);
      if (present === undefined) await writeNewFile(file, hook, 0o755);
      else if (present !== hook) {
        throw new TrustixError(
          "FILE_EXISTS",
          `${file} exists already and is another hook; nothing was changed`,
          {
            hint: "Move it away, or choose another place with --to FILE. Nix runs one hook only: a hook of your own can call both.",
          },
        );
      }
      await mkdir(config.node.stateDir, { recursive: true });
      await new SpoolDir(spoolDir).create();
      const line = `post-build-hook = ${file}`;
      if (options.json) io.out(JSON.stringify({ hook: file, spool: spoolDir, nixConf: line }));
      else {
        io.out(line);
        if (io.isTty)
          io.err("Add this line to /etc/nix/nix.conf, then restart the Nix daemon if you have one.");
      }
    });
}
