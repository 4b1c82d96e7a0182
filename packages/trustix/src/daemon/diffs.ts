// Comparisons of outputs: who stated what, the bytes from wherever they are, the comparison in a thread, the result kept.
import { randomUUID } from "node:crypto";
import { mkdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { baseNameOf, parseNixStatement } from "@trustix/nix";
import type { Config } from "../config/load.ts";
import { formatSize } from "../config/units.ts";
import { choosePair } from "../diff/choose-pair.ts";
import { type KeptDiff, KeptDiffs } from "../diff/kept-diffs.ts";
import { NarComparison } from "../diff/nar-comparison.ts";
import type { NarDiff } from "../diff/nar-diff.ts";
import { reverseDiff } from "../diff/reverse-diff.ts";
import { TrustixError } from "../errors.ts";
import type { DiffEventJson, PathDiffJson } from "../http/diff-schema.ts";
import type { ApiDiffs, DiffRequest } from "../http/diffs.ts";
import type { ExplainedStatement } from "../policy/explain.ts";
import { Turnstile } from "../turnstile.ts";
import { NarFetcher, type Receive, type WantedNar, wantedNar } from "./nar-fetcher.ts";

/** Who says what of a path. */
export interface Explains {
  explainOn(
    request: { readonly what: string },
    signal: AbortSignal,
  ): Promise<{
    /** Those that most operators make first. */
    readonly statements: readonly ExplainedStatement[];
  }>;
}

/** One of the outputs that were stated. */
interface Output {
  readonly narHash: string;
  readonly operators: readonly string[];
  readonly wanted: WantedNar;
  readonly side: PathDiffJson["before"];
}

/** A comparison under way, for all who asked for it. */
interface Job {
  /** NAR hash of the side that the result is seen from. */
  readonly from: string;
  readonly done: Promise<KeptDiff>;
  readonly stop: AbortController;
  /** What is going on. */
  readonly progress: () => Progress;
  /** Who wants to know. */
  waiting: number;
}

type Progress = Extract<DiffEventJson, { readonly type: "progress" }>;

/** Comparisons at one time: each takes a core, and a connection to caches as fast as they go. */
const CONCURRENCY = 1;
const MAX_WAITING = 16;
const RETRY_AFTER_MS = 10_000;
/** For both NARs and the comparison. */
const TIMEOUT_MS = 60 * 60_000;
const PROGRESS_MS = 200;

export class Diffs implements ApiDiffs, AsyncDisposable {
  readonly #explains: Explains;
  readonly #fetcher: NarFetcher;
  readonly #kept: KeptDiffs;
  readonly #storeDir: string;
  readonly #maxNarBytes: number;
  /** NARs while they are compared; emptied at start, for a crash may have left some. */
  readonly #workDirectory: string;
  readonly #turnstile = new Turnstile(CONCURRENCY);
  readonly #jobs = new Map<string, Job>();
  readonly #stop = new AbortController();

  private constructor(explains: Explains, fetcher: NarFetcher, kept: KeptDiffs, config: Config) {
    this.#explains = explains;
    this.#fetcher = fetcher;
    this.#kept = kept;
    this.#storeDir = config.nix.storeDir;
    this.#maxNarBytes = config.diff.maxNarSize;
    this.#workDirectory = join(config.node.stateDir, "diffs", "work");
  }

  /** @throws TrustixError `STORAGE_FAILED`, and what `NarFetcher.open` throws */
  static async open(config: Config, explains: Explains): Promise<Diffs> {
    const directory = join(config.node.stateDir, "diffs");
    await rm(join(directory, "work"), { recursive: true, force: true });
    const kept = await KeptDiffs.open(join(directory, "kept"), config.diff.maxKept);
    const fetcher = await NarFetcher.open(config, () => performance.now());
    return new Diffs(explains, fetcher, kept, config);
  }

  async diff(request: DiffRequest, signal: AbortSignal): Promise<PathDiffJson> {
    for await (const event of this.watch(request, signal)) if (event.type === "diff") return event.diff;
    throw new TrustixError("INTERNAL", "a comparison ended without a result");
  }

  async *watch(request: DiffRequest, signal: AbortSignal): AsyncGenerator<DiffEventJson> {
    const [before, after] = choosePair(await this.#outputsOf(request.hashPart, signal), request);
    const [a, b] = [before.narHash, after.narHash];
    let diff: KeptDiff | undefined =
      a === b
        ? { comparedAt: new Date().toISOString(), differences: [], unlisted: 0 }
        : await this.#kept.get(a, b);
    if (diff === undefined) {
      if (request.keptOnly === true) {
        throw new TrustixError("NOT_FOUND", "these two were not compared yet", {
          hint: "`trustix diff` on the node itself compares them.",
        });
      }
      const job = this.#join(before, after);
      try {
        yield* progressOf(job, signal);
        const result = await job.done;
        diff = job.from === a ? result : { ...result, ...reverseDiff(result) };
      } finally {
        job.waiting--;
        if (job.waiting === 0) job.stop.abort(new TrustixError("CLOSED", "nobody waits for it any more"));
      }
    }
    yield { type: "diff", diff: { before: before.side, after: after.side, ...diff } };
  }

  /** What was stated of a path, with most support first. */
  async #outputsOf(hashPart: string, signal: AbortSignal): Promise<Output[]> {
    const { statements } = await this.#explains.explainOn({ what: hashPart }, signal);
    const outputs: Output[] = [];
    for (const { statement, narHash, narSize, operators } of statements) {
      // A statement that proves itself has nobody behind it.
      if (narHash === null || narSize === null || operators.length === 0) continue;
      const { storePath, references, referencesDigest } = parseNixStatement(statement, this.#storeDir);
      const shown =
        referencesDigest === undefined
          ? (references ?? []).map(baseNameOf)
          : [`#sha256:${Buffer.from(referencesDigest).toString("hex")}`];
      const side = { storePath, narHash, narSize, references: shown, operators: [...operators] };
      outputs.push({ narHash, operators, wanted: wantedNar(statement, this.#storeDir), side });
    }
    return outputs;
  }

  #join(before: Output, after: Output): Job {
    const key = [before.narHash, after.narHash].sort().join(" ");
    const running = this.#jobs.get(key);
    if (running !== undefined && !running.stop.signal.aborted) {
      running.waiting++;
      return running;
    }
    this.#stop.signal.throwIfAborted();
    if (this.#jobs.size >= CONCURRENCY + MAX_WAITING) {
      throw new TrustixError("PUSHBACK", "too many comparisons are waiting", {
        retryAfterMs: RETRY_AFTER_MS,
      });
    }
    const stop = new AbortController();
    const signals = [stop.signal, this.#stop.signal, AbortSignal.timeout(TIMEOUT_MS)];
    const run = new Run(
      this.#fetcher,
      this.#maxNarBytes,
      join(this.#workDirectory, randomUUID()),
      before,
      after,
    );
    const done = this.#compare(run, before.narHash, after.narHash, AbortSignal.any(signals)).finally(() => {
      if (this.#jobs.get(key) === job) this.#jobs.delete(key);
    });
    done.catch(() => {});
    const job: Job = { from: before.narHash, done, stop, progress: () => run.progress, waiting: 1 };
    this.#jobs.set(key, job);
    return job;
  }

  async #compare(run: Run, before: string, after: string, signal: AbortSignal): Promise<KeptDiff> {
    using _ = await this.#turnstile.enter(signal);
    const diff = { comparedAt: new Date().toISOString(), ...(await run.toEnd(signal)) };
    await this.#kept.put(before, after, diff);
    return diff;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort(new TrustixError("CLOSED", "the node is stopping"));
    await Promise.allSettled([...this.#jobs.values()].map(({ done }) => done));
    await this.#fetcher[Symbol.asyncDispose]();
  }
}

/** What a job is at, now and then until it is over. @throws the signal's reason */
async function* progressOf(job: Job, signal: AbortSignal): AsyncGenerator<Progress> {
  const over = job.done.then(
    () => true,
    () => true,
  );
  for (let said: Progress | undefined; ; ) {
    const progress = job.progress();
    if (progress !== said) yield progress;
    said = progress;
    const tick = sleep(PROGRESS_MS, false, { signal });
    if (await Promise.race([over, tick])) return;
  }
}

/** One comparison. */
class Run {
  progress: Progress;
  readonly #fetcher: NarFetcher;
  readonly #maxNarBytes: number;
  readonly #directory: string;
  readonly #outputs: readonly [Output, Output];

  constructor(fetcher: NarFetcher, maxNarBytes: number, directory: string, before: Output, after: Output) {
    this.#fetcher = fetcher;
    this.#maxNarBytes = maxNarBytes;
    this.#directory = directory;
    this.#outputs = [before, after];
    const totalBytes = before.wanted.narSize + after.wanted.narSize;
    this.progress = { type: "progress", phase: "waiting", doneBytes: 0, totalBytes };
  }

  /** @throws TrustixError `NAR_UNAVAILABLE`, `STORAGE_FAILED`; the signal's reason */
  async toEnd(signal: AbortSignal): Promise<NarDiff> {
    for (const { narHash, wanted } of this.#outputs) {
      if (wanted.narSize <= this.#maxNarBytes) continue;
      const [size, most] = [formatSize(wanted.narSize), formatSize(this.#maxNarBytes)];
      throw new TrustixError(
        "NAR_UNAVAILABLE",
        `${narHash} has ${size}: more than ${most} are not compared`,
        {
          hint: "Raise `[diff] max-nar-size`.",
        },
      );
    }
    try {
      await mkdir(this.#directory, { recursive: true, mode: 0o700 });
      await using comparison = new NarComparison();
      const end = (): void => void comparison[Symbol.asyncDispose]();
      signal.addEventListener("abort", end, { once: true });
      try {
        const [before, after] = await this.#fetch(comparison, signal);
        this.progress = { ...this.progress, phase: "comparing" };
        return await comparison.compare(before, after);
      } catch (error) {
        signal.throwIfAborted();
        throw error;
      } finally {
        signal.removeEventListener("abort", end);
      }
    } finally {
      await rm(this.#directory, { recursive: true, force: true });
    }
  }

  /** Both at one time; when one cannot be had, the other is not waited for. */
  async #fetch(comparison: NarComparison, signal: AbortSignal): Promise<[string, string]> {
    const failed = new AbortController();
    const either = AbortSignal.any([signal, failed.signal]);
    const doneBytes = [0, 0];
    const fetchOne = async ({ wanted }: Output, index: 0 | 1): Promise<string> => {
      let path = "";
      const receive: Receive = (compression, stated) => {
        path = join(this.#directory, `${randomUUID()}.nar`);
        return comparison.receive(compression, stated, path, (bytes) => {
          doneBytes[index] = bytes;
          const sum = doneBytes[0]! + doneBytes[1]!;
          this.progress = { ...this.progress, phase: "fetching", doneBytes: sum };
        });
      };
      await this.#fetcher.fetch(wanted, receive, either);
      return path;
    };
    this.progress = { ...this.progress, phase: "fetching" };
    const [before, after] = this.#outputs;
    try {
      return await Promise.all([fetchOne(before, 0), fetchOne(after, 1)]);
    } finally {
      failed.abort();
    }
  }
}
