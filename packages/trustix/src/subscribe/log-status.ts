// The state of a mirrored log, for people.

import type { LogFault } from "./claim-writer.ts";

/** How a log fares. */
export type LogHealth =
  /** It has not been looked at yet. */
  | "starting"
  /** There is more to read. */
  | "reading"
  | "ok"
  /** It is up to date, but has had nothing new for long. */
  | "stale"
  /** The last look failed; it is tried again. What was read before counts. */
  | "failing"
  /** It has brought as much as it may; nothing more is read. */
  | "full"
  /** It has shown two histories, or gone back: it does not count until `clear`. */
  | "quarantined";

/** The state of a mirrored log, for people. */
export interface LogStatus {
  readonly kind: "log";
  readonly subscription: string;
  readonly operator: string;
  readonly origin: string;
  readonly address: string;
  readonly health: LogHealth;
  /** Entries of the newest accepted checkpoint. */
  readonly size: number;
  /** Its root hash, base64. */
  readonly root: string;
  /** Entries not read yet. */
  readonly lag: number;
  readonly claims: number;
  readonly unreadableEntries: number;
  readonly surplusClaims: number;
  readonly statementBytes: number;
  /** When the newest checkpoint was first seen; `undefined` before there is one. */
  readonly lastNewAtMs: number | undefined;
  /** When a checkpoint was last seen and found good, since the start. */
  readonly lastGoodAtMs: number | undefined;
  /** Since the last success. */
  readonly lastError: { readonly atMs: number; readonly code: string; readonly message: string } | undefined;
  readonly fault: LogFault | undefined;
}
