// Publishes from inside a private /nix, with a log in memory, and prints what came of it as one line of JSON.
//
//     node publish-driver.ts '{"do":"scan","spoolDir":"/…"}'

import { setTimeout as delay } from "node:timers/promises";
import type { StorePath } from "@trustix/nix";
import { LocalNix } from "trustix/src/nix/local-nix.ts";
import { type Outcome, Publisher } from "trustix/src/publish/publisher.ts";
import { type BackfillProgress, Reconciler } from "trustix/src/publish/reconcile.ts";
import { Spool, type SpoolEvent } from "trustix/src/publish/spool.ts";
import { SpoolDir } from "trustix/src/publish/spool-dir.ts";

/** What the driver is told. */
export interface DriverTask {
  readonly do: "scan" | "reconcile";
  readonly spoolDir: string;
  /** Paths that the log has claims on already. */
  readonly claimed?: readonly string[];
  /** Roots of a closure to reconcile. Default: the whole store. */
  readonly roots?: readonly StorePath[];
  readonly includeImported?: boolean;
  readonly verifyBeforeClaim?: boolean;
  /** How far the clock of the publisher is ahead, in milliseconds. */
  readonly laterMs?: number;
}

/** What the driver prints. */
export interface DriverReport {
  readonly version: string;
  /** Entries as text, in the order of the log. */
  readonly entries: readonly string[];
  readonly events: readonly SpoolEvent[];
  readonly outcomes: readonly Outcome[];
  readonly progress?: BackfillProgress;
}

if (import.meta.main) {
  const task = JSON.parse(process.argv[2] ?? "") as DriverTask;
  const claimed = new Set(task.claimed);
  const entries: string[] = [];
  const events: SpoolEvent[] = [];
  const outcomes: Outcome[] = [];
  const nix = new LocalNix({ env: process.env });
  const now = (): number => Date.now() + (task.laterMs ?? 0);
  const sleep = (durationMs: number, signal?: AbortSignal) => delay(durationMs, undefined, { signal });
  const isClaimed = (path: StorePath) => claimed.has(path);
  const publisher = new Publisher({
    nix,
    sink: {
      submit: async (entry) => ({ index: entries.push(Buffer.from(entry).toString()) - 1, isNew: true }),
    },
    isClaimed,
    verifyBeforeClaim: task.verifyBeforeClaim,
    now,
    sleep,
  });
  let progress: BackfillProgress | undefined;
  if (task.do === "scan") {
    const dir = new SpoolDir(task.spoolDir);
    await new Spool({ dir, nix, publisher, onEvent: (event) => events.push(event), now, sleep }).scan();
  } else {
    progress = await new Reconciler({ nix, publisher, isClaimed }).backfill({
      roots: task.roots,
      includeImported: task.includeImported,
      onProgress: (_, batch) => outcomes.push(...batch),
    });
  }
  const { version } = await nix.version();
  console.log(JSON.stringify({ version, entries, events, outcomes, progress }));
}
