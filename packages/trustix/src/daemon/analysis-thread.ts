// The thread of the analysis: follows the claims, and assesses builders when something has changed. It gives way to all
// other threads: users wait for them, and nobody for this one.

import { statSync } from "node:fs";
import { setImmediate, setTimeout } from "node:timers/promises";
import { parentPort, workerData } from "node:worker_threads";
import { isDamage, removeIfDamaged } from "../analyse/analysis-database.ts";
import { type Assessment, assess } from "../analyse/assessment.ts";
import { Follower } from "../analyse/follower.ts";
import type { Quarantined, SourceLog } from "../analyse/sources.ts";
import { TrustixError } from "../errors.ts";
import { ClaimReader } from "../subscribe/claim-reader.ts";
import { giveWay } from "../threads.ts";

/** What the thread begins with. */
export interface AnalysisTask {
  /** The claim store. */
  readonly claimsPath: string;
  /** The database of the analysis. */
  readonly analysisPath: string;
  readonly storeDir: string;
  readonly logs: readonly SourceLog[];
  readonly quarantine: readonly Quarantined[];
}

/** What it is told. */
export type ToAnalysis = { readonly quarantine: readonly Quarantined[] } | "close";

/** What it tells. */
export type FromAnalysis =
  /** Changes up to `seq` are taken in; `version` is that of the database, and `behind` claims are not taken in yet. */
  | { readonly type: "progress"; readonly seq: number; readonly version: number; readonly behind: number }
  | { readonly type: "assessment"; readonly assessment: Assessment };

/** Between two looks at the claims when there is nothing to do. */
const IDLE_MS = 500;
/** Between two reports of progress. */
const REPORT_MS = 500;
/** An assessment that took a second is not made again for so many seconds. */
const ASSESS_SHARE = 10;

const port = parentPort!;
const task = workerData as AnalysisTask;
const stop = new AbortController();
let quarantine: readonly Quarantined[] | undefined = task.quarantine;
port.on("message", (message: ToAnalysis) => {
  if (message === "close") stop.abort();
  else quarantine = message.quarantine;
});

/** Stands for the file, which may be replaced by another one; undefined when it is gone. */
const fileOf = (path: string): number | undefined => statSync(path, { throwIfNoEntry: false })?.ino;

async function pause(): Promise<boolean> {
  await setImmediate();
  return !stop.signal.aborted;
}

async function run(): Promise<void> {
  using claims = new ClaimReader(task.claimsPath);
  const { analysisPath: path, logs, storeDir } = task;
  using follower = Follower.open({ path, claims, logs, now: Date.now });
  const file = fileOf(path);
  let reportedAt = Number.NEGATIVE_INFINITY;
  let reported = -1;
  let assessed = -1;
  let assessFrom = 0;
  const report = (): void => {
    const { seq, version } = follower;
    port.postMessage({ type: "progress", seq, version, behind: follower.behind() } satisfies FromAnalysis);
    [reportedAt, reported] = [performance.now(), version];
  };
  while (!stop.signal.aborted) {
    // Removed by a person, or because whoever reads it has found it damaged: what is written now nobody would see.
    if (fileOf(path) !== file) throw new TrustixError("STATE_CORRUPT", `${path} is gone: it is made again`);
    if (quarantine !== undefined) {
      follower.setQuarantine(quarantine);
      quarantine = undefined;
    }
    const isBusy = await follower.step(pause);
    const { version } = follower;
    if (version !== reported && (!isBusy || performance.now() >= reportedAt + REPORT_MS)) report();
    if (version !== assessed && !follower.isStartingOver && performance.now() >= assessFrom) {
      const startMs = performance.now();
      const away = follower.sources.away();
      const assessment = await assess(
        follower.database,
        { atMs: Date.now(), version, storeDir, away },
        pause,
      );
      if (assessment !== undefined)
        port.postMessage({ type: "assessment", assessment } satisfies FromAnalysis);
      assessed = version;
      assessFrom = performance.now() + ASSESS_SHARE * (performance.now() - startMs);
    } else if (!isBusy) await setTimeout(IDLE_MS, undefined, { signal: stop.signal }).catch(() => {});
  }
}

giveWay();
try {
  await run();
} catch (error) {
  if (isDamage(error)) removeIfDamaged(task.analysisPath);
  throw error;
}
port.close();
