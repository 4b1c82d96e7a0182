// trustix policy test FILE
import { resolve } from "node:path";
import type { Command } from "commander";
import { type Config, loadConfig } from "../../config/load.ts";
import { TrustixError } from "../../errors.ts";
import { openPolicy } from "../../policy/open-policy.ts";
import { type ReplayCase, renderReplay, replay } from "../../policy/replay.ts";
import { quarantineUnder, type ToldQuarantine } from "../../policy/suspects.ts";
import { visible } from "../../terminal.ts";
import { markQuarantined, type Quarantined, quarantineOf } from "../../votes/quarantine.ts";
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

/** A configuration, and who is in quarantine under it. */
interface Situation {
  readonly config: Config;
  readonly quarantine: Quarantined;
}

function situationOf(config: Config, told: ToldQuarantine): Situation {
  const operators = config.operator.map(({ name }) => name);
  return { config, quarantine: quarantineOf(quarantineUnder(config.policy.quarantine, operators, told)) };
}

/** Answers as the votes of the operators that a configuration gives the subscriptions to. */
function votesUnder(
  { config, quarantine }: Situation,
  answers: readonly SubscriptionAnswer[],
): ReplayCase["votes"] {
  const operatorOf = new Map(config.subscription.map(({ name, operator }) => [name, operator]));
  const assigned = answers.flatMap((each) => {
    const operator = operatorOf.get(each.subscription);
    return operator === undefined ? [] : [{ ...each, operator }];
  });
  const operators = config.operator.map(({ name }) => name);
  return markQuarantined(countVotes(operators, assigned), quarantine);
}

/** Every path that logs have claims on, with its votes under both configurations. */
async function* recall(
  client: DaemonClient,
  before: Situation,
  after: Situation,
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

/** The configuration to try. @throws TrustixError as `loadConfig` */
async function loadOther(file: string): Promise<Config> {
  try {
    return await loadConfig(file);
  } catch (cause) {
    if (!(cause instanceof TrustixError) || cause.code !== "CONFIG_MISSING") throw cause;
    throw new TrustixError("CONFIG_MISSING", cause.message, {
      hint: "Give a whole configuration with the policy to try, such as an edited copy of the daemon's.",
      cause: cause.cause,
    });
  }
}

/** Defines the command. */
export function define(command: Command, io: Io): void {
  command
    .argument("<file>", "a configuration with the policy to try; the daemon keeps its own")
    .option("--limit <count>", "paths to list at most", parseCount, 50)
    .action(async (file: string, options: TestOptions) => {
      const config = await loadCommandConfig(options, io);
      const other = await loadOther(resolve(file));
      const [before, after] = [await openPolicy(config), await openPolicy(other)];
      const client = new DaemonClient(config.node.adminSocket);
      const answer = await client.json({ method: "GET", path: "/api/v1/quarantine", signal: io.signal });
      const told = answer as ToldQuarantine;
      const now = situationOf(config, { ...told, suspects: [] });
      const then = situationOf(other, told);
      using progress = new Progress(io, "deciding");
      const cases = recall(client, now, then, progress, io.signal);
      const report = await replay(cases, before, after, options.json ? undefined : options.limit);
      progress[Symbol.dispose]();
      if (options.json) {
        const quarantined = { before: now.quarantine.list(), after: then.quarantine.list() };
        io.out(JSON.stringify({ ...report, quarantined }));
        return;
      }
      io.out(renderReplay(report, (style, text) => styled(io, style, text), options.limit));
      for (const line of quarantineLines(now.quarantine, then.quarantine)) io.out(line);
    });
}

/** Who would begin, or cease, to be in quarantine, and who would stay there. */
function quarantineLines(before: Quarantined, after: Quarantined): string[] {
  const entered = after.list().map(({ operator, reason }) => {
    const verb = before.find(operator) === undefined ? "would be" : "stays";
    return `${operator} ${verb} in quarantine: ${visible(reason)}`;
  });
  const left = before.list().filter(({ operator }) => after.find(operator) === undefined);
  return [...entered, ...left.map(({ operator }) => `${operator} would count again`)];
}
