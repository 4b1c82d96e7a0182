// What analysis costs: mirroring logs with the follower running beside it, against without it, in turn; how long until it has
// caught up, and how much room its database takes.
//
//     node --conditions=@trustix/source bench/analyse.ts [PATHS] [BUILDERS] [ROUNDS]

import { mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { ANALYSIS_FILE, openAnalysisReader } from "trustix/src/analyse/analysis-database.ts";
import { Analysis } from "trustix/src/daemon/analysis.ts";
import { ClaimReader } from "trustix/src/subscribe/claim-reader.ts";
import type { LogSubscription } from "trustix/src/subscribe/options.ts";
import { Subscriptions } from "trustix/src/subscribe/subscriptions.ts";
import { startBuilderLog } from "./lib/builder-log.ts";

const paths = Number(process.argv[2] ?? 1_000_000);
const builders = Number(process.argv[3] ?? 4);
const rounds = Number(process.argv[4] ?? 2);

const quiet = { debug() {}, info() {}, warn: console.error, error: console.error };

/** Mirrors the newest of the logs; with analysis also until it has caught up. Times in milliseconds. */
async function mirror(
  directory: string,
  logs: readonly LogSubscription[],
  isAnalysed: boolean,
): Promise<{ readonly ingestMs: number; readonly caughtUpMs: number }> {
  await using stack = new AsyncDisposableStack();
  const start = performance.now();
  // Only the newest log is there any more: the others are as read.
  const subscriptions = stack.use(
    await Subscriptions.open({ directory, logs: [...logs], mirrorLimits: { pollIntervalMs: 3_600_000 } }),
  );
  if (isAnalysed) {
    const { path: claimsPath, logs: followed, trimFeed } = subscriptions.claims;
    const analysisPath = join(directory, ANALYSIS_FILE);
    const task = { claimsPath, analysisPath, storeDir: "/nix/store", logs: followed };
    const wait = (ms: number, signal?: AbortSignal) => sleep(ms, undefined, signal && { signal });
    stack.use(new Analysis({ task, logger: quiet, sleep: wait, trimFeed }));
  }
  while (subscriptions.status().at(-1)!.health !== "ok") await sleep(10);
  const ingestMs = performance.now() - start;
  if (isAnalysed) {
    using claims = new ClaimReader(subscriptions.claims.path);
    const { newest } = claims.feedSpan();
    while (!hasSeen(join(directory, ANALYSIS_FILE), newest)) await sleep(20);
  }
  return { ingestMs, caughtUpMs: performance.now() - start };
}

/** Whether the analysis is up to date with a place in the claim store's change feed. */
function hasSeen(analysisPath: string, seq: number): boolean {
  using database = openAnalysisReader(analysisPath);
  const row = database?.prepare("SELECT seq, cursor FROM progress").get();
  return row !== undefined && row.cursor === null && (row.seq as number) >= seq;
}

const root = mkdtempSync(join(tmpdir(), "bench-analyse-"));
const rssMiB = () => Math.round(process.memoryUsage.rss() / 2 ** 20);
const sizeMiB = (file: string) => Math.round(statSync(file).size / 2 ** 20);
const totals = { bare: 0, analysed: 0 };
try {
  const directories = Array.from({ length: rounds }, (_, round) => ({
    bare: join(root, `bare-${round}`),
    analysed: join(root, `analysed-${round}`),
  }));
  const logs: LogSubscription[] = [];
  console.log(`${paths} paths, ${builders} builders, ${rounds} rounds`);
  for (let builder = 0; builder < builders; builder++) {
    await using log = await startBuilderLog(builder, paths);
    const { address, origin, key } = log;
    const name = `builder ${builder}`;
    logs.push({ name, operator: name, address, origin, key });
    for (const [round, { bare, analysed }] of directories.entries()) {
      const order = round % 2 === 0 ? ([false, true] as const) : ([true, false] as const);
      for (const isAnalysed of order) {
        const { ingestMs, caughtUpMs } = await mirror(isAnalysed ? analysed : bare, logs, isAnalysed);
        totals[isAnalysed ? "analysed" : "bare"] += ingestMs;
        const rate = Math.round((1000 * paths) / ingestMs).toLocaleString("en");
        const caughtUp = isAnalysed
          ? `, caught up ${((caughtUpMs - ingestMs) / 1000).toFixed(1)} s later`
          : "";
        console.log(
          `log ${builder + 1}, round ${round + 1}, ${isAnalysed ? "analysed" : "bare"}: ${rate} claims/s${caughtUp}, RSS ${rssMiB()} MiB`,
        );
      }
    }
  }
  const slower = (100 * (totals.analysed - totals.bare)) / totals.bare;
  console.log(`ingest is ${slower.toFixed(1)} % slower with analysis (goal: 15 % at most)`);
  const { analysed } = directories[0]!;
  console.log(
    `claims.db ${sizeMiB(join(analysed, "claims.db"))} MiB, analysis.db ${sizeMiB(join(analysed, ANALYSIS_FILE))} MiB`,
  );
} finally {
  rmSync(root, { recursive: true });
}
