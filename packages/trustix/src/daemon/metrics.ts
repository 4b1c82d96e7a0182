// The daemon's metrics, in Prometheus' text format.
import { Counter, collectDefaultMetrics, Gauge, Registry } from "prom-client";
import type { ApiInsight } from "../http/insight.ts";
import type { LiveStream } from "../http/live.ts";
import type { RequestRecord } from "../http/public-server.ts";
import { addInsightMetrics } from "./insight-metrics.ts";
import { RequestMetrics } from "./request-metrics.ts";
import type { LogStatus, NodeStatus } from "./status.ts";

/** What may become of a build; `known` is claimed with a statement that the log had already, `rejected` a spool file. */
const OUTCOMES = ["claimed", "known", "gone", "replaced", "damaged", "refused", "rejected"] as const;

/** Counts what happens. */
export class Metrics {
  readonly #registry = new Registry();
  readonly #requests = new RequestMetrics();
  readonly #outcomes: Counter<"outcome">;
  readonly #damaged: Counter;

  /** @param status asked whenever somebody reads the metrics */
  constructor(status: () => NodeStatus) {
    const registers = [this.#registry];
    collectDefaultMetrics({ register: this.#registry });
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
          for (const log of status().logs) this.set({ log: log.name }, value(log));
        },
      });
    };
    gauge("trustix_log_size", "Entries under the published checkpoint", (log) => log.publishedSize);
    gauge("trustix_log_pending", "Durable claims that wait for publication", (log) => log.pending);
    addSubscriptionMetrics(this.#registry, status);
    addQuarantineMetric(this.#registry, status);
    addSubstituterMetrics(this.#registry, status);
  }

  /** Adds what is known of paths and builders. */
  observe(insight: ApiInsight, live: LiveStream): void {
    addInsightMetrics(this.#registry, insight, live);
  }

  countRequest(record: RequestRecord): void {
    this.#requests.count(record);
  }

  countOutcome(outcome: (typeof OUTCOMES)[number]): void {
    this.#outcomes.inc({ outcome });
  }

  countDamaged(): void {
    this.#damaged.inc();
  }

  async render(): Promise<{ readonly type: string; readonly text: string }> {
    const text = `${await this.#registry.metrics()}\n${this.#requests.render()}`;
    return { type: this.#registry.contentType, text };
  }
}

function addQuarantineMetric(registry: Registry, status: () => NodeStatus): void {
  new Gauge({
    name: "trustix_operator_quarantined",
    help: "1 while an operator is in quarantine and does not count, else 0",
    labelNames: ["operator"],
    registers: [registry],
    collect() {
      const { operators, quarantined } = status().policy;
      for (const operator of operators) this.set({ operator }, quarantined.includes(operator) ? 1 : 0);
    },
  });
}

/** A number of each subscription. */
function addSubscriptionMetrics(registry: Registry, status: () => NodeStatus): void {
  type Subscription = NodeStatus["subscriptions"][number];
  const gauge = (name: string, help: string, value: (each: Subscription) => number | undefined): void => {
    new Gauge({
      name,
      help,
      labelNames: ["subscription", "operator"],
      registers: [registry],
      collect() {
        for (const each of status().subscriptions) {
          const { subscription, operator } = each;
          const number = value(each);
          if (number !== undefined) this.set({ subscription, operator }, number);
        }
      },
    });
  };
  const ofLog =
    (field: "size" | "lag") =>
    (each: Subscription): number | undefined =>
      each.kind === "log" ? each[field] : undefined;
  gauge(
    "trustix_subscription_size",
    "Entries of a subscribed log's newest accepted checkpoint",
    ofLog("size"),
  );
  gauge("trustix_subscription_lag", "Entries of a subscribed log that are not read yet", ofLog("lag"));
  gauge("trustix_subscription_healthy", "1 when a subscription is as it should be, else 0", ({ health }) =>
    health === "ok" || health === "reading" ? 1 : 0,
  );
  gauge(
    "trustix_subscription_last_good_seconds",
    "Unix time when a subscription last answered as it should",
    ({ lastGoodAtMs }) => (lastGoodAtMs === undefined ? undefined : lastGoodAtMs / 1000),
  );
  gauge(
    "trustix_subscription_agreed",
    "Decisions since the start that accepted what a subscription states",
    ({ agreed }) => agreed,
  );
  gauge(
    "trustix_subscription_dissented",
    "Decisions since the start that accepted something else than what a subscription states",
    ({ dissented }) => dissented,
  );
}

function addSubstituterMetrics(registry: Registry, status: () => NodeStatus): void {
  const registers = [registry];
  const gauge = (name: string, help: string, field: "narInfos" | "nars" | "narBytes"): void => {
    new Gauge({
      name,
      help,
      registers,
      collect() {
        const { substituter } = status();
        if (substituter !== undefined) this.set(substituter[field]);
      },
    });
  };
  gauge("trustix_substitute_narinfos", "Narinfos served by the substituter", "narInfos");
  gauge("trustix_substitute_nars", "NARs served by the substituter", "nars");
  gauge("trustix_substitute_nar_bytes", "Bytes of NARs served by the substituter", "narBytes");
  new Gauge({
    name: "trustix_substitute_refusals",
    help: "Answers 404 of the substituter, by reason",
    labelNames: ["reason"],
    registers,
    collect() {
      for (const [reason, count] of Object.entries(status().substituter?.refusals ?? {})) {
        this.set({ reason }, count);
      }
    },
  });
  new Gauge({
    name: "trustix_upstream_wrong_nars",
    help: "NARs of an upstream cache that were not what was stated",
    labelNames: ["upstream"],
    registers,
    collect() {
      for (const { name, wrongNars } of status().substituter?.upstreams ?? []) {
        this.set({ upstream: name }, wrongNars);
      }
    },
  });
}
