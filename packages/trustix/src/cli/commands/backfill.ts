// trustix backfill [PATH…]
import type { Command } from "commander";
import { DaemonClient } from "../client.ts";
import { type ConfigOptions, loadCommandConfig } from "../context.ts";
import { formatFacts, type Io } from "../io.ts";
import { Progress } from "../progress.ts";
import { chooseLog, toStorePath } from "./submit.ts";

interface BackfillOptions extends ConfigOptions {
  readonly log?: string;
  readonly includeImported?: boolean;
}

interface Report {
  readonly listed: number;
  readonly known: number;
  readonly foreign: number;
  readonly claimed: number;
  readonly failed: number;
}

/** Defines the command. */
export function define(command: Command, io: Io): void {
  command
    .argument("[path...]", "claim the closures of these store paths (default: the whole store)")
    .option("--log <name>", "log to submit to (default: the only one of protocol nix)")
    .option("--include-imported", "also claim paths that were substituted or copied here, marked as imported")
    .action(async (paths: string[], options: BackfillOptions) => {
      const config = await loadCommandConfig(options, io);
      const log = chooseLog(config, options.log, "nix");
      const roots = await Promise.all(paths.map((path) => toStorePath(path, config.nix.storeDir)));
      const body = {
        ...(roots.length === 0 ? {} : { roots }),
        "include-imported": options.includeImported === true,
      };
      const reports = new DaemonClient(config.node.adminSocket).lines({
        method: "POST",
        path: `/api/v1/logs/${log}/backfill`,
        body,
        signal: io.signal,
      });
      let last: Report = { listed: 0, known: 0, foreign: 0, claimed: 0, failed: 0 };
      {
        using progress = new Progress(io, "backfill");
        for await (const report of reports) {
          last = report as Report;
          progress.update(last.listed, undefined, `paths seen, ${last.claimed} claimed`);
        }
      }
      if (options.json) io.out(JSON.stringify({ log, ...last }));
      else {
        io.out(
          formatFacts(io, [
            ["claimed", String(last.claimed)],
            ["known before", String(last.known)],
            ["not built here", String(last.foreign)],
            ["failed", String(last.failed)],
          ]),
        );
      }
    });
}
