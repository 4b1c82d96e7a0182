// A user's part of a node: subscriptions, policy and substituter, where the configuration asks for them.
import { dirname, join } from "node:path";
import { ANALYSIS_FILE } from "../analyse/analysis-database.ts";
import { deviantsOf } from "../analyse/assessment.ts";
import type { Config } from "../config/load.ts";
import { loneOperatorWarning } from "../policy/lone-operator.ts";
import type { Sleep } from "../sleep.ts";
import type { SubstituterEvent } from "../substitute/events.ts";
import type { Substituter } from "../substitute/substituter.ts";
import { Analysis } from "./analysis.ts";
import { Decisions } from "./decisions.ts";
import { Diffs } from "./diffs.ts";
import type { Logger } from "./logger.ts";
import { createSubstituter } from "./substituting.ts";
import { watchHealth } from "./watch-health.ts";

/** What runs for the user. */
export interface UserRoles extends AsyncDisposable {
  readonly decisions: Decisions;
  /** Absent: there is nothing to analyse. */
  readonly analysis: Analysis | undefined;
  readonly diffs: Diffs;
  /** Absent: it is off. */
  readonly substituter: Substituter | undefined;
}

/**
 * Starts what the configuration asks for; undefined when that is nothing.
 * @throws TrustixError as `Decisions.open`, `Diffs.open` and `createSubstituter` do
 */
export async function openUserRoles(
  config: Config,
  logger: Logger,
  sleep: Sleep,
): Promise<UserRoles | undefined> {
  const { subscription, substitute } = config;
  if (subscription.length === 0 && !substitute.enabled) return undefined;
  warnOfGaps(config, logger);
  await using stack = new AsyncDisposableStack();
  const decisions = stack.use(await Decisions.open(config, logger));
  const diffs = stack.use(await Diffs.open(config, decisions));
  const stop = new AbortController();
  const watching = [
    watchHealth(() => decisions.status(), logger, sleep, stop.signal),
    decisions.quarantine.watch(sleep, stop.signal),
  ];
  stack.defer(async () => {
    stop.abort();
    await Promise.all(watching);
  });
  const analysis =
    subscription.length === 0 ? undefined : startAnalysis(config, decisions, logger, sleep, stack);
  let substituter: Substituter | undefined;
  if (substitute.enabled && substitute.keyFile !== undefined) {
    const onEvent = (event: SubstituterEvent): void => report(event, logger);
    substituter = stack.use(await createSubstituter(config, substitute.keyFile, decisions, onEvent));
  }
  const running = stack.move();
  return { decisions, analysis, diffs, substituter, [Symbol.asyncDispose]: () => running.disposeAsync() };
}

/** Begins to analyse what the subscriptions say, in the background; quarantine follows what is found, and is followed. */
function startAnalysis(
  { nix }: Config,
  { claims, quarantine }: Decisions,
  logger: Logger,
  sleep: Sleep,
  stack: AsyncDisposableStack,
): Analysis {
  const { path: claimsPath, logs, trimFeed } = claims;
  const analysisPath = join(dirname(claimsPath), ANALYSIS_FILE);
  const task = { claimsPath, analysisPath, storeDir: nix.storeDir, logs };
  const analysis = stack.use(new Analysis({ task, logger, sleep, trimFeed }, quarantine.list()));
  stack.use(quarantine.onChange((list) => analysis.setQuarantine(list)));
  stack.use(analysis.onAssessment((assessment) => void quarantine.assess(deviantsOf(assessment))));
  return analysis;
}

/** Says what is missing for the roles to be of use; it may be on its way. */
function warnOfGaps(config: Config, logger: Logger): void {
  const { subscription, operator, upstream, substitute } = config;
  const silent = operator.filter(({ name }) => !subscription.some((each) => each.operator === name));
  if (subscription.length === 0) logger.warn({}, "there are no subscriptions: nothing can be agreed on");
  else if (silent.length > 0) {
    logger.warn({ operators: silent.map(({ name }) => name) }, "operators without a subscription never vote");
  }
  const lone = loneOperatorWarning(config);
  if (lone !== undefined) logger.warn({}, lone);
  if (substitute.enabled && upstream.length === 0) {
    logger.warn({}, "there are no upstream caches: nothing can be downloaded");
  }
}

function report(event: SubstituterEvent, logger: Logger): void {
  const { type: _, ...fields } = event;
  switch (event.type) {
    case "refused":
      logger.debug(fields, "path is refused");
      break;
    case "upstream-failed":
      logger.warn(fields, "cache failed");
      break;
    case "wrong-nar":
      logger.error(fields, "cache sent a wrong NAR");
      break;
    case "nar-served":
      logger.debug(fields, "NAR is served");
      break;
    default:
      event satisfies never;
  }
}
