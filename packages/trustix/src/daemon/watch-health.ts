// Says in the daemon's log when a subscription falls ill, recovers, or is found to misbehave. What is wrong is in the status
// all the time; a log line is for who looks later, or is called by a rule of his log collector.
import type { Sleep } from "../sleep.ts";
import type { ListenedStatus } from "./decisions.ts";
import type { Logger } from "./logger.ts";

/** Between two looks; it costs nothing but memory accesses. */
const LOOK_MS = 1000;

/** Watches until the signal. Never rejects. */
export async function watchHealth(
  status: () => readonly ListenedStatus[],
  logger: Logger,
  sleep: Sleep,
  signal: AbortSignal,
): Promise<void> {
  const known = new Map<string, ListenedStatus["health"]>();
  while (!signal.aborted) {
    for (const each of status()) {
      const { subscription, health } = each;
      const before = known.get(subscription);
      known.set(subscription, health);
      if (before !== health) report(each, before, logger);
    }
    await sleep(LOOK_MS, signal).catch(() => {});
  }
}

function report(each: ListenedStatus, before: ListenedStatus["health"] | undefined, logger: Logger): void {
  const { subscription, operator, health, lastError } = each;
  const fields = { subscription, operator };
  const { code, message } = lastError ?? {};
  switch (health) {
    case "starting":
    case "reading":
      break;
    case "ok":
      logger.info({ ...fields, ...(each.kind === "log" ? { size: each.size } : {}) }, "subscription is well");
      break;
    case "stale":
      logger.info(fields, "log has had nothing new for long");
      break;
    case "failing":
    case "resting":
      // A cache that rests failed before.
      if (before !== "failing" && before !== "resting") {
        logger.warn({ ...fields, code, reason: message }, "subscription fails");
      }
      break;
    case "full":
      logger.warn(fields, "log has brought as much as it may: `[subscribe] max-log-size`");
      break;
    case "quarantined":
      logger.error(
        {
          ...fields,
          ...(each.kind === "log" ? { reason: each.fault?.reason, evidence: each.fault?.evidence } : {}),
        },
        "log misbehaved and does not count any more",
      );
      break;
    default:
      health satisfies never;
  }
}
