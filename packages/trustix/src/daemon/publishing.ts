// What a builder's daemon does by itself: claims what the hook has put into the spool, and what a look at the store finds.
import { nixMapKey, type StorePath } from "@trustix/nix";
import type { Config } from "../config/load.ts";
import type { PublishedLog } from "../log/published-log.ts";
import type { LocalNix } from "../nix/local-nix.ts";
import { type Outcome, Publisher } from "../publish/publisher.ts";
import { Reconciler } from "../publish/reconcile.ts";
import { Spool, type SpoolEvent } from "../publish/spool.ts";
import { SpoolDir } from "../publish/spool-dir.ts";
import type { Sleep } from "../sleep.ts";
import type { NixParts } from "./api-log.ts";
import type { Logger } from "./logger.ts";
import type { Metrics } from "./metrics.ts";

/** What publishing needs. */
export interface PublishingOptions {
  readonly config: Config["publish"];
  readonly logger: Logger;
  readonly metrics: Metrics | undefined;
  readonly sleep: Sleep;
}

/** See the head of this file. */
export class Publishing {
  readonly #options: PublishingOptions;

  constructor(options: PublishingOptions) {
    this.#options = options;
  }

  /** What claims store paths in a log. */
  parts(log: PublishedLog, nix: LocalNix): NixParts {
    const { config, sleep } = this.#options;
    const { verifyBeforeClaim } = config;
    const isClaimed = (path: StorePath): boolean => log.has(nixMapKey(path));
    const publisher = new Publisher({ nix, sink: log, isClaimed, verifyBeforeClaim, sleep, now: Date.now });
    return { nix, publisher, reconciler: new Reconciler({ nix, publisher, isClaimed }) };
  }

  /** Publishes what comes through the spool, and what a look at the store finds, to a log, until the signal. */
  run(log: string, { nix, publisher, reconciler }: NixParts, signal: AbortSignal): Promise<void>[] {
    const { logger, config, sleep } = this.#options;
    const { spoolDir, reconcileInterval } = config;
    const dir = new SpoolDir(spoolDir);
    const onEvent = (event: SpoolEvent): void => this.#reportSpool(log, event);
    const spool = new Spool({ dir, nix, publisher, onEvent, now: Date.now, sleep });
    const schedule = {
      intervalMs: reconcileInterval,
      sleep,
      onDone: (progress: object) => logger.info({ log, ...progress }, "store is reconciled"),
      onOutcome: (outcome: Outcome) => this.report(log, outcome),
      onError: (err: unknown) => logger.warn({ log, err }, "reconcile failed"),
    };
    return [spool.run(signal), reconciler.run(schedule, signal)];
  }

  #reportSpool(log: string, event: SpoolEvent): void {
    const { logger, metrics } = this.#options;
    switch (event.type) {
      case "outcome":
        this.report(log, event.outcome);
        break;
      case "no-outputs":
        logger.info({ log, drvPath: event.drvPath }, "build has no valid outputs any more");
        break;
      case "rejected":
        metrics?.countOutcome("rejected");
        logger.warn({ log, file: event.file, reason: event.reason }, "spool file is no message");
        break;
      case "failed":
        logger.warn({ log, err: event.error, retryMs: event.delayMs }, "spool cannot be published now");
        break;
      default:
        event satisfies never;
    }
  }

  /**
   * Notes what became of a store path.
   * @param level of the line about a claim; a warning is always one
   */
  report(log: string, outcome: Outcome, level: "info" | "debug" = "info"): void {
    const { logger, metrics } = this.#options;
    if (outcome.status === "claimed") {
      metrics?.countOutcome(outcome.isNew ? "claimed" : "known");
      const { path, index, isNew } = outcome;
      logger[level]({ log, path, index, isNew }, "path is claimed");
      return;
    }
    metrics?.countOutcome(outcome.status);
    const reason = "reason" in outcome ? outcome.reason : undefined;
    logger.warn({ log, path: outcome.path, status: outcome.status, reason }, "path is not claimed");
  }
}
