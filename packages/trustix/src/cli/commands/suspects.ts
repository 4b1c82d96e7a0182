// trustix suspects
import { resolve } from "node:path";
import type { Command } from "commander";
import { renderSuspects } from "../../analyse/render/suspects-text.ts";
import type { BuildersJson } from "../../http/insight-schema.ts";
import { DaemonClient } from "../client.ts";
import { type ConfigOptions, loadCommandConfig } from "../context.ts";
import { EXIT } from "../failure.ts";
import { type Io, styled } from "../io.ts";
import { parseCount } from "../options.ts";
import { writeSuspectsEvidence } from "../suspects-evidence.ts";

interface SuspectsOptions extends ConfigOptions {
  readonly evidence?: string;
  readonly limit: number;
}

/** Defines the command. */
export function define(command: Command, io: Io): void {
  command
    .option("--limit <count>", "paths to list for each suspect at most", parseCount, 10)
    .option(
      "--evidence <dir>",
      "write what proves who published what, to give to others: `trustix evidence verify DIR` checks it offline",
    )
    .addHelpText(
      "after",
      "\nExit status: 0 when nobody is suspected, 4 when somebody is, 1 while there is no estimate.",
    )
    .action(async (options: SuspectsOptions) => {
      const config = await loadCommandConfig(options, io);
      const client = new DaemonClient(config.node.adminSocket);
      const path = "/api/v1/builders";
      const answer = (await client.json({ method: "GET", path, signal: io.signal })) as BuildersJson;
      const { version, suspicions, estimatedAt } = answer;
      if (options.json) io.out(JSON.stringify({ version, estimatedAt, suspicions }));
      else io.out(renderSuspects(answer, (style, text) => styled(io, style, text), options.limit));
      if (estimatedAt === null) io.setExitStatus(EXIT.failed);
      else if (suspicions.length > 0) io.setExitStatus(EXIT.unverified);
      if (options.evidence !== undefined && suspicions.length > 0) {
        await writeSuspectsEvidence(client, config, suspicions, resolve(options.evidence), io);
      }
    });
}
