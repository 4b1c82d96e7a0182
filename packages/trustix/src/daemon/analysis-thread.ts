// The thread of the analysis: follows the claims, and assesses builders when something has changed. It gives way to all
// other threads: users wait for them, and nobody for this one.

import { setImmediate, setTimeout } from "node:timers/promises";
import { parentPort, workerData } from "node:worker_threads";
import { removeIfDamaged } from "../analyse/analysis-database.ts";
import { type Assessment, assess } from "../analyse/assessment.ts";
import { Follower } from "../analyse/follower.ts";
import type { Quarantined, SourceLog } from "../analyse/sources.ts";
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

/** SQLITE_CORRUPT and SQLITE_NOTADB, of either database. */
function isDamage(error: unknown): boolean {
  return error instanceof Error && "errcode" in error && (error.errcode === 11 || error.errcode === 26);
}

async function pause(): Promise<boolean> {
  await setImmediate();
  return !stop.signal.aborted;
}

async function run(): Promise<void> {
  using claims = new ClaimReader(task.claimsPath);
  const { analysisPath: path, logs, storeDir } = task;
  using follower = Follower.open({ path, claims, logs, now: Date.now });
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
