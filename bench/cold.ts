// How long the first question about a path takes at a user's node that mirrors four logs and has two caches, all of them 20 ms
// away: against 20 ms times the round trips that it needs, and against asking one of the caches directly.
//
//     node --conditions=@trustix/source bench/cold.ts [--paths 400] [--away 20] [--json FILE]
//
// Logs are mirrored before they are asked, so a path costs one round trip: the narinfo of the caches, asked both at once.
// Where the caches vote, too, that is asked for at the same time.

import { writeFileSync } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { Agent, get, type RequestListener } from "node:http";
import type { Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { parseArgs } from "node:util";
import {
  createSigner,
  formatFingerprint,
  formatNarInfo,
  formatPublicKey,
  generateKey,
  parseFingerprint,
  publicKeyOf,
} from "@trustix/nix";
import { createCacheKey } from "trustix/src/cli/keys.ts";
import { listenTo, NODE } from "trustix/src/daemon/nodes.test.util.ts";
import {
  sampleEntries,
  sampleHashPart,
  sampleStatement,
  TestLog,
  TestServer,
} from "trustix/src/subscribe/test-log.test.util.ts";
import { serve } from "trustix/src/substitute/caches.test.util.ts";
import { eventually, HERE, startDaemon } from "../e2e/node.ts";

const { values } = parseArgs({
  options: {
    paths: { type: "string", default: "400" },
    away: { type: "string", default: "20" },
    json: { type: "string" },
  },
});
const paths = Number(values.paths);
/** A round trip to every log and cache. */
const awayMs = Number(values.away);

/** When the client of a connection can have heard that it was accepted. */
const openAtMs = new WeakMap<Socket, number>();

/** Answers as from afar: each answer, and the begin of each connection, takes a round trip. */
function afar(listener: RequestListener): RequestListener {
  return (request, response) => {
    const nowMs = performance.now();
    const { socket } = request;
    if (!openAtMs.has(socket)) openAtMs.set(socket, nowMs + awayMs);
    const answerAtMs = Math.max(nowMs, openAtMs.get(socket)!) + awayMs;
    setTimeout(() => listener(request, response), answerAtMs - nowMs);
  };
}

const cacheKey = await generateKey("cache-1", new Uint8Array(32).fill(5));
const signer = await createSigner(cacheKey);

/** A cache with narinfos of all sample paths. */
async function startCache() {
  const files = new Map([["/nix-cache-info", "StoreDir: /nix/store\n"]]);
  for (let n = 0; n < paths; n++) {
    const facts = parseFingerprint(sampleStatement(n));
    const signatures = [await signer.sign(formatFingerprint(facts))];
    const url = `nar/${sampleHashPart(n)}.nar`;
    files.set(
      `/${sampleHashPart(n)}.narinfo`,
      formatNarInfo({ ...facts, url, compression: "none", signatures }),
    );
  }
  return serve(
    afar((request, response) => {
      const text = files.get(request.url!);
      response.writeHead(text === undefined ? 404 : 200).end(text);
    }),
  );
}

const agent = new Agent({ keepAlive: true, maxSockets: 25 });

/** Asks for a narinfo; how long it took, in milliseconds. */
function time(url: string): Promise<number> {
  const startedMs = performance.now();
  return new Promise((resolve, reject) => {
    const request = get(url, { agent }, (response) => {
      response.resume().on("end", () => {
        if (response.statusCode === 200) resolve(performance.now() - startedMs);
        else reject(new Error(`${url}: ${response.statusCode} ${response.headers["trustix-reason"]}`));
      });
    });
    request.on("error", reject);
  });
}

/** Asks for the paths from one number to another, so many at a time. */
async function timeAll(root: string, from: number, to: number, connections: number): Promise<number[]> {
  const times: number[] = [];
  const numbers = Array.from({ length: to - from }, (_, i) => from + i).values();
  const run = async () => {
    for (const n of numbers) times.push(await time(`${root}/${sampleHashPart(n)}.narinfo`));
  };
  await Promise.all(Array.from({ length: connections }, run));
  return times;
}

interface Figures {
  readonly p50Ms: number;
  readonly p99Ms: number;
  /** Of them all, for one path after the other: what cannot be avoided. */
  readonly neededMs: number;
}

function figures(times: readonly number[], roundTrips: number): Figures {
  const sorted = times.toSorted((a, b) => a - b);
  const at = (q: number) => Number(sorted[Math.floor(q * (sorted.length - 1))]!.toFixed(1));
  return { p50Ms: at(0.5), p99Ms: at(0.99), neededMs: roundTrips * awayMs };
}

async function main(): Promise<void> {
  await using stack = new AsyncDisposableStack();
  const root = await mkdtemp(join(tmpdir(), "bench-cold-"));
  stack.defer(() => rm(root, { recursive: true }));
  stack.defer(() => agent.destroy());
  const builders = [];
  for (const name of ["alice", "bob", "chuck", "dan"]) {
    const log = await TestLog.create(`${name}.example/log`);
    await log.append(sampleEntries(0, paths));
    const server = stack.use(await TestServer.start(log.files));
    server.hook = (request, response, path) => {
      const bytes = server.files.get(path);
      afar(() => response.writeHead(bytes === undefined ? 404 : 200).end(bytes))(request, response);
      return true;
    };
    builders.push({ name, vkey: log.key, logUrl: `${server.address}/` });
  }
  const caches = [stack.use(await startCache()), stack.use(await startCache())];
  const results: Record<string, Figures> = {};

  const [cache] = caches;
  const direct = cache!.url.slice(0, -1);
  await timeAll(direct, 0, 1, 1);
  results["a cache, directly"] = figures(await timeAll(direct, 1, Math.min(paths, 100), 1), 1);

  const { secret } = await createCacheKey("user-1");
  await writeFile(join(root, "user.key"), secret, { mode: 0o600 });
  const upstreams = caches.map(({ url }, i) => `[[upstream]]\nname = "cache-${i}"\nurl = "${url}"\n`);
  const voters = caches.map(
    ({ url }, i) =>
      `[[operator]]\nname = "voter-${i}"\n[[subscription]]\nname = "voter-${i}"\noperator = "voter-${i}"\nurl = "${url}"\npublic-keys = ["${formatPublicKey(publicKeyOf(cacheKey))}"]\n`,
  );
  for (const [what, more, threshold] of [
    ["four logs vote", "", 3],
    ["four logs and both caches vote", voters.join(""), 5],
  ] as const) {
    const directory = await mkdtemp(join(root, "user-"));
    const text = `${NODE}${listenTo(builders)}${more}[policy]\nthreshold = ${threshold}
[substitute]\nenabled = true\nkey-file = "../user.key"\n${upstreams.join("")}`;
    await writeFile(join(directory, "trustix.toml"), text);
    // A process that has just started, but for its index: it knows no path and has no connection.
    await using first = await startDaemon(HERE, directory);
    await eventually(
      () => trySample(first.url),
      (status) => status === 200,
    );
    await first.end("SIGTERM");
    await using node = await startDaemon(HERE, directory);
    await sleep(500);
    const names = [`${what}: first of all`, `${what}: one by one`, `${what}: 25 at a time`];
    // A connection and the cache's nix-cache-info come before it.
    results[names[0]!] = figures(await timeAll(node.url, 0, 1, 1), 3);
    results[names[1]!] = figures(await timeAll(node.url, 1, paths >> 1, 1), 1);
    results[names[2]!] = figures(await timeAll(node.url, paths >> 1, paths, 25), 1);
  }
  console.table(results);
  if (values.json) writeFileSync(values.json, `${JSON.stringify(results, undefined, 2)}\n`);
}

/** The status of the last path's narinfo: 200 once all logs are read. */
async function trySample(url: string): Promise<number> {
  const response = await fetch(`${url}/${sampleHashPart(paths - 1)}.narinfo`);
  await response.arrayBuffer();
  return response.status;
}

await main();
