// Publishes what the journal holds, batch after batch.
//
// The order makes a crash harmless at any point. The journal fixed, durably, which entry has which index; so the tree of
// any size is determined before anything is signed, and signing a size again after a crash gives the same note.
//
//     tiles and bundles durable  →  checkpoint signed  →  stored  →  published  →  waiters told, journal trimmed
//
// A step that fails is done again, whole, until it succeeds: the batch stays as it is.

import { dirname } from "node:path";
import { bundlePath, partialWidth, signCheckpoint, type TreeBuilder, tilePath } from "@trustix/tlog";
import { TrustixError } from "../errors.ts";
import { Backoff, type Sleep } from "./backoff.ts";
import type { Journal } from "./journal.ts";
import type { LogFiles, LogHead } from "./log-files.ts";

/** How batches are made. */
export interface BatchOptions {
  /** Time from the start of one batch to the start of the next. */
  readonly batchMs: number;
  /** Entries of a batch at most; when more wait, the next batch starts at once. */
  readonly maxBatchEntries: number;
}

/** How long partial tiles stay after the full one is published, for readers of an older checkpoint. */
const PARTIALS_KEPT_MS = 60_000;

/** The publishing end of one log. */
export class Sequencer {
  readonly #files: LogFiles;
  readonly #journal: Journal;
  readonly #options: BatchOptions;
  readonly #now: () => number;
  readonly #sleep: Sleep;
  readonly #backoff: Backoff;
  readonly #onPublished: (head: LogHead, entries: readonly Uint8Array[]) => void;
  readonly #onProblem: (error: TrustixError) => void;
  #builder: TreeBuilder;
  #head: LogHead;
  /** Resolves when there is more to publish, or when to stop. */
  #wakeUp = Promise.withResolvers<void>();
  #finishing = false;
  /** Directories of partial tiles that the full ones have replaced, and since when. */
  #replaced: { readonly path: string; readonly sinceMs: number }[] = [];
  readonly #stop = new AbortController();
  readonly #run: Promise<void>;

  constructor(options: {
    readonly files: LogFiles;
    readonly journal: Journal;
    readonly builder: TreeBuilder;
    readonly head: LogHead;
    readonly batch: BatchOptions;
    readonly now: () => number;
    readonly sleep: Sleep;
    /** A checkpoint is published that covers these entries, too. */
    readonly onPublished: (head: LogHead, entries: readonly Uint8Array[]) => void;
    readonly onProblem: (error: TrustixError) => void;
  }) {
    this.#files = options.files;
    this.#journal = options.journal;
    this.#builder = options.builder;
    this.#head = options.head;
    this.#options = options.batch;
    this.#now = options.now;
    this.#sleep = options.sleep;
    this.#backoff = new Backoff(options.sleep);
    this.#onPublished = options.onPublished;
    this.#onProblem = options.onProblem;
    this.#run = this.#publishAll();
  }

  /** The published checkpoint. */
  get head(): LogHead {
    return this.#head;
  }

  /** Says that the journal may hold more to publish. */
  wake(): void {
    this.#wakeUp.resolve();
  }

  /** Publishes what the journal holds, unless the disk fails, and stops. */
  async close(): Promise<void> {
    this.#finishing = true;
    this.#stop.abort();
    this.wake();
    await this.#run;
  }

  async #publishAll(): Promise<void> {
    let startedMs = Number.NEGATIVE_INFINITY;
    for (;;) {
      const waiting = this.#journal.durableSize - this.#head.size;
      if (waiting === 0) {
        if (this.#finishing) return;
        await this.#wakeUp.promise;
        this.#wakeUp = Promise.withResolvers();
        continue;
      }
      const { batchMs, maxBatchEntries } = this.#options;
      const waitMs = Math.min(batchMs, startedMs + batchMs - this.#now());
      if (waiting < maxBatchEntries && waitMs > 0) await this.#sleep(waitMs, this.#stop.signal);
      startedMs = this.#now();
      if (!(await this.#publishBatch())) return;
    }
  }

  /** Returns false when it gave up because the log is being closed. */
  async #publishBatch(): Promise<boolean> {
    const { size: oldSize } = this.#head;
    const end = Math.min(this.#journal.durableSize, oldSize + this.#options.maxBatchEntries);
    const entries = this.#journal.entries(oldSize, end);
    const builder = this.#builder.fork();
    const { size, root, files } = builder.append(entries);
    if (!(await this.#persist("tiles", () => this.#files.writePublic(files)))) return false;
    const checkpoint = { origin: this.#files.origin, size, root, extensions: [] };
    let note: Uint8Array = new Uint8Array(0);
    const sign = async () => {
      note = Buffer.from(await signCheckpoint(checkpoint, [this.#files.signer]));
      await this.#files.storeCheckpoint(note);
    };
    if (!(await this.#persist("checkpoint", sign))) return false;
    if (!(await this.#persist("checkpoint", () => this.#files.publishCheckpoint(note)))) return false;
    this.#builder = builder;
    this.#head = { size, root, note };
    this.#onPublished(this.#head, entries);
    await this.#journal.trim(size);
    await this.#removePartials(oldSize, size);
    return true;
  }

  /** Does a step until it succeeds, or returns false when the log is being closed and it did not. */
  async #persist(what: string, step: () => Promise<void>): Promise<boolean> {
    for (;;) {
      try {
        await step();
        this.#backoff.reset();
        return true;
      } catch (cause) {
        this.#onProblem(
          new TrustixError("STORAGE_FAILED", `log ${this.#files.origin}: cannot write the ${what}`, {
            hint: "See that the disk has room and no errors; publishing goes on by itself then.",
            cause,
          }),
        );
        if (this.#finishing) return false;
        await this.#backoff.wait(this.#backoff.next(), this.#stop.signal);
      }
    }
  }

  /** Removes the partial tiles that became full some time ago, as the specification allows. */
  async #removePartials(oldSize: number, size: number): Promise<void> {
    const sinceMs = this.#now();
    for (let level = 0; 256 ** level <= oldSize; level++) {
      const index = Math.floor(oldSize / 256 ** (level + 1));
      if (partialWidth(level, oldSize) === 0 || Math.floor(size / 256 ** (level + 1)) === index) continue;
      this.#replaced.push({ path: dirname(tilePath({ level, index, width: 1 })), sinceMs });
      if (level === 0) this.#replaced.push({ path: dirname(bundlePath({ index, width: 1 })), sinceMs });
    }
    while (this.#replaced[0] && this.#replaced[0].sinceMs <= sinceMs - PARTIALS_KEPT_MS) {
      // A directory that cannot be removed only takes room.
      await this.#files.removePartials(this.#replaced.shift()!.path).catch(() => {});
    }
  }
}
