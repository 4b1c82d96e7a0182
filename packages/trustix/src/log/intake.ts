// Takes submissions and acknowledges each once it is durable: many waiting submissions share one write and one sync.

import type { Protocol } from "@trustix/nix";
import { NixError } from "@trustix/nix";
import { TrustixError } from "../errors.ts";
import { Backoff, type Sleep } from "./backoff.ts";
import { type ClaimId, type ClaimIndex, claimId } from "./claim-index.ts";
import type { Journal } from "./journal.ts";

/** What became of a submission. */
export interface Submitted {
  /** Index of the claim in the log, for ever. */
  readonly index: number;
  /** False when the log had this statement about this key already; then nothing was added. */
  readonly isNew: boolean;
}

/** How much may wait to be published. Beyond it submissions are turned away. */
export interface IntakeLimits {
  readonly maxPendingEntries: number;
  readonly maxPendingBytes: number;
}

interface Waiting {
  readonly id: ClaimId;
  readonly entry: Uint8Array;
  readonly accept: (index: number) => void;
  readonly reject: (error: TrustixError) => void;
}

/** Entries that share a sync at most: acknowledging them is one turn of the event loop, which should stay short. */
const GROUP = 1024;
/** Bytes that share a sync at most; one entry fits in any case. */
const GROUP_BYTES = 4 << 20;
/** Claims not yet in the index's database at most: many more than there are while it works. */
const MAX_INDEX_BACKLOG = 500_000;
/** What a submitter is told to wait when the queue is full. */
const FULL_RETRY_MS = 250;

/** The submitting end of one log. */
export class Intake {
  readonly #protocol: Protocol;
  readonly #journal: Journal;
  readonly #index: ClaimIndex;
  readonly #limits: IntakeLimits;
  readonly #backoff: Backoff;
  readonly #onDurable: () => void;
  readonly #onProblem: (error: TrustixError) => void;
  readonly #onRecovered: (error: TrustixError) => void;
  #queue: Waiting[] = [];
  /** Claims that are being written, by digest. */
  readonly #inFlight = new Map<string, Promise<number>>();
  /** Not published yet, whether durable or not. */
  #pendingEntries = 0;
  #pendingBytes = 0;
  #run: Promise<void> | undefined;
  /** Why nothing can be written now. */
  #failure: TrustixError | undefined;
  readonly #stop = new AbortController();

  constructor(options: {
    readonly protocol: Protocol;
    readonly journal: Journal;
    readonly index: ClaimIndex;
    readonly limits: IntakeLimits;
    readonly sleep: Sleep;
    /** More entries may be published. */
    readonly onDurable: () => void;
    readonly onProblem: (error: TrustixError) => void;
    /** What `onProblem` was told last is over. */
    readonly onRecovered: (error: TrustixError) => void;
  }) {
    this.#protocol = options.protocol;
    this.#journal = options.journal;
    this.#index = options.index;
    this.#limits = options.limits;
    this.#backoff = new Backoff(options.sleep);
    this.#onDurable = options.onDurable;
    this.#onProblem = options.onProblem;
    this.#onRecovered = options.onRecovered;
    for (const entry of this.#journal.entries(this.#journal.firstIndex, this.#journal.nextIndex))
      this.#count(entry);
    // Entries that a crash left count as durable only once they were written again.
    this.#wake();
  }

  get pendingEntries(): number {
    return this.#pendingEntries;
  }

  get pendingBytes(): number {
    return this.#pendingBytes;
  }

  /** See `PublishedLog.submit`. */
  async submit(entry: Uint8Array, signal: AbortSignal | undefined): Promise<Submitted> {
    signal?.throwIfAborted();
    if (this.#stop.signal.aborted) throw new TrustixError("CLOSED", "the log is being closed");
    const id = this.#identify(entry);
    const known = this.#index.find(id) ?? this.#inFlight.get(id.digest);
    if (known !== undefined) return { index: await orAbort(known, signal), isNew: false };
    this.#checkRoom(entry);
    const { promise, resolve, reject } = Promise.withResolvers<number>();
    this.#inFlight.set(id.digest, promise);
    this.#queue.push({ id, entry, accept: resolve, reject });
    this.#count(entry);
    this.#wake();
    return { index: await orAbort(promise, signal), isNew: true };
  }

  /** Forgets entries that were published. */
  release(entries: readonly Uint8Array[]): void {
    for (const entry of entries) {
      this.#pendingEntries--;
      this.#pendingBytes -= entry.length;
    }
  }

  /** Takes no more, and returns when all that was taken is durable or turned away. */
  async close(): Promise<void> {
    this.#stop.abort();
    await this.#run;
  }

  #identify(entry: Uint8Array): ClaimId {
    try {
      const { key, statement } = this.#protocol.parseEntry(entry);
      return claimId(key, statement);
    } catch (cause) {
      if (!(cause instanceof NixError)) throw cause;
      throw new TrustixError(
        "INVALID_ARGUMENT",
        `not an entry of protocol ${this.#protocol.name}: ${cause.message}`,
        {
          cause,
        },
      );
    }
  }

  #checkRoom(entry: Uint8Array): void {
    if (this.#failure) throw this.#failure;
    const { maxPendingEntries, maxPendingBytes } = this.#limits;
    if (
      this.#pendingEntries >= maxPendingEntries ||
      this.#pendingBytes + entry.length > maxPendingBytes ||
      this.#index.backlog >= MAX_INDEX_BACKLOG
    ) {
      throw new TrustixError("PUSHBACK", `${this.#pendingEntries} claims are waiting to be published`, {
        hint: "Submit again a little later.",
        retryAfterMs: FULL_RETRY_MS,
      });
    }
  }

  #count(entry: Uint8Array): void {
    this.#pendingEntries++;
    this.#pendingBytes += entry.length;
  }

  #wake(): void {
    this.#run ??= this.#writeAll().finally(() => {
      this.#run = undefined;
    });
  }

  async #writeAll(): Promise<void> {
    // One turn of the event loop, so that what is submitted together is written together.
    await new Promise(setImmediate);
    // After a failure, writing no entries tells whether the disk takes writes again.
    while (this.#queue.length > 0 || this.#failure || this.#journal.durableSize < this.#journal.nextIndex) {
      const group = this.#takeGroup();
      try {
        await this.#journal.append(group.map(({ entry }) => entry));
      } catch (cause) {
        await this.#fail(group, cause);
        if (this.#stop.signal.aborted) return;
        continue;
      }
      if (this.#failure) this.#onRecovered(this.#failure);
      this.#failure = undefined;
      this.#backoff.reset();
      const first = this.#journal.nextIndex - group.length;
      for (const [i, { id, accept }] of group.entries()) {
        this.#index.add(id);
        this.#inFlight.delete(id.digest);
        accept(first + i);
      }
      this.#onDurable();
    }
  }

  #takeGroup(): Waiting[] {
    let count = 0;
    for (let bytes = 0; count < Math.min(GROUP, this.#queue.length); count++) {
      bytes += this.#queue[count]!.entry.length;
      if (bytes > GROUP_BYTES && count > 0) break;
    }
    return this.#queue.splice(0, count);
  }

  /** Turns away all that waits, and whatever comes while it is no use to try again. */
  async #fail(group: readonly Waiting[], cause: unknown): Promise<void> {
    const delayMs = this.#backoff.next();
    this.#failure = new TrustixError("PUSHBACK", "the log's disk takes no writes now", {
      hint: "Submit again later. The log's owner: see that the disk has room and no errors.",
      retryAfterMs: Math.max(1000, delayMs),
      cause,
    });
    for (const { id, entry, reject } of [...group, ...this.#queue.splice(0)]) {
      this.#inFlight.delete(id.digest);
      this.release([entry]);
      reject(this.#failure);
    }
    this.#onProblem(this.#failure);
    await this.#backoff.wait(delayMs, this.#stop.signal);
  }
}

/** The value, unless the signal comes first. */
export async function orAbort<T>(value: Promise<T> | T, signal: AbortSignal | undefined): Promise<T> {
  if (!signal) return value;
  signal.throwIfAborted();
  const { promise, reject } = Promise.withResolvers<never>();
  const abort = () => reject(signal.reason);
  signal.addEventListener("abort", abort, { once: true });
  try {
    return await Promise.race([value, promise]);
  } finally {
    signal.removeEventListener("abort", abort);
  }
}
