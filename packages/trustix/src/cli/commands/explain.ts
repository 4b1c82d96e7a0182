// trustix explain PATH|HASH|NAME
import type { Command } from "commander";
import { type Explanation, renderExplanation } from "../../policy/explain.ts";
import type { PolicyDecision } from "../../policy/policy.ts";
import { visible } from "../../policy/terminal.ts";
import { DaemonClient } from "../client.ts";
import { type ConfigOptions, loadCommandConfig } from "../context.ts";
import { type Io, styled } from "../io.ts";
import { resolveSubjects } from "../store-paths.ts";

/** Defines the command. */
export function define(command: Command, io: Io): void {
  command
    .argument("<what>", "a store path, a link to one, a hash part, or a name such as hello or hello-2.12.1")
    .action(async (text: string, options: ConfigOptions) => {
      const config = await loadCommandConfig(options, io);
      const subjects = await resolveSubjects(text, config.nix.storeDir);
      const client = new DaemonClient(config.node.adminSocket);
      const [what = "", ...others] = subjects;
      if (others.length > 0) {
        await list(client, subjects, config.nix.storeDir, options, io);
        return;
      }
      const path = `/api/v1/decisions/${encodeURIComponent(what)}`;
      const answer = await client.json({ method: "GET", path, signal: io.signal });
      if (options.json) io.out(JSON.stringify(answer));
      else io.out(renderExplanation(answer as Explanation, (style, each) => styled(io, style, each)));
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
