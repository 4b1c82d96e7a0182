// trustix log proof PATH
import type { Command } from "commander";
import { DaemonClient } from "../client.ts";
import { type ConfigOptions, loadCommandConfig, writeNewFile } from "../context.ts";
import type { Io } from "../io.ts";
import { chooseLog, toStorePath } from "./submit.ts";

interface ProofOptions extends ConfigOptions {
  readonly key?: boolean;
  readonly log?: string;
  readonly wait?: boolean;
  readonly out?: string;
}

/** Defines the command. */
export function define(command: Command, io: Io): void {
  command
    .argument("<path>", "a store path or a link to one; with --key, a key of a log of protocol raw")
    .option("--key", "the argument is a key of a log of protocol raw")
    .option("--log <name>", "the log (default: the only one that fits)")
    .option("--wait", "wait until the claim is published")
    .option("-o, --out <file>", "write the .tlog-proof to a new file")
    .action(async (subject: string, options: ProofOptions) => {
      const config = await loadCommandConfig(options, io);
      const log = chooseLog(config, options.log, options.key ? "raw" : "nix");
      const key = options.key ? subject : await toStorePath(subject, config.nix.storeDir);
      const query = new URLSearchParams({ key, wait: String(options.wait === true) });
      const proof = await new DaemonClient(config.node.adminSocket).send({
        method: "GET",
        path: `/api/v1/logs/${log}/proof?${query}`,
        signal: io.signal,
      });
      if (options.out !== undefined) await writeNewFile(options.out, proof, 0o644);
      if (options.json) io.out(JSON.stringify({ log, key, proof }));
      else if (options.out === undefined) io.out(proof.trimEnd());
    });
}
