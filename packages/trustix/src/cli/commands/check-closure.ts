// trustix check-closure [PATH...]
import { type ContentAddress, formatNixStatement, type StorePath } from "@trustix/nix";
import type { Command } from "commander";
import type { Config } from "../../config/load.ts";
import { TrustixError } from "../../errors.ts";
import { provesContents } from "../../nix/content-proof.ts";
import { LocalNix } from "../../nix/local-nix.ts";
import {
  type ClosurePath,
  closureExitStatus,
  renderClosureReport,
  reportClosure,
} from "../../policy/closure-report.ts";
import type { PolicyDecision } from "../../policy/policy.ts";
import { DaemonClient } from "../client.ts";
import { closureRoots, RUNNING_SYSTEM } from "../closure-roots.ts";
import { type ConfigOptions, loadCommandConfig } from "../context.ts";
import { type Io, styled } from "../io.ts";
import { parseCount } from "../options.ts";
import { Progress } from "../progress.ts";

interface ClosureOptions extends ConfigOptions {
  readonly mayBeUnconfirmed?: boolean;
  readonly limit: number;
}

/** Paths of one request. */
const BATCH = 1000;

/** A path of the closure: what is installed, and whether its own name proves it. */
interface Installed {
  readonly storePath: StorePath;
  readonly local: string;
  readonly proven: string | undefined;
}

async function readClosure(config: Config, roots: readonly StorePath[], io: Io): Promise<Installed[]> {
  const nix = new LocalNix({ nixStore: config.nix.nixStore, storeDir: config.nix.storeDir, env: io.env });
  const addresses = new Map<StorePath, ContentAddress | undefined>();
  for await (const { path, contentAddress } of nix.list(roots, io.signal))
    addresses.set(path, contentAddress);
  const infos = await nix.queryPathInfo([...addresses.keys()], io.signal);
  const installed: Installed[] = [];
  using progress = new Progress(io, "reading");
  for (const info of infos) {
    const local = formatNixStatement(info);
    const isProven = await provesContents({ ...info, contentAddress: addresses.get(info.storePath) });
    installed.push({ storePath: info.storePath, local, proven: isProven ? local : undefined });
    progress.update(installed.length, infos.length, "paths");
    if (io.signal.aborted) throw new TrustixError("CLOSED", "interrupted");
  }
  return installed;
}

/** Defines the command. */
export function define(command: Command, io: Io): void {
  command
    .argument(
      "[path...]",
      `store paths, or links to them, whose closure to check (default: ${RUNNING_SYSTEM})`,
    )
    .option("--may-be-unconfirmed", "exit 0 although some paths are confirmed by nobody, or by too few")
    .option("--limit <count>", "paths to list at most", parseCount, 50)
    .addHelpText(
      "after",
      "\nExit status: 0 when all is confirmed, 4 when something is different or disputed, 1 when something is unconfirmed.",
    )
    .action(async (paths: readonly string[], options: ClosureOptions) => {
      const config = await loadCommandConfig(options, io);
      const roots = await closureRoots(paths, config.nix.storeDir);
      const client = new DaemonClient(config.node.adminSocket);
      const installed = await readClosure(config, roots, io);
      const checked: ClosurePath[] = [];
      {
        using progress = new Progress(io, "checking");
        for (let at = 0; at < installed.length; at += BATCH) {
          const batch = installed.slice(at, at + BATCH);
          const body = {
            paths: batch.map(({ storePath, proven }) => ({
              what: storePath.slice(config.nix.storeDir.length + 1),
              proven,
            })),
          };
          const answers = client.lines({
            method: "POST",
            path: "/api/v1/decisions",
            body,
            signal: io.signal,
          });
          let index = 0;
          for await (const answer of answers) {
            const { storePath, local } = batch[index++] as Installed;
            checked.push({ storePath, local, decision: answer as PolicyDecision });
            progress.update(checked.length, installed.length, "paths");
          }
        }
      }
      const report = reportClosure(checked);
      if (options.json) io.out(JSON.stringify(report));
      else io.out(renderClosureReport(report, (style, text) => styled(io, style, text), options.limit));
      io.setExitStatus(closureExitStatus(report, { mayBeUnconfirmed: options.mayBeUnconfirmed === true }));
    });
}
