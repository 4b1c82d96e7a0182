// trustix explain PATH|HASH|NAME
import { resolve } from "node:path";
import type { Command } from "commander";
import { type Explanation, renderExplanation } from "../../policy/explain.ts";
import type { PolicyDecision } from "../../policy/policy.ts";
import { visible } from "../../terminal.ts";
import { DaemonClient } from "../client.ts";
import { type ConfigOptions, loadCommandConfig } from "../context.ts";
import { EXIT } from "../failure.ts";
import { type Io, styled } from "../io.ts";
import { findClaimed, resolveSubjects } from "../store-paths.ts";
import { writeProofs } from "../write-proofs.ts";

interface ExplainOptions extends ConfigOptions {
  readonly proof?: string;
}

/** Defines the command. */
export function define(command: Command, io: Io): void {
  command
    .argument("<what>", "a store path, a link to one, a hash part, or a name such as hello or hello-2.12.1")
    .option(
      "--proof <dir>",
      "write what proves each logged statement: .tlog-proof files, and evidence of contradictions",
    )
    .action(async (text: string, options: ExplainOptions) => {
      const config = await loadCommandConfig(options, io);
      const client = new DaemonClient(config.node.adminSocket);
      const subjects = await resolveSubjects(text, config.nix.storeDir, findClaimed(client, io.signal));
      const [what = "", ...others] = subjects;
      if (others.length > 0) {
        await list(client, subjects, config.nix.storeDir, options, io);
        return;
      }
      const path = `/api/v1/decisions/${encodeURIComponent(what)}`;
      const answer = await client.json({ method: "GET", path, signal: io.signal });
      if (options.json) io.out(JSON.stringify(answer));
      else io.out(renderExplanation(answer as Explanation, (style, each) => styled(io, style, each)));
      if (options.proof !== undefined) {
        const { isComplete } = await writeProofs(client, answer as Explanation, resolve(options.proof), io);
        if (!isComplete) io.setExitStatus(EXIT.failed);
      }
    });
}

/** One line for each of several paths. */
async function list(
  client: DaemonClient,
  subjects: readonly string[],
  storeDir: string,
  options: ConfigOptions,
  io: Io,
): Promise<void> {
  const body = { paths: subjects.map((what) => ({ what })) };
  const answers = client.lines({ method: "POST", path: "/api/v1/decisions", body, signal: io.signal });
  let index = 0;
  for await (const answer of answers) {
    const decision = answer as PolicyDecision;
    const path = `${storeDir}/${subjects[index++]}`;
    if (options.json) io.out(JSON.stringify({ path, decision }));
    else {
      const word = decision.accepted
        ? styled(io, "green", "accepted")
        : styled(io, "red", `refused (${decision.reason})`);
      io.out(`${path}\n  ${word}: ${visible(decision.explanation)}`);
    }
  }
}
