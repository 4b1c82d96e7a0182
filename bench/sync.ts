// Mirroring a log: verified and indexed claims per second, against fetching the same files and hashing them; then how fast
// a node that mirrors several logs starts and answers.
//
//     node --conditions=@trustix/source bench/sync.ts [CLAIMS] [LOGS]
//
// The log is served from memory by a process of its own over loopback; see `lib/builder-log.ts`.

import { fork } from "node:child_process";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { bundlePath, TILE_WIDTH } from "@trustix/tlog";
import { openPeer } from "trustix/src/fetch/peer.ts";
import type { LogSubscription } from "trustix/src/subscribe/options.ts";
import type { Subject } from "trustix/src/subscribe/subject.ts";
import { Subscriptions } from "trustix/src/subscribe/subscriptions.ts";
import { hashPart, startBuilderLog } from "./lib/builder-log.ts";

const claims = Number(process.argv[2] ?? 1_000_000);
const logs = Number(process.argv[3] ?? 4);

async function main(): Promise<void> {
  const root = mkdtempSync(join(tmpdir(), "bench-sync-"));
  const directory = join(root, "state");
  const subscriptions: LogSubscription[] = [];
  console.log(`${claims} claims, ${logs} logs of nearly the same claims`);
  try {
    for (let builder = 0; builder < logs; builder++) {
      await using log = await startBuilderLog(builder, claims);
      const { address, origin, key } = log;
      const name = `builder ${builder}`;
      subscriptions.push({ name, operator: name, address, origin, key });
      const bareMs = builder === 0 ? await bareDownload(address) : undefined;
      await sync(directory, subscriptions, bareMs);
    }
    console.log(`database ${Math.round(statSync(join(directory, "claims.db")).size / 2 ** 20)} MiB`);
    // In a process of its own, as after a restart.
    const task = JSON.stringify({ directory, subscriptions });
    await once(
      fork(import.meta.filename, process.argv.slice(2), { env: { ...process.env, LOOK_UP: task } }),
      "exit",
    );
  } finally {
    rmSync(root, { recursive: true });
  }
}

/** Fetches the bundles by four and hashes the bytes: what no reader can do without. */
async function bareDownload(address: string): Promise<number> {
  await using peer = openPeer(address);
  const start = performance.now();
  const indices = Array.from({ length: Math.ceil(claims / TILE_WIDTH) }, (_, i) => i).values();
  let bytes = 0;
  const run = async () => {
    for (const index of indices) {
      const width = Math.min(TILE_WIDTH, claims - index * TILE_WIDTH);
      const body = (await peer.fetch(bundlePath({ index, width }), { maxBytes: 1 << 25 }))!;
      createHash("sha256").update(body).digest();
      bytes += body.length;
    }
  };
  await Promise.all([run(), run(), run(), run()]);
  const ms = performance.now() - start;
  console.log(`bare download and SHA-256: ${rate(ms)} claims/s, ${Math.round(bytes / claims)} bytes each`);
  return ms;
}

async function sync(
  directory: string,
  all: readonly LogSubscription[],
  bareMs: number | undefined,
): Promise<void> {
  const start = performance.now();
  const cpuBefore = process.cpuUsage();
  let worstDelayMs = 0;
  let previous = start;
  const beat = setInterval(() => {
    worstDelayMs = Math.max(worstDelayMs, performance.now() - previous - 5);
    previous = performance.now();
  }, 5);
  await using subscriptions = await Subscriptions.open({ directory, logs: all.slice(-1) });
  while (true) {
    const [status] = subscriptions.status();
    if (status!.health === "ok") break;
    if (status!.health === "failing") throw new Error(status!.lastError!.message);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  const ms = performance.now() - start;
  clearInterval(beat);
  const cpu = process.cpuUsage(cpuBefore);
  const cpuMicros = (cpu.user + cpu.system) / claims;
  const ratio = bareMs === undefined ? "" : `, ${(bareMs / ms).toFixed(2)} of bare`;
  console.log(
    `log ${all.length}: ${rate(ms)} claims/s${ratio}, CPU ${cpuMicros.toFixed(1)} µs each, RSS ${Math.round(process.memoryUsage.rss() / 2 ** 20)} MiB, longest block ${Math.round(worstDelayMs)} ms`,
  );
}

async function lookUp(directory: string, logs: readonly LogSubscription[]): Promise<void> {
  const subject = (n: number): Subject => ({ protocol: "nix", hashPart: hashPart(n) });
  const start = performance.now();
  await using subscriptions = await Subscriptions.open({ directory, logs });
  const [first] = await subscriptions.ask(subject(1));
  console.log(`start to first answer: ${(performance.now() - start).toFixed(1)} ms (${first!.answer.kind})`);
  const count = 20_000;
  const times = new Float64Array(count);
  for (let i = 0; i < count; i++) {
    const asked = subject(Math.floor(Math.random() * claims));
    const begin = performance.now();
    const answers = await subscriptions.ask(asked);
    times[i] = performance.now() - begin;
    if (answers.some(({ answer }) => answer.kind !== "claims")) throw new Error("a claim was not found");
  }
  times.sort();
  const at = (q: number) => `${(1000 * times[Math.floor(q * (count - 1))]!).toFixed(0)} µs`;
  console.log(
    `look-up p50 ${at(0.5)}, p99 ${at(0.99)}, max ${at(1)}; RSS ${Math.round(process.memoryUsage.rss() / 2 ** 20)} MiB`,
  );
}

function rate(ms: number): string {
  return Math.round((1000 * claims) / ms).toLocaleString("en");
}

const { LOOK_UP: task } = process.env;
if (task !== undefined) {
  const { directory, subscriptions } = JSON.parse(task);
  await lookUp(directory, subscriptions);
} else await main();
