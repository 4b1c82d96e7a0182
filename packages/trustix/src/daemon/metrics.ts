// The daemon's metrics, in Prometheus' text format.
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from "prom-client";
import type { RequestRecord } from "../http/public-server.ts";
import type { LogStatus } from "./status.ts";

/** What may become of a build; `known` is claimed with a statement that the log had already, `rejected` a spool file. */
const OUTCOMES = ["claimed", "known", "gone", "replaced", "damaged", "refused", "rejected"] as const;

/** Counts what happens. */
export class Metrics {
  readonly #registry = new Registry();
  readonly #requests: Counter<"route" | "status">;
  readonly #durations: Histogram<"route">;
  readonly #outcomes: Counter<"outcome">;
  readonly #damaged: Counter;

  /** @param logs asked for the state of the logs whenever somebody reads the metrics */
  constructor(logs: () => readonly LogStatus[]) {
    const registers = [this.#registry];
    collectDefaultMetrics({ register: this.#registry });
    this.#requests = new Counter({
      name: "trustix_http_requests_total",
      help: "Requests to the public listener",
      labelNames: ["route", "status"],
      registers,
    });
    this.#durations = new Histogram({
      name: "trustix_http_request_seconds",
      help: "Time from a request's headers to the end of its answer",
      labelNames: ["route"],
      buckets: [0.0005, 0.001, 0.005, 0.02, 0.1, 0.5, 2, 10],
      registers,
    });
    this.#outcomes = new Counter({
      name: "trustix_publish_outcomes_total",
      help: "Store paths that the publisher dealt with, by what became of them",
      labelNames: ["outcome"],
      registers,
    });
    this.#damaged = new Counter({
      name: "trustix_cache_damaged_total",
      help: "Store paths that were refused because their contents are not what Nix registered",
      registers,
    });
    for (const outcome of OUTCOMES) this.#outcomes.inc({ outcome }, 0);
    const gauge = (name: string, help: string, value: (log: LogStatus) => number): void => {
      new Gauge({
        name,
        help,
        labelNames: ["log"],
        registers,
        collect() {
          for (const log of logs()) this.set({ log: log.name }, value(log));
        },
      });
    };
    gauge("trustix_log_size", "Entries under the published checkpoint", (log) => log.publishedSize);
    gauge("trustix_log_pending", "Durable claims that wait for publication", (log) => log.pending);
  }

  countRequest({ route, status, durationMs }: RequestRecord): void {
    this.#requests.inc({ route, status });
    this.#durations.observe({ route }, durationMs / 1000);
  }

  countOutcome(outcome: (typeof OUTCOMES)[number]): void {
    this.#outcomes.inc({ outcome });
  }

  countDamaged(): void {
    this.#damaged.inc();
  }

  async render(): Promise<{ readonly type: string; readonly text: string }> {
    return { type: this.#registry.contentType, text: await this.#registry.metrics() };
  }
}
