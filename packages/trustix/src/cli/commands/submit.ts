// trustix submit PATH… | trustix submit --key K --value V
import { realpath } from "node:fs/promises";
import { basename, join, resolve } from "node:path";
import type { Command } from "commander";
import type { Config } from "../../config/load.ts";
import { TrustixError } from "../../errors.ts";
import type { ClaimResult } from "../../http/logs-api.ts";
import { visible } from "../../terminal.ts";
import { DaemonClient } from "../client.ts";
import { type ConfigOptions, loadCommandConfig, writeNewFile } from "../context.ts";
import { formatTable, type Io } from "../io.ts";

interface SubmitOptions extends ConfigOptions {
  readonly key?: string;
  readonly value?: string;
  readonly hex?: boolean;
  readonly log?: string;
  readonly wait?: boolean;
  readonly out?: string;
}

type Result = ClaimResult & { readonly proof?: string };

/** The log to submit to: the one named, or the only one of the protocol. */
export function chooseLog(config: Config, name: string | undefined, protocol: "nix" | "raw"): string {
  const fitting = config.log.filter((log) => log.protocol === protocol);
  if (name !== undefined) {
    const log = config.log.find((candidate) => candidate.name === name);
    if (log?.protocol === protocol) return name;
    const why =
      log === undefined ? "is not in the configuration" : `is of protocol ${log.protocol}, not ${protocol}`;
    throw new TrustixError("USAGE", `log ${name} ${why}`, {
      hint: `Logs that fit: ${fitting.map((l) => l.name).join(", ") || "none"}.`,
    });
  }
  if (fitting.length === 1 && fitting[0] !== undefined) return fitting[0].name;
  throw new TrustixError(
    "USAGE",
    `${fitting.length === 0 ? "no" : "more than one"} log of protocol ${protocol} is configured`,
    {
      hint:
        fitting.length === 0
          ? `Add a [[log]] section with protocol = "${protocol}".`
          : `Say which with --log: ${fitting.map((l) => l.name).join(", ")}.`,
    },
  );
}

/** The store path that an argument means: itself, a link to it such as `./result`, or a file in it. */
export async function toStorePath(argument: string, storeDir: string): Promise<string> {
  const path = resolve(argument);
  const inStore = (candidate: string): string | undefined => {
    if (!candidate.startsWith(`${storeDir}/`)) return undefined;
    return `${storeDir}/${candidate.slice(storeDir.length + 1).split("/", 1)[0]}`;
  };
  // A store path may itself be a link, so it is not followed.
  const found = inStore(path) ?? inStore(await realpath(path).catch(() => path));
  if (found !== undefined) return found;
  throw new TrustixError("USAGE", `${argument} is neither in ${storeDir} nor a link into it`, {
    hint: "Give store paths, or links such as ./result.",
  });
}

async function writeProofs(results: readonly Result[], directory: string): Promise<void> {
  for (const { index, key, proof } of results) {
    if (proof === undefined) continue;
    const name = key.startsWith("/") ? basename(key) : `claim-${index}`;
    await writeNewFile(join(resolve(directory), `${name}.tlog-proof`), proof, 0o644);
  }
}

/** Defines the command. */
export function define(command: Command, io: Io): void {
  command
    .argument("[path...]", "store paths, or links to them such as ./result")
    .option("--key <key>", "key of a claim in a log of protocol raw")
    .option("--value <value>", "value of that claim")
    .option("--hex", "key and value are hex")
    .option("--log <name>", "log to submit to (default: the only one that fits)")
    .option("--wait", "wait until the claims are published, and print their .tlog-proof")
    .option("-o, --out <dir>", "with --wait: write each proof to a file in this directory instead")
    .action(async (paths: string[], options: SubmitOptions) => {
      const isRaw = options.key !== undefined || options.value !== undefined;
      if (
        isRaw === paths.length > 0 ||
        (isRaw && (options.key === undefined || options.value === undefined))
      ) {
        throw new TrustixError("USAGE", "give either store paths, or both --key and --value", {
          hint: "trustix submit ./result",
        });
      }
      const config = await loadCommandConfig(options, io);
      const log = chooseLog(config, options.log, isRaw ? "raw" : "nix");
      const wait = options.wait === true;
      const claim = { key: options.key, value: options.value, encoding: options.hex ? "hex" : "text" };
      const storePaths = await Promise.all(paths.map((path) => toStorePath(path, config.nix.storeDir)));
      const body = isRaw ? { claims: [claim], wait } : { paths: storePaths, wait };
      const answer = await new DaemonClient(config.node.adminSocket).json({
        method: "POST",
        path: `/api/v1/logs/${log}/claims`,
        body,
        signal: io.signal,
      });
      const { claims: results } = answer as { claims: readonly Result[] };
      if (wait && options.out !== undefined) await writeProofs(results, options.out);
      if (options.json) io.out(JSON.stringify({ log, claims: results }));
      else if (wait && options.out === undefined)
        for (const { proof } of results) io.out(proof?.trimEnd() ?? "");
      else {
        const rows = results.map((r) => [
          r.index === undefined ? "-" : String(r.index),
          r.status === "claimed" ? (r.isNew ? "new" : "known") : r.status,
          visible(r.reason === undefined ? r.key : `${r.key}: ${r.reason}`),
        ]);
        io.out(formatTable(io, ["INDEX", "STATUS", "CLAIM"], rows));
      }
      const failed = results.filter(({ status }) => status !== "claimed");
      if (failed.length > 0) {
        throw new TrustixError(
          "NOT_FOUND",
          `${failed.length} of ${results.length} were not claimed: ${failed[0]?.reason ?? failed[0]?.status}`,
          {
            hint: "`gone` means that Nix has no such valid path (any more); build it first.",
          },
        );
      }
    });
}
