// trustix evidence list
import type { Command } from "commander";
import { verifyEvidence } from "../../subscribe/evidence.ts";
import { visible } from "../../terminal.ts";
import { DaemonClient } from "../client.ts";
import { type ConfigOptions, loadCommandConfig } from "../context.ts";
import { formatTable, type Io } from "../io.ts";

interface ListOptions extends ConfigOptions {
  readonly show?: string;
}

/** Defines the command. */
export function define(command: Command, io: Io): void {
  command
    .option("--show <file>", "print this file instead, to keep it or to give it to others")
    .action(async (options: ListOptions) => {
      const config = await loadCommandConfig(options, io);
      const client = new DaemonClient(config.node.adminSocket);
      const read = (name: string): Promise<string> =>
        client.send({
          method: "GET",
          path: `/api/v1/evidence/${encodeURIComponent(name)}`,
          signal: io.signal,
        });
      if (options.show !== undefined) {
        io.out((await read(options.show)).trimEnd());
        return;
      }
      const answer = await client.json({ method: "GET", path: "/api/v1/evidence", signal: io.signal });
      const found = [];
      for (const file of (answer as { readonly evidence: readonly string[] }).evidence) {
        found.push({ file, ...(await verifyEvidence(Buffer.from(await read(file)))) });
      }
      if (options.json) {
        io.out(JSON.stringify({ evidence: found }));
        return;
      }
      if (found.length === 0) {
        io.err("There is no evidence: no log was found to misbehave.");
        return;
      }
      const rows = found.map(({ file, isProof, origin, summary }) => [
        file,
        isProof ? "proof" : "no proof",
        visible(origin),
        visible(summary),
      ]);
      io.out(formatTable(io, ["FILE", "VERDICT", "ORIGIN", "WHAT IT SHOWS"], rows));
    });
}
