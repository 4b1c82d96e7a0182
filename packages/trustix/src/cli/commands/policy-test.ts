// trustix policy test FILE
import { resolve } from "node:path";
import type { Command } from "commander";
import { type Config, loadConfig } from "../../config/load.ts";
import { openPolicy } from "../../policy/open-policy.ts";
import { type ReplayCase, renderReplay, replay } from "../../policy/replay.ts";
import { countVotes, type SubscriptionAnswer } from "../../votes/vote.ts";
import { DaemonClient } from "../client.ts";
import { type ConfigOptions, loadCommandConfig } from "../context.ts";
import { type Io, styled } from "../io.ts";
import { parseCount } from "../options.ts";
import { Progress } from "../progress.ts";

interface TestOptions extends ConfigOptions {
  readonly limit: number;
}

/** A path with what every log says of it. */
interface Recalled {
  readonly hashPart: string;
  readonly answers: readonly SubscriptionAnswer[];
}

/** Answers as the votes of the operators that a configuration gives the subscriptions to. */
function votesUnder(config: Config, answers: readonly SubscriptionAnswer[]): ReplayCase["votes"] {
  const operatorOf = new Map(config.subscription.map(({ name, operator }) => [name, operator]));
  const assigned = answers.flatMap((each) => {
    const operator = operatorOf.get(each.subscription);
    return operator === undefined ? [] : [{ ...each, operator }];
  });
  return countVotes(
    config.operator.map(({ name }) => name),
    assigned,
  );
}

/** Every path that logs have claims on, with its votes under both configurations. */
async function* recall(
  client: DaemonClient,
  before: Config,
  after: Config,
  progress: Progress,
  signal: AbortSignal,
): AsyncGenerator<ReplayCase> {
  let count = 0;
  for await (const line of client.lines({ method: "GET", path: "/api/v1/answers", signal })) {
    const { hashPart, answers } = line as Recalled;
    yield {
      facts: { hashPart },
      votes: votesUnder(before, answers),
      votesAfter: votesUnder(after, answers),
    };
    progress.update(++count, undefined, "paths");
  }
}

/** Defines the command. */
export function define(command: Command, io: Io): void {
  command
    .argument("<file>", "a configuration with the policy to try; the daemon keeps its own")
    .option("--limit <count>", "paths to list at most", parseCount, 50)
    .action(async (file: string, options: TestOptions) => {
      const config = await loadCommandConfig(options, io);
      const other = await loadConfig(resolve(file));
      const [before, after] = [await openPolicy(config), await openPolicy(other)];
      const client = new DaemonClient(config.node.adminSocket);
      using progress = new Progress(io, "deciding");
      const cases = recall(client, config, other, progress, io.signal);
      const report = await replay(cases, before, after, options.json ? undefined : options.limit);
      progress[Symbol.dispose]();
      if (options.json) io.out(JSON.stringify(report));
      else io.out(renderReplay(report, (style, text) => styled(io, style, text), options.limit));
    });
}
