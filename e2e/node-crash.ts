// Kills a user's node (`trustix daemon`, a process) at random moments, again and again, while it starts, reads three growing
// logs and serves clients that download narinfos and NARs. One of the builders lies, and so do two of the three caches.
//
// Checked in every round: the index is exactly that of a node that has read as far without being killed, and farther than
// before; no client gets an answer that is complete and wrong, one that no two builders agree on, or a status that would
// end a build. Downloads that a kill has cut off are continued at the restarted node, and must fit. In the end the analysis is
// that of a rebuild from scratch.
//
//     node --conditions=@trustix/source e2e/node-crash.ts [--rounds 200] [--seed N]

import { once } from "node:events";
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import type { RequestListener } from "node:http";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { setTimeout as sleep } from "node:timers/promises";
import { isDeepStrictEqual, parseArgs } from "node:util";
import {
  createVerifier,
  formatFingerprint,
  formatNixEntry,
  formatNixStatement,
  type NarInfo,
  parseNarInfo,
  parsePublicKey,
  type Verifier,
} from "@trustix/nix";
import { createCacheKey } from "trustix/src/cli/keys.ts";
import { listenTo } from "trustix/src/daemon/nodes.test.util.ts";
import { rebuildAnalysis } from "trustix/src/daemon/rebuild-analysis.test.util.ts";
import { dumpClaims } from "trustix/src/subscribe/dump-claims.test.util.ts";
import { sampleEntry, TestLog, TestServer } from "trustix/src/subscribe/test-log.test.util.ts";
import {
  ask,
  COMPRESS,
  narInfoOf,
  type Sample,
  sample,
  serve,
} from "trustix/src/substitute/caches.test.util.ts";
import { HERE, spawnDaemon } from "./node.ts";
import { checkIndex, type Progress, readAll } from "./subscribe-crash.ts";

/** Each log shows this many trees, one after the other, of so many more entries each. */
const STEPS = 6;
const STEP_ENTRIES = 1500;
const PACKAGES = 12;
const CLIENTS = 4;
const COMPRESSIONS = ["none", "zstd", "xz"] as const;

/** What came out of a series of rounds. */
export interface NodeCrashReport {
  readonly rounds: number;
  /** Rounds in which the node was killed before it was ready. */
  readonly killedStarting: number;
  /** Rounds in which it was killed before it had read all that the logs had. */
  readonly killedReading: number;
  /** How often all logs were read to their end, and reading began anew. */
  readonly completed: number;
  readonly narInfos: number;
  readonly nars: number;
  readonly refused: number;
  /** NARs that a kill, or the discovery of a lie, cut off. */
  readonly cutOff: number;
  /** Of those, how many a later process delivered the rest of. */
  readonly continued: number;
}

/** A package, what the liars have in its place, and what a client may get. */
interface Package {
  readonly honest: Sample;
  readonly evil: Sample;
  readonly isAgreed: boolean;
  readonly compression: (typeof COMPRESSIONS)[number];
  readonly file: Buffer;
}

async function makePackages(): Promise<Package[]> {
  const packages: Package[] = [];
  for (let index = 0; index < PACKAGES; index++) {
    // Small ones are verified before they are sent, large ones while they are.
    const size = index % 2 === 0 ? 20_000 : 1_500_000;
    const honest = await sample(`package-${index}`, size);
    const { nar, facts } = await sample(`evil-${index}`, size);
    const { narHash, narSize } = facts;
    const swapped = { ...honest.facts, narHash, narSize };
    const evil = { ...honest, nar, facts: swapped, statement: formatNixStatement(swapped) };
    const compression = COMPRESSIONS[index % COMPRESSIONS.length]!;
    const file = COMPRESS[compression]!(honest.nar);
    packages.push({ honest, evil, isAgreed: index % 4 !== 3, compression, file });
  }
  return packages;
}

const PIECE_BYTES = 128 * 1024;

/** A cache that takes a moment for each piece of a file. */
function cache(files: ReadonlyMap<string, Buffer>): RequestListener {
  return async (request, response) => {
    const bytes = files.get(request.url!.slice(1));
    if (bytes === undefined) {
      response.writeHead(404).end();
      return;
    }
    response.writeHead(200, { "content-length": bytes.length });
    for (let at = 0; at < bytes.length && !response.destroyed; at += PIECE_BYTES) {
      response.write(bytes.subarray(at, at + PIECE_BYTES));
      await sleep(10);
    }
    response.end();
  };
}

/** Files of a cache that states `facts` of each package and delivers `file`. */
function cacheFiles(
  packages: readonly Package[],
  choose: (
    each: Package,
    index: number,
  ) => { readonly stated: Sample; readonly promised: Buffer; readonly file: Buffer },
): Map<string, Buffer> {
  const files = new Map<string, Buffer>([["nix-cache-info", Buffer.from("StoreDir: /nix/store\n")]]);
  for (const [index, each] of packages.entries()) {
    const { stated, promised, file } = choose(each, index);
    const url = `nar/${stated.hashPart}.nar`;
    const narInfo = narInfoOf(stated, each.compression, promised, { url });
    files.set(`${stated.hashPart}.narinfo`, Buffer.from(narInfo));
    files.set(url, file);
  }
  return files;
}

function damaged(file: Buffer): Buffer {
  const copy = Buffer.from(file);
  copy[Math.floor(copy.length * 0.8)]! ^= 0x10;
  return copy;
}

interface GrowingLog {
  readonly name: string;
  readonly log: TestLog;
  readonly server: TestServer;
  readonly notes: readonly Uint8Array[];
}

/** A log of fillers, with claims on packages spread over it. */
async function growingLog(
  name: string,
  claims: readonly NarInfoFacts[],
  random: () => number,
): Promise<GrowingLog> {
  const log = await TestLog.create(`${name}.example/log`);
  const notes: Uint8Array[] = [];
  for (let step = 0; step < STEPS; step++) {
    const entries = Array.from({ length: STEP_ENTRIES }, () =>
      sampleEntry(Math.floor(random() * STEPS * STEP_ENTRIES), random() < 0.05 ? 1 : 0),
    );
    for (const facts of claims.filter((_, index) => index % STEPS === step)) {
      entries[Math.floor(random() * entries.length)] = formatNixEntry(facts, { kind: "built" });
    }
    await log.append(entries);
    notes.push(log.files.get("checkpoint")!);
  }
  return { name, log, server: await TestServer.start(log.files), notes };
}

type NarInfoFacts = Pick<NarInfo, "storePath" | "narHash" | "narSize" | "references">;

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as { port: number };
  server.close();
  await once(server, "close");
  return port;
}

/** What clients have seen, over all processes of the node. */
class Clients {
  readonly #url: string;
  readonly #packages: readonly Package[];
  readonly #verifier: Verifier;
  readonly #random: () => number;
  /** URLs of NARs, and the part of each that was received before it was cut off. */
  readonly #urls = new Map<Package, string>();
  readonly #parts = new Map<Package, Buffer>();
  #isOver = false;
  narInfos = 0;
  nars = 0;
  refused = 0;
  cutOff = 0;
  continued = 0;

  constructor(url: string, packages: readonly Package[], verifier: Verifier, random: () => number) {
    this.#url = url;
    this.#packages = packages;
    this.#verifier = verifier;
    this.#random = random;
  }

  /** Asks for this and that until {@link stop}. Rejects at the first answer that must not be. */
  async run(): Promise<void> {
    while (!this.#isOver) {
      const wanted = this.#packages[Math.floor(this.#random() * this.#packages.length)]!;
      try {
        // Nix keeps narinfos: URLs of an earlier process are asked for, too.
        if (!this.#urls.has(wanted) || this.#random() < 0.5) await this.askNarInfo(wanted);
        if (this.#urls.has(wanted)) await this.askNar(wanted);
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code?.startsWith("ECONN") !== true) throw error;
        await sleep(5);
      }
    }
  }

  stop(): void {
    this.#isOver = true;
  }

  /** @returns whether there was one */
  async askNarInfo(wanted: Package): Promise<boolean> {
    const { honest, isAgreed } = wanted;
    const got = await ask(`${this.#url}${honest.hashPart}.narinfo`);
    if (!got.isComplete) return false;
    if (got.status === 404) {
      this.refused++;
      return false;
    }
    if (got.status !== 200) throw new Error(`a narinfo was answered with status ${got.status}`);
    if (!isAgreed) throw new Error(`${honest.storePath} was served, and no two builders agree on it`);
    const info = parseNarInfo(got.body);
    if (formatNixStatement(info) !== honest.statement)
      throw new Error(`a wrong narinfo was served: ${got.body}`);
    const [signature] = info.signatures;
    if (signature === undefined || !(await this.#verifier.isValid(formatFingerprint(info), signature)))
      throw new Error("a narinfo without the node's signature was served");
    this.narInfos++;
    this.#urls.set(wanted, info.url);
    return true;
  }

  /** @returns whether all of it came */
  async askNar(wanted: Package): Promise<boolean> {
    const { honest, file } = wanted;
    const part = this.#parts.get(wanted);
    const headers = part === undefined ? undefined : { range: `bytes=${part.length}-` };
    const got = await ask(`${this.#url}${this.#urls.get(wanted)!}`, headers);
    this.#parts.delete(wanted);
    if (got.status === 404) {
      this.refused++;
      return false;
    }
    if (got.status !== 200 && got.status !== 206)
      throw new Error(`a NAR was answered with status ${got.status}`);
    const received = got.status === 206 ? Buffer.concat([part!, got.body]) : got.body;
    if (got.isComplete) {
      if (!received.equals(file)) throw new Error(`a wrong NAR of ${honest.storePath} was served to its end`);
      if (got.status === 206) this.continued++;
      this.nars++;
      return true;
    }
    this.cutOff++;
    if (received.length >= file.length)
      throw new Error(`all of ${honest.storePath} was sent before it was proven`);
    // Only the process that sent the begin of a lie knows that it must not be continued. Nix checks what it has put together.
    const isRight = received.equals(file.subarray(0, received.length));
    if (isRight && received.length > 0) this.#parts.set(wanted, received);
    return false;
  }
}

/** Whether the node has lived long enough to make its index. */
function hasIndex(path: string): boolean {
  if (!existsSync(path)) return false;
  using database = new DatabaseSync(path, { readOnly: true });
  return database.prepare("SELECT count(*) AS n FROM sqlite_master WHERE name = 'statement'").get()?.n === 1;
}

/** Starts the node in a directory. */
function startNode(directory: string) {
  const child = spawnDaemon(HERE, directory);
  const ended = once(child, "exit");
  let log = "";
  const ready = Promise.withResolvers<void>();
  child.stderr.on("data", (text: Buffer) => {
    log += text.toString();
    if (log.includes("trustix is ready")) ready.resolve();
  });
  void ended.then(() => ready.reject(new Error(`the node ended by itself: ${log}`)));
  ready.promise.catch(() => {});
  const kill = async (): Promise<void> => {
    if (child.exitCode !== null) throw new Error(`the node ended by itself: ${log}`);
    child.kill("SIGKILL");
    await ended;
  };
  return { ready: ready.promise, kill };
}

/** Runs the rounds; throws at the first violation. */
export async function crashNode(rounds: number, seed: number): Promise<NodeCrashReport> {
  let state = seed >>> 0;
  const random = () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
  const root = mkdtempSync(join(tmpdir(), "node-crash-"));
  await using stack = new AsyncDisposableStack();
  stack.defer(() => rmSync(root, { recursive: true }));

  const packages = await makePackages();
  const honest = packages.map(({ honest: { facts } }) => facts);
  const agreed = packages.filter(({ isAgreed }) => isAgreed).map(({ honest: { facts } }) => facts);
  const evil = packages.map(({ evil: { facts } }) => facts);
  const growing = [
    await growingLog("alice", honest, random),
    await growingLog("bob", agreed, random),
    await growingLog("chuck", evil, random),
  ];
  for (const { server } of growing) stack.use(server);
  const upstreams = await Promise.all(
    [
      // It is honest about some, so that downloads of large NARs can go on where they were cut off.
      cacheFiles(packages, ({ honest, file }, index) => ({
        stated: honest,
        promised: file,
        file: index % 8 === 1 ? file : damaged(file),
      })),
      cacheFiles(packages, ({ evil, compression }) => {
        const file = COMPRESS[compression]!(evil.nar);
        return { stated: evil, promised: file, file };
      }),
      cacheFiles(packages, ({ honest, file }) => ({ stated: honest, promised: file, file })),
    ].map((files) => serve(cache(files))),
  );
  for (const server of upstreams) stack.use(server);

  const logs = growing.map(({ name, log, server }) => log.subscription(name, server.address));
  await readAll(join(root, "reference"), logs);
  const reference = dumpClaims(join(root, "reference", "claims.db"));

  let shown = 0;
  for (const { server, notes } of growing) {
    server.hook = (_, response, path) => {
      if (path === "checkpoint") response.end(notes[shown]);
      else if (path.startsWith("tile/entries/")) {
        const bytes = server.files.get(path);
        setTimeout(() => response.writeHead(bytes === undefined ? 404 : 200).end(bytes), 5);
      } else return false;
      return true;
    };
  }

  const { secret, publicKey } = await createCacheKey("user-1");
  writeFileSync(join(root, "user.key"), secret, { mode: 0o600 });
  const port = await freePort();
  const configuration = `[node]
state-dir = "state"
listen = ["127.0.0.1:${port}"]
${listenTo(growing.map(({ name, log, server }) => ({ name, vkey: log.key, logUrl: `${server.address}/` })))}
[policy]
threshold = 2
[substitute]
enabled = true
key-file = "../user.key"
${upstreams.map(({ url }, index) => `[[upstream]]\nname = "cache-${index}"\nurl = "${url}"\n`).join("")}`;
  const directoryOf = (life: number): string => {
    const directory = join(root, `life-${life}`);
    if (!existsSync(directory)) {
      mkdirSync(directory);
      writeFileSync(join(directory, "trustix.toml"), configuration);
    }
    return directory;
  };
  const indexOf = (life: number): string => join(directoryOf(life), "state/subscriptions/claims.db");

  const verifier = await createVerifier(parsePublicKey(publicKey));
  const clients = new Clients(`http://127.0.0.1:${port}/`, packages, verifier, random);
  const running = Promise.all(Array.from({ length: CLIENTS }, () => clients.run()));
  running.catch(() => {});

  let killedStarting = 0;
  let killedReading = 0;
  let completed = 0;
  let startMs = 500;
  let before: readonly Progress[] = [];
  for (let round = 0; round < rounds; round++) {
    const startedMs = performance.now();
    const node = startNode(directoryOf(completed));
    if (random() < 0.2) {
      await sleep(random() * startMs);
      killedStarting++;
    } else {
      await Promise.race([node.ready, running]);
      startMs = performance.now() - startedMs;
      if (random() < 0.6) shown = Math.min(STEPS - 1, shown + 1);
      await Promise.race([sleep(random() * 500), running]);
    }
    await node.kill();

    const path = indexOf(completed);
    const progress = hasIndex(path) ? checkIndex(path, reference) : [];
    for (const { origin, size, nextIndex } of before) {
      const now = progress.find((each) => each.origin === origin);
      if (now === undefined || now.size < size || now.nextIndex < nextIndex) {
        throw new Error(`${origin} was read up to ${nextIndex} of ${size}, and now less`);
      }
    }
    before = progress;
    if (progress.some(({ size, nextIndex }) => nextIndex < size)) killedReading++;
    const isComplete = growing.every(({ log: { origin, size } }) =>
      progress.some((each) => each.origin === origin && each.nextIndex === size),
    );
    if (isComplete) {
      completed++;
      shown = 0;
      before = [];
    }
  }
  // Whatever it was killed in, it goes on to the end.
  shown = STEPS - 1;
  const node = startNode(directoryOf(completed));
  await node.ready;
  const isDone = async (): Promise<boolean> => {
    for (const each of packages) {
      if (each.isAgreed && !(await clients.askNarInfo(each))) return false;
      if (each.isAgreed && !(await clients.askNar(each))) return false;
    }
    const progress = hasIndex(indexOf(completed)) ? checkIndex(indexOf(completed), reference) : [];
    return growing.every(({ log }) =>
      progress.some(({ origin, nextIndex }) => origin === log.origin && nextIndex === log.size),
    );
  };
  for (const deadlineMs = performance.now() + 60_000; !(await isDone()); await sleep(50)) {
    if (performance.now() > deadlineMs) throw new Error("the node did not get everything in the end");
  }
  clients.stop();
  await running;
  await node.kill();
  if (dumpClaims(indexOf(completed)).join("\n") !== reference.join("\n"))
    throw new Error("claims are missing");
  const analysisPath = join(dirname(indexOf(completed)), "analysis.db");
  const { kept, rebuilt } = await rebuildAnalysis(indexOf(completed), analysisPath);
  if (!isDeepStrictEqual(kept, rebuilt)) throw new Error("the analysis is not what a rebuild makes");
  if (kept.paths!.length === 0) throw new Error("nothing was analysed");
  const { narInfos, nars, refused, cutOff, continued } = clients;
  return {
    rounds,
    killedStarting,
    killedReading,
    completed,
    narInfos,
    nars,
    refused,
    cutOff,
    continued,
  };
}

if (import.meta.main) {
  const { values } = parseArgs({
    options: {
      rounds: { type: "string", default: "200" },
      seed: { type: "string", default: `${Date.now() >>> 0}` },
    },
  });
  console.log(`seed ${values.seed}`);
  console.log(await crashNode(Number(values.rounds), Number(values.seed)));
}
