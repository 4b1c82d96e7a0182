// Keeps the analysis running in a thread of its own, from the start of the node to its end. Nothing waits for it: when it fails
// it is started again after a while, and what is known of paths and builders is older in the meantime.

import { once } from "node:events";
import { Worker } from "node:worker_threads";
import type { Assessment } from "../analyse/assessment.ts";
import type { Quarantined } from "../analyse/sources.ts";
import type { Sleep } from "../sleep.ts";
import { threadUrl } from "../threads.ts";
import type { AnalysisTask, FromAnalysis, ToAnalysis } from "./analysis-thread.ts";
import type { Logger } from "./logger.ts";

/** How far the analysis is. */
export interface AnalysisState {
  /** Version of the database; 0 before it is known. */
  readonly version: number;
  /** Claims that are stored and not taken in yet, about; undefined before it is known. */
  readonly behind: number | undefined;
  /** Why it does not run just now. */
  readonly failure: string | undefined;
}

/** What the analysis needs. */
export interface AnalysisOptions {
  readonly task: Omit<AnalysisTask, "quarantine">;
  readonly logger: Logger;
  readonly sleep: Sleep;
  /** Drops the changes of the claim store up to a number. */
  readonly trimFeed: (seq: number) => Promise<void>;
}

const WORKER = threadUrl("./analysis-thread", import.meta.url);
/** Waits after failures: the first, and the longest; they double in between. */
const RETRY = { firstMs: 1000, longestMs: 5 * 60_000 };
/** How long the thread may take to end by itself. What it does not finish is done again after the next start. */
const CLOSE_MS = 1000;

/** See the head of this file. */
export class Analysis implements AsyncDisposable {
  readonly #options: AnalysisOptions;
  readonly #stop = new AbortController();
  readonly #running: Promise<void>;
  readonly #onAssessment = new Set<(assessment: Assessment) => void>();
  readonly #onProgress = new Set<(state: AnalysisState) => void>();
  #state: AnalysisState = { version: 0, behind: undefined, failure: undefined };
  #assessment: Assessment | undefined;
  #quarantine: readonly Quarantined[] = [];
  #worker: Worker | undefined;
  #failures = 0;

  /** Starts at once, in the background. */
  constructor(options: AnalysisOptions, quarantine: readonly Quarantined[] = []) {
    this.#options = options;
    this.#quarantine = quarantine;
    this.#running = this.#run();
  }

  state(): AnalysisState {
    return this.#state;
  }

  /** Calls `listener` with each new assessment of the builders, and at once with the newest since the start, until it is disposed. */
  onAssessment(listener: (assessment: Assessment) => void): Disposable {
    this.#onAssessment.add(listener);
    if (this.#assessment !== undefined) listener(this.#assessment);
    return { [Symbol.dispose]: () => void this.#onAssessment.delete(listener) };
  }

  /** Calls `listener` when the state has changed, twice a second at most, until it is disposed. */
  onProgress(listener: (state: AnalysisState) => void): Disposable {
    this.#onProgress.add(listener);
    return { [Symbol.dispose]: () => void this.#onProgress.delete(listener) };
  }

  /** Makes these the operators in quarantine: in the analysis they do not count from now on. */
  setQuarantine(quarantine: readonly Quarantined[]): void {
    this.#quarantine = quarantine.map(({ operator, reason }) => ({ operator, reason }));
    this.#worker?.postMessage({ quarantine: this.#quarantine } satisfies ToAnalysis);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    await this.#running;
  }

  async #run(): Promise<void> {
    const { logger, sleep } = this.#options;
    while (!this.#stop.signal.aborted) {
      const err = await this.#runThread();
      if (this.#stop.signal.aborted) return;
      const delayMs = Math.min(RETRY.firstMs * 2 ** this.#failures++, RETRY.longestMs);
      logger.error({ err, delayMs }, "analysis failed and is started again");
      this.#change({ ...this.#state, failure: err instanceof Error ? err.message : String(err) });
      await sleep(delayMs, this.#stop.signal).catch(() => {});
    }
  }

  /** Runs the thread to its end; resolves with why it failed, if it did. */
  async #runThread(): Promise<unknown> {
    const workerData: AnalysisTask = { ...this.#options.task, quarantine: this.#quarantine };
    const worker = new Worker(WORKER, { workerData, resourceLimits: { maxYoungGenerationSizeMb: 16 } });
    this.#worker = worker;
    worker.on("message", (message: FromAnalysis) => this.#take(message));
    let failure: unknown;
    worker.on("error", (error) => {
      failure = error;
    });
    const exit = once(worker, "exit");
    const end = (): void => worker.postMessage("close" satisfies ToAnalysis);
    const signal = this.#stop.signal;
    let timer: NodeJS.Timeout | undefined;
    const close = (): void => {
      end();
      timer = setTimeout(() => void worker.terminate(), CLOSE_MS);
    };
    if (signal.aborted) close();
    signal.addEventListener("abort", close, { once: true });
    await exit.catch((error: unknown) => {
      failure = error;
    });
    signal.removeEventListener("abort", close);
    clearTimeout(timer);
    this.#worker = undefined;
    return failure;
  }

  #take(message: FromAnalysis): void {
    this.#failures = 0;
    switch (message.type) {
      case "progress": {
        const { version, behind, seq } = message;
        this.#change({ version, behind, failure: undefined });
        // What is not dropped now is dropped the next time.
        this.#options.trimFeed(seq).catch(() => {});
        break;
      }
      case "assessment":
        this.#assessment = message.assessment;
        for (const listener of this.#onAssessment) listener(message.assessment);
        break;
      default:
        message satisfies never;
    }
  }

  #change(state: AnalysisState): void {
    this.#state = state;
    for (const listener of this.#onProgress) listener(state);
  }
}
