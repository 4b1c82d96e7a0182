// Kills a node at random moments while it reads two growing logs, again and again, and checks each time that its index is
// exactly that of a node that has read as far without being killed.
//
//     node --conditions=@trustix/source e2e/subscribe-crash.ts [--rounds 200] [--seed N]

import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { setTimeout } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { encodeUtf8 } from "@trustix/tlog";
import { dumpClaims } from "trustix/src/subscribe/dump-claims.test.util.ts";
import type { LogSubscription } from "trustix/src/subscribe/options.ts";
import { Subscriptions } from "trustix/src/subscribe/subscriptions.ts";
import { sampleEntry, TestLog, TestServer } from "trustix/src/subscribe/test-log.test.util.ts";

/** Each log shows this many trees, one after the other, of so many more entries each. */
const STEPS = 8;
const STEP_ENTRIES = 3000;

/** What came out of a series of rounds. */
export interface SubscribeCrashReport {
  readonly rounds: number;
  /** Rounds in which the node was killed before it had read all there was. */
  readonly killedWithin: number;
  /** How often both logs were read to their end, and reading began anew. */
  readonly completed: number;
}

/** A log with all the trees that it will show. */
interface GrowingLog {
  readonly log: TestLog;
  readonly server: TestServer;
  readonly notes: readonly Uint8Array[];
}

async function growingLog(name: string, random: () => number): Promise<GrowingLog> {
  const log = await TestLog.create(`${name}.example/log`);
  const notes: Uint8Array[] = [];
  for (let step = 0; step < STEPS; step++) {
    // Paths that both logs have, statements that differ now and then, repetitions and garbage.
    const entries = Array.from({ length: STEP_ENTRIES - Math.floor(random() * 200) }, () => {
      if (random() < 0.02) return encodeUtf8("garbage\n");
      return sampleEntry(Math.floor(random() * STEPS * STEP_ENTRIES), random() < 0.05 ? 1 : 0);
    });
    await log.append(entries);
    notes.push(log.files.get("checkpoint")!);
  }
  return { log, server: await TestServer.start(log.files), notes };
}

/** How far an index was read. */
export interface Progress {
  readonly origin: string;
  readonly size: number;
  readonly nextIndex: number;
}

function progressOf(path: string): Progress[] {
  const database = new DatabaseSync(path, { readOnly: true });
  const rows = database.prepare("SELECT origin, size, next_index FROM log").all();
  database.close();
  return rows.map((row) => {
    return { origin: `${row.origin}`, size: Number(row.size), nextIndex: Number(row.next_index) };
  });
}

/** Throws unless the index is that of `reference`, up to where it was read. */
export function checkIndex(path: string, reference: readonly string[]): Progress[] {
  const progress = progressOf(path);
  const read = new Map(progress.map(({ origin, nextIndex }) => [origin, nextIndex]));
  const expected = reference.filter((line) => {
    const [, origin, index] = line.split(" ");
    return Number(index) < (read.get(origin!) ?? 0);
  });
  const actual = dumpClaims(path);
  if (actual.join("\n") !== expected.join("\n")) {
    throw new Error(`the index has ${actual.length} claims and should have ${expected.length}, or others`);
  }
  return progress;
}

async function runAndKill(options: object, lifeMs: number): Promise<void> {
  const script = fileURLToPath(new URL("./subscribe-crash-child.ts", import.meta.url));
  const child = spawn(process.execPath, ["--conditions=@trustix/source", script, JSON.stringify(options)], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const closed = once(child, "close");
  await Promise.race([once(child.stdout, "data"), closed]);
  await setTimeout(lifeMs);
  if (child.exitCode !== null) throw new Error(`the process ended by itself with ${child.exitCode}`);
  child.kill("SIGKILL");
  await closed;
}

/** Reads logs to their end, without being killed. */
export async function readAll(directory: string, logs: readonly LogSubscription[]): Promise<void> {
  await using subscriptions = await Subscriptions.open({ directory, logs });
  while (subscriptions.status().some(({ health }) => health !== "ok")) {
    const failing = subscriptions.status().find(({ health }) => health === "failing");
    if (failing !== undefined) throw new Error(failing.lastError!.message);
    await setTimeout(5);
  }
}

/** Runs the rounds; throws at the first violation. */
export async function crashSubscriber(rounds: number, seed: number): Promise<SubscribeCrashReport> {
  let state = seed >>> 0;
  const random = () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
  const root = mkdtempSync(join(tmpdir(), "subscribe-crash-"));
  await using stack = new AsyncDisposableStack();
  stack.defer(() => rmSync(root, { recursive: true }));
  const growing = [await growingLog("alice", random), await growingLog("bob", random)];
  for (const { server } of growing) stack.use(server);
  const logs = growing.map(({ log, server }, i) => log.subscription(`log ${i}`, server.address));

  await readAll(join(root, "reference"), logs);
  const reference = dumpClaims(join(root, "reference", "claims.db"));

  let killedWithin = 0;
  let completed = 0;
  let shown = 0;
  for (const { server, notes } of growing) {
    server.hook = (_, response, path) => {
      if (path !== "checkpoint") return false;
      response.end(notes[shown]);
      return true;
    };
  }
  let before: Progress[] = [];
  for (let round = 0; round < rounds; round++) {
    const directory = join(root, `state-${completed}`);
    // Small batches, so that many kills fall within the reading of one tree.
    const mirrorLimits = { pollIntervalMs: 5, maxBatchEntries: 100 + Math.floor(random() * 1000) };
    const growth = setTimeout(random() * 50).then(() => {
      if (random() < 0.4) shown = Math.min(STEPS - 1, shown + 1);
    });
    await runAndKill({ directory, logs, mirrorLimits }, random() * 150);
    await growth;
    const progress = checkIndex(join(directory, "claims.db"), reference);
    for (const { origin, size, nextIndex } of before) {
      const now = progress.find((each) => each.origin === origin);
      if (now === undefined || now.size < size || now.nextIndex < nextIndex) {
        throw new Error(`${origin} was read up to ${nextIndex} of ${size}, and now less`);
      }
    }
    before = progress;
    if (progress.some(({ size, nextIndex }) => nextIndex < size)) killedWithin++;
    const sizes = growing.map(({ log }) => log.size);
    if (progress.length === sizes.length && progress.every(({ nextIndex }) => sizes.includes(nextIndex))) {
      completed++;
      shown = 0;
      before = [];
    }
  }
  // Whatever it was killed in, it goes on to the end.
  shown = STEPS - 1;
  const last = join(root, `state-${completed}`);
  await readAll(last, logs);
  checkIndex(join(last, "claims.db"), reference);
  if (dumpClaims(join(last, "claims.db")).length !== reference.length) throw new Error("claims are missing");
  return { rounds, killedWithin, completed };
}

if (import.meta.main) {
  const { values } = parseArgs({
    options: {
      rounds: { type: "string", default: "200" },
      seed: { type: "string", default: `${Date.now() >>> 0}` },
    },
  });
  console.log(`seed ${values.seed}`);
  console.log(await crashSubscriber(Number(values.rounds), Number(values.seed)));
}
