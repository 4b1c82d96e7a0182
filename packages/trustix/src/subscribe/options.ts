// What a node listens to, and within which bounds.

import type { Policy } from "@trustix/tlog";

/** A log to mirror. */
export interface LogSubscription {
  /** Unique among the subscriptions of the node. */
  readonly name: string;
  /** Whose word it is. Several subscriptions may be one operator's. */
  readonly operator: string;
  /** Where its files are, as `parsePeerAddress` takes it. */
  readonly address: string;
  /** First line of its checkpoints. */
  readonly origin: string;
  /** The vkey that signs its checkpoints. */
  readonly key: string;
  /** Default `nix`. */
  readonly protocol?: "nix" | "raw";
  /** Witnesses of which a quorum must have cosigned a checkpoint. Its `logs` are not looked at. Default: none. */
  readonly witnesses?: Policy;
}

/** A signed cache to ask. */
export interface CacheSubscription {
  /** Unique among the subscriptions of the node. */
  readonly name: string;
  readonly operator: string;
  /** The root of the cache, as `parsePeerAddress` takes it. */
  readonly address: string;
  /** Public keys `name:base64`, one of which must have signed. At least one. */
  readonly keys: readonly string[];
}

/** Bounds and intervals of mirroring. */
export interface MirrorLimits {
  /** Between two looks at a checkpoint, give or take a fifth. Default 30 s. */
  readonly pollIntervalMs: number;
  /** Longest wait after failures in a row; it doubles from the interval up. Default 15 minutes. */
  readonly maxBackoffMs: number;
  /** For one look with all that there is to read. Default 10 minutes. */
  readonly roundTimeoutMs: number;
  /** Entries read before the checkpoint is looked at again. Default 262,144. */
  readonly maxRoundEntries: number;
  /**
   * Entries stored in one transaction. The more there are, the fewer pages of the index are written for each, and the more
   * are in memory and are read again after a crash. Default 32,768.
   */
  readonly maxBatchEntries: number;
  /** Bytes of statements that one log may bring; reading stops there. Default 4 GiB. */
  readonly maxStatementBytes: number;
  /** Bundles fetched ahead. Default 4. */
  readonly concurrency: number;
  /** How long a log may show an older checkpoint, as a cache in between might, before it stops to count. Default 5 minutes. */
  readonly rollbackGraceMs: number;
  /** A log that could not be looked at for so long is not taken at its silence any more. Default 10 minutes. */
  readonly silenceMs: number;
  /** A log that has had nothing new for so long is shown as stale. Default 7 days. */
  readonly staleMs: number;
}

/** The bounds that apply unless said otherwise. */
export const defaultMirrorLimits: MirrorLimits = {
  pollIntervalMs: 30_000,
  maxBackoffMs: 15 * 60_000,
  roundTimeoutMs: 10 * 60_000,
  maxRoundEntries: 1 << 18,
  maxBatchEntries: 1 << 15,
  maxStatementBytes: 4 * 2 ** 30,
  concurrency: 4,
  rollbackGraceMs: 5 * 60_000,
  silenceMs: 10 * 60_000,
  staleMs: 7 * 24 * 3_600_000,
};

/** Bounds of asking signed caches, each for itself. */
export interface CacheLimits {
  /** For one narinfo. Default 5 s. */
  readonly timeoutMs: number;
  /** Requests under way or waiting; further ones are not made. Default 256. */
  readonly maxPending: number;
  /** How long a statement is believed to be the current one. Default 1 hour. */
  readonly claimTtlMs: number;
  /** How long it is believed that there is none. Default 1 minute. */
  readonly absentTtlMs: number;
  /** Memory for answers. Default 16 MiB. */
  readonly memoryBytes: number;
  /** Failures in a row before it is left alone for a while. Default 5. */
  readonly failuresToOpen: number;
  /** How long it is left alone at first; it doubles up to `maxOpenMs`. Default 5 s. */
  readonly openMs: number;
  /** Default 5 minutes. */
  readonly maxOpenMs: number;
}

/** The bounds that apply unless said otherwise. */
export const defaultCacheLimits: CacheLimits = {
  timeoutMs: 5000,
  maxPending: 256,
  claimTtlMs: 3_600_000,
  absentTtlMs: 60_000,
  memoryBytes: 16 << 20,
  failuresToOpen: 5,
  openMs: 5000,
  maxOpenMs: 5 * 60_000,
};
