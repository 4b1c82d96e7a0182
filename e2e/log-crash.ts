// Kills a log's process under load at random moments, again and again, and checks each time that nothing was lost.
//
//     node --conditions=@trustix/source e2e/log-crash.ts [--rounds 300] [--seed N]
//
// After each kill: the published log verifies down to the byte as it is; then it is opened again, which publishes what the
// journal held, and verifies again; every claim that was acknowledged in any round is at its index. All the while, every
// checkpoint that is visible or stored is collected: no size may ever have two.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { parseRawEntry, rawProtocol } from "@trustix/nix";
import {
  createPrivateKey,
  createSigner,
  createVerifier,
  formatPrivateKey,
  KEY_TYPE_ED25519,
  type KeySigner,
  openCheckpoint,
  parseCheckpoint,
  parseNote,
  readEntries,
  type TileSource,
  verifyLog,
} from "@trustix/tlog";
import { PublishedLog } from "trustix/src/log/published-log.ts";
import { nodeFileSystem } from "trustix/src/store/file-system.ts";

const ORIGIN = "crash.example/log";
/** A log is given up for a fresh one after so many rounds, so that full verification stays quick. */
const ROUNDS_PER_LOG = 50;

/** What came out of a series of rounds. */
export interface CrashReport {
  readonly rounds: number;
  /** Claims acknowledged, all of which were found again. */
  readonly acknowledged: number;
  /** Different checkpoints seen, no two of one size. */
  readonly checkpoints: number;
  /** Rounds in which the process had acknowledged claims that were not published when it died. */
  readonly roundsWithUnpublished: number;
}

class Violation extends Error {}

/** Every checkpoint of one log that was ever visible or stored. */
class Checkpoints {
  readonly #roots = new Map<number, string>();

  get count(): number {
    return this.#roots.size;
  }

  see(path: string): number {
    let note: Buffer;
    try {
      note = readFileSync(path);
    } catch {
      return -1;
    }
    const { size, root } = parseCheckpoint(parseNote(note).text);
    const hex = Buffer.from(root).toString("hex");
    if ((this.#roots.get(size) ?? hex) !== hex) throw new Violation(`two checkpoints of size ${size}`);
    this.#roots.set(size, hex);
    return size;
  }
}

/** Verifies what is published, and returns the key of each entry. */
async function verifyPublished(directory: string, signer: KeySigner): Promise<string[]> {
  const source: TileSource = {
    fetch: (path, { maxBytes }) => nodeFileSystem.readFile(join(directory, "public", path), maxBytes),
  };
  const note = await source.fetch("checkpoint", { maxBytes: 1 << 20 });
  if (!note) return [];
  const trust = { origin: ORIGIN, logs: [createVerifier(signer.key)] };
  const { checkpoint } = await openCheckpoint(note, trust);
  await verifyLog({ checkpoint, source });
  const keys: string[] = [];
  for await (const { entries } of readEntries({ checkpoint, source })) {
    for (const entry of entries) keys.push(Buffer.from(parseRawEntry(entry).key).toString());
  }
  return keys;
}

/** Runs the child until it is killed `lifeMs` after it was ready, and adds what it acknowledged. */
async function runAndKill(
  args: readonly string[],
  lifeMs: number,
  acknowledged: Map<number, string>,
  watch: () => void,
): Promise<void> {
  const child = spawn(
    process.execPath,
    [
      "--conditions=@trustix/source",
      fileURLToPath(new URL("./log-crash-child.ts", import.meta.url)),
      ...args,
    ],
    { stdio: ["ignore", "pipe", "inherit"] },
  );
  let output = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    output += text;
  });
  const closed = once(child, "close");
  const watching = setInterval(watch, 1);
  try {
    while (!output.includes("\n") && child.exitCode === null) await setTimeout(1);
    await setTimeout(lifeMs);
    if (child.exitCode !== null) throw new Violation(`the process ended by itself with ${child.exitCode}`);
    child.kill("SIGKILL");
    await closed;
  } finally {
    clearInterval(watching);
  }
  // The last line may be cut; then its claim counts as not acknowledged.
  for (const line of output.split("\n").slice(1, -1)) {
    const [index, name] = line.split(" ");
    const other = acknowledged.get(Number(index));
    if (other !== undefined)
      throw new Violation(`index ${index} was acknowledged for ${other} and for ${name}`);
    acknowledged.set(Number(index), name!);
  }
}

function checkNothingLost(acknowledged: ReadonlyMap<number, string>, keys: readonly string[]): void {
  for (const [index, name] of acknowledged) {
    if (keys[index] !== name)
      throw new Violation(`claim ${name} at index ${index} is lost; there is ${keys[index]}`);
  }
  if (new Set(keys).size !== keys.length) throw new Violation("a claim was logged twice");
}

/** Runs the rounds; throws at the first violation. */
export async function crashLog(rounds: number, seed: number): Promise<CrashReport> {
  let state = seed >>> 0;
  const random = () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
  const key = formatPrivateKey(await createPrivateKey(ORIGIN, KEY_TYPE_ED25519));
  const signer = await createSigner(key);
  const root = mkdtempSync(join(tmpdir(), "trustix-crash-"));
  let allAcknowledged = 0;
  let allCheckpoints = 0;
  let roundsWithUnpublished = 0;
  try {
    for (let first = 0; first < rounds; first += ROUNDS_PER_LOG) {
      const directory = join(root, `log-${first}`);
      mkdirSync(directory);
      const checkpoints = new Checkpoints();
      const acknowledged = new Map<number, string>();
      const watch = () => {
        checkpoints.see(join(directory, "checkpoint"));
        checkpoints.see(join(directory, "public", "checkpoint"));
      };
      for (let round = first; round < Math.min(rounds, first + ROUNDS_PER_LOG); round++) {
        // Batches of 5 to 40 ms make many more crashes fall within publishing than the usual 250 ms would.
        const args = [directory, ORIGIN, key, `${round}`, `${5 + Math.floor(random() * 35)}`];
        await runAndKill(args, random() * 100, acknowledged, watch);
        watch();
        const published = checkpoints.see(join(directory, "public", "checkpoint"));
        await verifyPublished(directory, signer);
        if ([...acknowledged.keys()].some((index) => index >= published)) roundsWithUnpublished++;
        await using log = await PublishedLog.open(
          { origin: ORIGIN, directory },
          { protocol: rawProtocol, signer },
        );
        await log.whenPublished(Math.max(-1, ...acknowledged.keys()));
        watch();
        checkNothingLost(acknowledged, await verifyPublished(directory, signer));
      }
      allAcknowledged += acknowledged.size;
      allCheckpoints += checkpoints.count;
      rmSync(directory, { recursive: true });
    }
  } finally {
    rmSync(root, { recursive: true });
  }
  return { rounds, acknowledged: allAcknowledged, checkpoints: allCheckpoints, roundsWithUnpublished };
}

if (import.meta.main) {
  const { values } = parseArgs({
    options: {
      rounds: { type: "string", default: "300" },
      seed: { type: "string", default: `${Date.now() >>> 0}` },
    },
  });
  console.log(`seed ${values.seed}`);
  console.log(await crashLog(Number(values.rounds), Number(values.seed)));
}
