// Mirroring a log: verified and indexed claims per second, against fetching the same files and hashing them; then how fast
// a node that mirrors several logs starts and answers.
//
//     node --conditions=@trustix/source bench/sync.ts [CLAIMS] [LOGS]
//
// The log is served from memory by a process of its own over loopback. Its claims look like those of nixpkgs: five
// references on average, a deriver and attributes.

import { fork } from "node:child_process";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { mkdtempSync, rmSync, statSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { formatNixEntry, parseFingerprint } from "@trustix/nix";
import {
  bundlePath,
  createPrivateKey,
  createSigner,
  deriveVerifierKey,
  encodeUtf8,
  formatCheckpoint,
  formatVerifierKey,
  KEY_TYPE_ED25519,
  signNote,
  TILE_WIDTH,
  TreeBuilder,
} from "@trustix/tlog";
import { openPeer } from "trustix/src/fetch/peer.ts";
import type { LogSubscription } from "trustix/src/subscribe/options.ts";
import { type Subject, Subscriptions } from "trustix/src/subscribe/subscriptions.ts";

const claims = Number(process.argv[2] ?? 1_000_000);
const logs = Number(process.argv[3] ?? 4);
const ALPHABET = "0123456789abcdfghijklmnpqrsvwxyz";

function nix32(text: string, length: number): string {
  const digest = createHash("sha512").update(text).digest();
  return Array.from({ length }, (_, i) => ALPHABET[digest[i]! % 32]).join("");
}

const hashPart = (n: number): string => nix32(`path ${n}`, 32);

/** One path in a hundred differs between builders. */
function entry(n: number, builder: number): Uint8Array {
  const path = (i: number) => `/nix/store/${hashPart(i)}-package-${i}-1.0`;
  const references = [
    ...new Set(Array.from({ length: n % 11 }, (_, i) => path(Math.floor((n * (i + 1)) / 12)))),
  ].sort();
  const output = n % 100 === 0 ? `nar ${n} ${builder}` : `nar ${n}`;
  const statement = `1;${path(n)};sha256:0${nix32(output, 51)};${1000 + n};${references.join(",")}`;
  const deriver = `/nix/store/${nix32(`drv ${n}`, 32)}-package-${n}-1.0.drv`;
  return formatNixEntry(parseFingerprint(statement), {
    deriver: deriver as never,
    system: "x86_64-linux",
    kind: "built",
  });
}

/** In a process of its own: makes a log and serves it. */
async function serve(builder: number): Promise<void> {
  const origin = `builder${builder}.example/log`;
  const key = await createPrivateKey(origin, KEY_TYPE_ED25519);
  const files = new Map<string, Uint8Array>();
  const tree = TreeBuilder.empty();
  for (let start = 0; start < claims; start += 1 << 15) {
    const end = Math.min(claims, start + (1 << 15));
    const batch = Array.from({ length: end - start }, (_, i) => entry(start + i, builder));
    for (const { path, bytes } of tree.append(batch).files) files.set(path, bytes);
  }
  const checkpoint = formatCheckpoint({ origin, size: claims, root: tree.root(), extensions: [] });
  files.set("checkpoint", encodeUtf8(await signNote(checkpoint, [await createSigner(key)])));
  const server = createServer((request, response) => {
    const bytes = files.get(request.url!.slice(1));
    response
      .writeHead(bytes === undefined ? 404 : 200, bytes && { "content-length": bytes.length })
      .end(bytes);
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  process.send!({ origin, key: formatVerifierKey(await deriveVerifierKey(key)), address });
  process.on("disconnect", () => process.exit());
}

async function main(): Promise<void> {
  const root = mkdtempSync(join(tmpdir(), "bench-sync-"));
  const directory = join(root, "state");
  const subscriptions: LogSubscription[] = [];
  console.log(`${claims} claims, ${logs} logs of nearly the same claims`);
  try {
    for (let builder = 0; builder < logs; builder++) {
      const server = fork(import.meta.filename, process.argv.slice(2), {
        env: { ...process.env, SERVE: `${builder}` },
      });
      const [log] = (await once(server, "message")) as [{ address: string; origin: string; key: string }];
      try {
        const name = `builder ${builder}`;
        subscriptions.push({ name, operator: name, ...log });
        const bareMs = builder === 0 ? await bareDownload(log.address) : undefined;
        await sync(directory, subscriptions, bareMs);
      } finally {
        server.disconnect();
        await once(server, "exit");
      }
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

const { SERVE: builder, LOOK_UP: task } = process.env;
if (builder !== undefined) await serve(Number(builder));
else if (task !== undefined) {
  const { directory, subscriptions } = JSON.parse(task);
  await lookUp(directory, subscriptions);
} else await main();
