// How fast a builder's log takes and publishes claims, and what that costs.
//
//     node --conditions=@trustix/source bench/publish.ts [--claims 500000] [--directory DIR] [--json FILE]
//
// The baseline is the least that durability costs: the same bytes appended to one file, with an fdatasync for each 4,096
// claims. Claims are entries of the protocol `nix`, about 310 bytes, each of another store path.

import { randomBytes } from "node:crypto";
import {
  closeSync,
  fdatasyncSync,
  mkdtempSync,
  openSync,
  readdirSync,
  rmSync,
  statSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { parseArgs } from "node:util";
import { setFlagsFromString } from "node:v8";
import { nixProtocol } from "@trustix/nix";
import { createPrivateKey, createSigner, KEY_TYPE_ED25519 } from "@trustix/tlog";
import { TrustixError } from "trustix/src/errors.ts";
import { PublishedLog } from "trustix/src/log/published-log.ts";

// V8 lets the space for short-lived objects grow to three times 16 MiB and more, for no gain in speed here: 350 MiB instead
// of 240. The daemon is to start with the same two flags.
setFlagsFromString("--semi-space-growth-factor=1");
setFlagsFromString("--max-semi-space-size=4");

const ORIGIN = "bench.example/log";
const ALPHABET = Buffer.from("0123456789abcdfghijklmnpqrsvwxyz");

/** Pseudo-random nix32 characters in one pool, which each entry reads at another place. */
const pool = randomBytes(1 << 20).map((byte) => ALPHABET[byte & 31]!);
let poolAt = 0;

function nix32(length: number): string {
  if (poolAt + length > pool.length) {
    pool.set(randomBytes(1 << 20).map((byte) => ALPHABET[byte & 31]!));
    poolAt = 0;
  }
  poolAt += length;
  return Buffer.from(pool.buffer, pool.byteOffset + poolAt - length, length).toString("latin1");
}

let made = 0;
function makeEntry(): Uint8Array {
  const hash = nix32(32);
  const statement = `1;/nix/store/${hash}-package-${made++ % 1000}.${made % 7};sha256:0${nix32(51)};${made};/nix/store/0${nix32(31)}-glibc-2.40-66,/nix/store/1${nix32(31)}-zlib-1.3.1`;
  return Buffer.from(
    `${statement}\nderiver ${nix32(32)}-package-2.12.1.drv\nsystem x86_64-linux\nkind built\n`,
  );
}

function bytesOnDisk(directory: string): number {
  let bytes = 0;
  for (const entry of readdirSync(directory, { recursive: true, withFileTypes: true })) {
    if (entry.isFile()) bytes += statSync(join(entry.parentPath, entry.name)).blocks * 512;
  }
  return bytes;
}

const percentile = (sorted: readonly number[], p: number) =>
  sorted[Math.floor((sorted.length - 1) * p)] ?? Number.NaN;
const rssMiB = () => process.memoryUsage.rss() / 2 ** 20;

/** Claims a second when appended to a plain file. */
function appendBaseline(directory: string, claims: number): number {
  const file = openSync(join(directory, "baseline"), "w");
  let elapsedMs = 0;
  for (let done = 0; done < claims; done += 4096) {
    const bytes = Buffer.concat(Array.from({ length: 2048 }, makeEntry));
    const start = performance.now();
    writeSync(file, bytes);
    fdatasyncSync(file);
    elapsedMs += performance.now() - start;
  }
  closeSync(file);
  return claims / (elapsedMs / 1000);
}

interface Window {
  readonly claims: number;
  readonly claimsPerSecond: number;
  readonly cpuMicrosecondsPerClaim: number;
  readonly rssMiB: number;
}

/** Submits as fast as the log takes it until `total` are published; one window for each step reached. */
async function sustain(log: PublishedLog, total: number, steps: readonly number[]): Promise<Window[]> {
  const windows: Window[] = [];
  let submitted = log.published().size;
  const submitter = async () => {
    while (submitted < total) {
      submitted++;
      const entry = makeEntry();
      for (;;) {
        try {
          await log.submit(entry);
          break;
        } catch (error) {
          if (!(error instanceof TrustixError) || error.code !== "PUSHBACK") throw error;
          await setTimeout(error.retryAfterMs);
        }
      }
    }
  };
  const submitters = Array.from({ length: 2048 }, submitter);
  let from = log.published().size;
  let startMs = performance.now();
  let cpu = process.cpuUsage();
  for (const step of steps) {
    const { size } = await log.whenPublished(step - 1);
    const used = process.cpuUsage(cpu);
    const claims = size - from;
    windows.push({
      claims: size,
      claimsPerSecond: claims / ((performance.now() - startMs) / 1000),
      cpuMicrosecondsPerClaim: (used.user + used.system) / claims,
      rssMiB: rssMiB(),
    });
    from = size;
    startMs = performance.now();
    cpu = process.cpuUsage();
  }
  await Promise.all(submitters);
  return windows;
}

/** Times from submit to published, in milliseconds, sorted, at a steady rate. */
async function latencies(log: PublishedLog, perSecond: number, seconds: number): Promise<number[]> {
  const times: number[] = [];
  const running: Promise<void>[] = [];
  const startMs = performance.now();
  for (let done = 0; done < perSecond * seconds; ) {
    const due = Math.min(perSecond * seconds, Math.floor(((performance.now() - startMs) / 1000) * perSecond));
    for (; done < due; done++) {
      const submittedMs = performance.now();
      const publish = async () => {
        const { index } = await log.submit(makeEntry());
        await log.whenPublished(index);
        times.push(performance.now() - submittedMs);
      };
      running.push(publish());
    }
    await setTimeout(1);
  }
  await Promise.all(running);
  return times.sort((a, b) => a - b);
}

const { values } = parseArgs({
  options: {
    claims: { type: "string", default: "500000" },
    directory: { type: "string", default: tmpdir() },
    json: { type: "string" },
  },
});
const total = Number(values.claims);
const directory = mkdtempSync(join(values.directory, "trustix-bench-"));
try {
  const key = await createPrivateKey(ORIGIN, KEY_TYPE_ED25519);
  const options = { origin: ORIGIN, directory: join(directory, "log") };
  const dependencies = { protocol: nixProtocol(), signer: await createSigner(key) };
  const log = await PublishedLog.open(options, dependencies);
  const idleRssMiB = rssMiB();
  const baseline = appendBaseline(directory, 65_536);
  const quiet = await latencies(log, 100, 10);
  const busy = await latencies(log, 1000, 10);
  const steps = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1].map((part) => Math.floor(part * total));
  const begin = performance.now();
  const sizeBefore = log.published().size;
  const windows = await sustain(log, total, steps);
  const sustained = (total - sizeBefore) / ((performance.now() - begin) / 1000);
  await log[Symbol.asyncDispose]();
  const perClaim = bytesOnDisk(options.directory) / total;
  const reopenStart = performance.now();
  await (await PublishedLog.open(options, dependencies))[Symbol.asyncDispose]();
  const result = {
    claims: total,
    baselineClaimsPerSecond: baseline,
    claimsPerSecond: sustained,
    ratioToBaseline: sustained / baseline,
    growthOfCpuCost: windows.at(-1)!.cpuMicrosecondsPerClaim / windows[0]!.cpuMicrosecondsPerClaim,
    growthOfTime: windows[0]!.claimsPerSecond / windows.at(-1)!.claimsPerSecond,
    submitToPublishedMs: {
      at100PerSecond: { p50: percentile(quiet, 0.5), p99: percentile(quiet, 0.99) },
      at1000PerSecond: { p50: percentile(busy, 0.5), p99: percentile(busy, 0.99) },
    },
    bytesOnDiskPerClaim: perClaim,
    rssMiB: { idle: idleRssMiB, highest: Math.max(...windows.map((window) => window.rssMiB)) },
    reopenMs: performance.now() - reopenStart,
    windows,
  };
  console.table(
    windows.map((window) => ({
      claims: window.claims,
      "claims/s": Math.round(window.claimsPerSecond),
      "CPU µs/claim": Number(window.cpuMicrosecondsPerClaim.toFixed(1)),
      "RSS MiB": Math.round(window.rssMiB),
    })),
  );
  const { windows: _, ...summary } = result;
  console.log(JSON.stringify(summary, undefined, 2));
  if (values.json) writeFileSync(values.json, `${JSON.stringify(result, undefined, 2)}\n`);
} finally {
  rmSync(directory, { recursive: true });
}
