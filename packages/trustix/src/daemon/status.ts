// What `GET /api/v1/status` answers.

import type { DefaultQuorum } from "../policy/policy.ts";
import type { SubstituterStats } from "../substitute/substituter.ts";
import type { ListenedStatus } from "./decisions.ts";

/** One log of the node. */
export interface LogStatus {
  readonly name: string;
  readonly protocol: "nix" | "raw";
  readonly origin: string;
  readonly vkey: string;
  /** Entries under the published checkpoint. */
  readonly publishedSize: number;
  /** Claims that are durable and wait for the next checkpoint. */
  readonly pending: number;
}

/** The node. */
export interface NodeStatus {
  readonly version: string;
  readonly pid: number;
  readonly uptimeMs: number;
  /** Addresses of the public listener. */
  readonly listen: readonly string[];
  readonly logs: readonly LogStatus[];
  readonly policy: {
    readonly mode: "enforce" | "report";
    readonly operators: readonly string[];
    /** Those of them that do not count now. */
    readonly quarantined: readonly string[];
    /** Who must agree where no rule matches; absent when the node decides nothing. */
    readonly default?: DefaultQuorum | undefined;
  };
  /** What the node listens to, logs first. */
  readonly subscriptions: readonly ListenedStatus[];
  /** Absent when the substituter is off. */
  readonly substituter?: SubstituterStats | undefined;
}
