// The API of paths and builders at full size: how long a question takes, alone, while a report over everything runs, and
// while claims come in.
//
//     node --conditions=@trustix/source bench/insight-api.ts [PATHS] [BUILDERS] [CLIENTS] [SECONDS] [DIRECTORY]
//
// The writer of claims, the follower, the queries and the public listener are those of a node, in their threads. Clients
// are in a process of their own; each asks one question after the other over a connection that stays. In DIRECTORY the
// databases are kept for the next run.

import { fork } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, mkdtempSync, rmSync, statSync } from "node:fs";
import { Agent, request } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { ANALYSIS_FILE, openAnalysisReader } from "trustix/src/analyse/analysis-database.ts";
import { Analysis } from "trustix/src/daemon/analysis.ts";
import { Insight } from "trustix/src/daemon/insight.ts";
import { openPublicPages } from "trustix/src/daemon/public-pages.ts";
import { openListener } from "trustix/src/http/bind.ts";
import { createPublicServer } from "trustix/src/http/public-server.ts";
import { RateLimiter } from "trustix/src/http/rate-limit.ts";
import { ClaimStore } from "trustix/src/subscribe/claim-store.ts";
import { packClaims } from "trustix/src/subscribe/claim-writer.ts";
import { claimOn, fillClaims, logIdentity, pathHash } from "./lib/claim-fill.ts";

const paths = Number(process.argv[2] ?? 1_000_000);
const builders = Number(process.argv[3] ?? 4);
const clients = Number(process.argv[4] ?? 4);
const seconds = Number(process.argv[5] ?? 10);
const kept = process.argv[6];

/** The questions of one kind, by number. */
const QUESTIONS: Readonly<Record<string, (i: number) => string>> = {
  overview: () => "overview",
  builders: () => "builders",
  "first page": () => "paths",
  "search: a package": (i) => `paths?q=linux${i % 100}-`,
  "search: a frequent part": () => "paths?q=python",
  "search: one letter": (i) => `paths?q=${"abcdefghijklmnopqrstuvwxyz"[i % 26]}`,
  "search: nothing": (i) => `paths?q=nowhere${i}`,
  "search: rare end of a name": (i) => `paths?q=${(i % 8) + 0}.3.96`,
  "search: filters": (i) =>
    `paths?q=o&status=disputed&system=aarch64-linux&operator=builder${i % 4}&outlier=true`,
  "search: filters that nothing passes": () => "paths?q=l&kind=conflicting",
  "search: newest change": () => "paths?q=e&sort=changed",
  "search: newest change, nothing": (i) => `paths?q=nowhere${i}&sort=changed`,
  "list: newest disputes": () => "paths?status=disputed&sort=changed",
  path: (i) => `paths/${pathHash((i * 7919) % paths)}`,
};

interface Timing {
  readonly count: number;
  readonly p50: number;
  readonly p99: number;
  readonly worst: number;
}

/** Asks for a while, and tells how long each kind of question took. */
async function ask(port: number): Promise<Record<string, Timing>> {
  const times = new Map(Object.keys(QUESTIONS).map((kind) => [kind, [] as number[]]));
  const kinds = Object.entries(QUESTIONS);
  const endMs = performance.now() + seconds * 1000;
  await Promise.all(
    Array.from({ length: clients }, async (_, client) => {
      const agent = new Agent({ keepAlive: true, maxSockets: 1 });
      for (let i = client; performance.now() < endMs; i += clients) {
        const [kind, question] = kinds[i % kinds.length]!;
        const start = performance.now();
        const sent = request({ port, host: "127.0.0.1", path: `/api/v1/${question(i)}`, agent }).end();
        const [response] = await once(sent, "response");
        if (response.statusCode !== 200) throw new Error(`${response.statusCode} for ${question(i)}`);
        response.resume();
        await once(response, "end");
        times.get(kind)!.push(performance.now() - start);
      }
      agent.destroy();
    }),
  );
  return Object.fromEntries(
    Array.from(times, ([kind, all]) => {
      const sorted = all.toSorted((a, b) => a - b);
      const at = (share: number) => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))]!;
      return [kind, { count: sorted.length, p50: at(0.5), p99: at(0.99), worst: sorted.at(-1)! }];
    }),
  );
}

async function askFromOutside(port: number, title: string): Promise<void> {
  const child = fork(import.meta.filename, process.argv.slice(2), {
    env: { ...process.env, ASK_PORT: `${port}` },
  });
  const [times] = (await once(child, "message")) as [Record<string, Timing>];
  await once(child, "exit");
  console.log(
    `\n### ${title}\n\n| question | answers | p50 ms | p99 ms | worst ms |\n|---|---:|---:|---:|---:|`,
  );
  for (const [kind, { count, p50, p99, worst }] of Object.entries(times)) {
    console.log(`| ${kind} | ${count} | ${p50.toFixed(1)} | ${p99.toFixed(1)} | ${worst.toFixed(1)} |`);
  }
}

const quiet = { debug() {}, info() {}, warn: console.error, error: console.error };
const MiB = (bytes: number): string => `${Math.round(bytes / 2 ** 20)} MiB`;
const inSeconds = (startMs: number): string => `${((performance.now() - startMs) / 1000).toFixed(1)} s`;

async function until(isDone: () => boolean): Promise<void> {
  while (!isDone()) await sleep(50);
}

/** Whether the analysis has taken in all that is in the claim store. */
function isCaughtUp(analysisPath: string): boolean {
  using database = openAnalysisReader(analysisPath);
  return database?.prepare("SELECT cursor FROM progress").get()?.cursor === null;
}

async function main(directory: string): Promise<void> {
  console.log(`${paths} paths, ${builders} builders, ${clients} clients, ${seconds} s`);
  const claimsPath = join(directory, "claims.db");
  const analysisPath = join(directory, ANALYSIS_FILE);
  let start = performance.now();
  if (!existsSync(analysisPath)) {
    fillClaims(claimsPath, paths, builders);
    console.log(`claims are written after ${inSeconds(start)}: ${MiB(statSync(claimsPath).size)}`);
  }
  await using stack = new AsyncDisposableStack();
  const store = stack.use(await ClaimStore.open(claimsPath));
  const states = [];
  for (let builder = 0; builder < builders; builder++) states.push(await store.log(logIdentity(builder)));
  const names = states.map((_, builder) => `builder${builder}`);
  const logs = states.map(({ id }, i) => ({ log: id, operator: names[i]!, subscription: names[i]! }));
  const task = { claimsPath, analysisPath, storeDir: "/nix/store", logs };
  const wait = (ms: number, signal?: AbortSignal) => sleep(ms, undefined, signal && { signal });
  start = performance.now();
  stack.use(new Analysis({ task, logger: quiet, sleep: wait, trimFeed: (seq) => store.trimFeed(seq) }));
  await until(() => isCaughtUp(analysisPath));
  console.log(`analysis has caught up after ${inSeconds(start)}: ${MiB(statSync(analysisPath).size)}`);
  const subscriptions = names.map((name) => ({ name, operator: name, isSigned: false }));
  const rssBefore = process.memoryUsage.rss();
  start = performance.now();
  const data = { claimsPath, analysisPath, storeDir: "/nix/store", operators: names, subscriptions };
  const insight = stack.use(new Insight(data, quiet));
  await insight.overview();
  console.log(
    `the first answer comes after ${inSeconds(start)}, memory +${MiB(process.memoryUsage.rss() - rssBefore)}`,
  );

  const { routes, app } = await openPublicPages({
    parts: {
      logs: new Map(),
      insight,
      status: () => ({}),
      limiter: new RateLimiter(1, Date.now),
      signal: new AbortController().signal,
      onError: console.error,
    },
    hosts: [],
    isOpen: false,
  });
  stack.defer(async () => void (await app.close()));
  const listener = stack.use(
    await openListener([{ kind: "tcp", host: "127.0.0.1", port: 0 }], {
      createServer: () => createPublicServer({ routes, maxConnections: 1024 }),
      graceMs: 1000,
    }),
  );
  const [address] = listener.addresses;
  const port = address?.kind === "tcp" ? address.port : 0;

  await askFromOutside(port, "nothing else");
  await during(
    async (signal) => {
      const list = Array.from({ length: Math.min(paths, 100_000) }, (_, n) => pathHash(n));
      for (let i = 0; !signal.aborted; i++) {
        const startMs = performance.now();
        await insight.report(i % 2 === 0 ? { name: "*a*", list: 100 } : { paths: list, list: 100 }, signal);
        if (i < 2) console.log(`report over ${i === 0 ? "a glob" : "a list"} takes ${inSeconds(startMs)}`);
      }
    },
    () => askFromOutside(port, "while reports are made, one after the other"),
  );
  await during(
    async (signal) => {
      let { id, nextIndex } = await store.log(logIdentity(0));
      for (let n = paths + nextIndex; !signal.aborted; n += 2000) {
        const claims = Array.from({ length: 2000 }, (_, i) => claimOn(n + i, 0, builders, nextIndex + i));
        const batch = {
          startIndex: nextIndex,
          nextIndex: nextIndex + 2000,
          unreadable: 0,
          seenAtMs: Date.now(),
        };
        await store.append(id, { ...batch, parts: [packClaims(claims)] });
        nextIndex += 2000;
        await sleep(200, undefined, { signal }).catch(() => {});
      }
    },
    () => askFromOutside(port, "while 10,000 claims come in each second"),
  );
}

/** Does something in the background of something else. */
async function during(
  background: (signal: AbortSignal) => Promise<void>,
  work: () => Promise<void>,
): Promise<void> {
  const stop = new AbortController();
  const running = background(stop.signal).catch((error: unknown) => {
    if (!stop.signal.aborted) throw error;
  });
  await work();
  stop.abort();
  await running;
}

const { ASK_PORT } = process.env;
if (ASK_PORT !== undefined) {
  process.send!(await ask(Number(ASK_PORT)));
} else if (kept !== undefined) {
  mkdirSync(kept, { recursive: true });
  await main(kept);
} else {
  const directory = mkdtempSync(join(tmpdir(), "bench-insight-"));
  try {
    await main(directory);
  } finally {
    rmSync(directory, { recursive: true });
  }
}
