// One log of this node: takes entries, never loses one it acknowledged, and publishes them as a C2SP tiled log.
//
//     submit ─ Intake ─► journal (durable: acknowledged) ─ Sequencer ─► tiles, checkpoint (published)
//                  └► ClaimIndex (what is logged already) ◄──────┘

import { setTimeout } from "node:timers/promises";
import type { Protocol } from "@trustix/nix";
import {
  formatTlogProof,
  type KeySigner,
  parseNote,
  proveInclusion,
  readEntries,
  TILE_WIDTH,
  VerifiedTiles,
} from "@trustix/tlog";
import { TrustixError } from "../errors.ts";
import { type FileSystem, nodeFileSystem } from "../store/file-system.ts";
import type { Sleep } from "./backoff.ts";
import { ClaimIndex, claimId } from "./claim-index.ts";
import { Intake, orAbort, type Submitted } from "./intake.ts";
import { Journal } from "./journal.ts";
import { LogFiles, type LogHead } from "./log-files.ts";
import { type FetchPublished, type RecoveredLog, recoverLog, refuseTwin } from "./recover.ts";
import { Sequencer } from "./sequencer.ts";

/** What a log is, and how it works. */
export interface PublishedLogOptions {
  /** Identity of the log, for ever: a URL without its scheme. */
  readonly origin: string;
  /** Absolute path of the log's own directory; its parent must exist. */
  readonly directory: string;
  /** Time from one checkpoint to the next while claims come in. Default 250. */
  readonly batchMs?: number;
  /** Entries under one checkpoint at most, when that many wait. Default 8,192. */
  readonly maxBatchEntries?: number;
  /** Entries that may wait to be published; more are turned away with `PUSHBACK`. Default 32,768. */
  readonly maxPendingEntries?: number;
  /** Bytes of entries that may wait to be published. Default 32 MiB. */
  readonly maxPendingBytes?: number;
  /** Read and hash the whole log at start, not just its right edge. Default false. */
  readonly verifyAll?: boolean;
}

/** What a log needs from outside. */
export interface PublishedLogDependencies {
  /** How entries are read. */
  readonly protocol: Protocol;
  /** The log's key. */
  readonly signer: KeySigner;
  /** Gets the checkpoint that the world sees, to recognise a state directory restored from an old copy. */
  readonly fetchPublished?: FetchPublished;
  /** Told of failures that the log deals with itself: a full disk, a public address that does not answer. */
  readonly onProblem?: (error: TrustixError) => void;
  /** Default: the file system of the machine. */
  readonly fileSystem?: FileSystem;
  /** Where the index is kept; `:memory:` for tests. Default: in the log's directory. */
  readonly indexPath?: string;
  /** Milliseconds since 1970. Default `Date.now`. */
  readonly now?: () => number;
  /** Waits. Default: a timer. */
  readonly sleep?: Sleep;
}

/** A claim of the log, under a published checkpoint or on its way there. */
export interface LoggedClaim {
  readonly index: number;
  /** The whole entry. Must not be changed. */
  readonly entry: Uint8Array;
  readonly statement: string;
}

/** Figures of a log for metrics and health checks. */
export interface LogStats {
  /** Entries under the published checkpoint. */
  readonly size: number;
  /** Entries that were submitted and are not published yet, and their bytes. */
  readonly pendingEntries: number;
  readonly pendingBytes: number;
  /** When this process last published a checkpoint, in milliseconds since 1970. */
  readonly lastPublishedMs: number | undefined;
  /** The last failure, until it is over or the next checkpoint is published. */
  readonly problem: TrustixError | undefined;
}

/** Claims that `lookup` returns at most, unless told otherwise. */
const LOOKUP_LIMIT = 64;

/**
 * A log that this node writes. Everything an accepted `submit` brought in is published some time, whatever happens between.
 * One process at a time can have it open.
 */
export class PublishedLog implements AsyncDisposable {
  readonly #files: LogFiles;
  readonly #protocol: Protocol;
  readonly #journal: Journal;
  readonly #index: ClaimIndex;
  readonly #intake: Intake;
  readonly #sequencer: Sequencer;
  readonly #onProblem: (error: TrustixError) => void;
  readonly #now: () => number;
  #nextPublication = Promise.withResolvers<void>();
  #lastPublishedMs: number | undefined;
  #problem: TrustixError | undefined;
  #closed: Promise<void> | undefined;

  private constructor(
    options: PublishedLogOptions,
    dependencies: PublishedLogDependencies,
    parts: {
      readonly files: LogFiles;
      readonly journal: Journal;
      readonly index: ClaimIndex;
      readonly recovered: RecoveredLog;
    },
  ) {
    const { protocol, now = Date.now, sleep = sleepOnTimer, onProblem = () => {} } = dependencies;
    this.#files = parts.files;
    this.#protocol = protocol;
    this.#journal = parts.journal;
    this.#index = parts.index;
    this.#now = now;
    this.#onProblem = (error) => {
      this.#problem = error;
      onProblem(error);
    };
    this.#sequencer = new Sequencer({
      files: parts.files,
      journal: parts.journal,
      builder: parts.recovered.builder,
      head: parts.recovered.head,
      batch: { batchMs: options.batchMs ?? 250, maxBatchEntries: options.maxBatchEntries ?? 8192 },
      now,
      sleep,
      onPublished: (_head, entries) => this.#afterPublication(entries),
      onProblem: this.#onProblem,
    });
    this.#intake = new Intake({
      protocol,
      journal: parts.journal,
      index: parts.index,
      limits: {
        maxPendingEntries: options.maxPendingEntries ?? 32_768,
        maxPendingBytes: options.maxPendingBytes ?? 32 << 20,
      },
      sleep,
      onDurable: () => this.#sequencer.wake(),
      onProblem: this.#onProblem,
      onRecovered: (error) => {
        if (this.#problem === error) this.#problem = undefined;
      },
    });
  }

  /**
   * Opens a log, or creates it: its directory and the checkpoint of the empty tree.
   *
   * Throws `STATE_LOCKED` when a process has it open, `STATE_ROLLED_BACK` when its state is older than what was published,
   * `LOG_FORKED` when what was published contradicts it, `LOG_MISMATCH` when it is another log's or the log is in another
   * directory beside this one, `STATE_CORRUPT` when it is damaged, `STORAGE_FAILED` when it cannot be read or written.
   */
  static async open(
    options: PublishedLogOptions,
    dependencies: PublishedLogDependencies,
  ): Promise<PublishedLog> {
    const {
      fileSystem = nodeFileSystem,
      protocol,
      signer,
      fetchPublished,
      onProblem = () => {},
    } = dependencies;
    const files = new LogFiles(fileSystem, options.directory, options.origin, signer);
    let index: ClaimIndex | undefined;
    try {
      await refuseTwin(files);
      await fileSystem.makeDirectory(options.directory);
      index = ClaimIndex.open(dependencies.indexPath ?? files.indexPath, files.logId);
      const recovered = await recoverLog(files, {
        fetchPublished,
        onProblem,
        verifyAll: options.verifyAll ?? false,
      });
      const place = { directory: files.journalDirectory, logId: files.logId };
      const journal = await Journal.open(fileSystem, place, recovered.head.size);
      await fillIndex(index, files, protocol, journal, recovered.head);
      return new PublishedLog(options, dependencies, { files, journal, index, recovered });
    } catch (cause) {
      index?.[Symbol.dispose]();
      throw cause instanceof TrustixError ? cause : files.unreadable(cause);
    }
  }

  /** Identity of the log. */
  get origin(): string {
    return this.#files.origin;
  }

  /** The directory to serve, with `checkpoint` and `tile/…`. A web server may serve it as it is. */
  get directory(): string {
    return this.#files.publicDirectory;
  }

  /** The published checkpoint. `note` is the same array until there is a newer one. */
  published(): LogHead {
    return this.#sequencer.head;
  }

  /** Figures for metrics and health checks. */
  stats(): LogStats {
    return {
      size: this.#sequencer.head.size,
      pendingEntries: this.#intake.pendingEntries,
      pendingBytes: this.#intake.pendingBytes,
      lastPublishedMs: this.#lastPublishedMs,
      problem: this.#problem,
    };
  }

  /**
   * Takes an entry; resolves once it is durable: it will be published at this index whatever happens. If it has the same
   * statement about the same key as an earlier one, nothing is added and the index is the earlier one's. The caller must
   * not change `entry` any more. An aborted submission may still be taken; to submit again is always safe.
   *
   * Throws `PUSHBACK` when too much waits or the disk fails, with `retryAfterMs`; `INVALID_ARGUMENT` when it is no entry of
   * the log's protocol; `CLOSED`; and the signal's reason.
   */
  submit(entry: Uint8Array, options: { readonly signal?: AbortSignal } = {}): Promise<Submitted> {
    return this.#intake.submit(entry, options.signal);
  }

  /**
   * Waits until the entry at an index is under a published checkpoint and returns that, or a later one.
   *
   * Throws `CLOSED` when the log is closed before, and the signal's reason.
   */
  async whenPublished(index: number, options: { readonly signal?: AbortSignal } = {}): Promise<LogHead> {
    while (this.#sequencer.head.size <= index) await orAbort(this.#nextPublication.promise, options.signal);
    return this.#sequencer.head;
  }

  /**
   * Whether there is a claim about a key, 32 bytes, published or on its way. Asks the index only, which knows the first 48
   * bits of a key: of a key without claims it says yes once in 2^48 / `size` times.
   *
   * Throws `STATE_CORRUPT`.
   */
  has(key: Uint8Array): boolean {
    return this.#index.has(key);
  }

  /**
   * The claims about a key, 32 bytes, oldest first, published or on their way: the newest `limit` of them, by default 64.
   *
   * Throws `STORAGE_FAILED`, `STATE_CORRUPT`.
   */
  async lookup(key: Uint8Array, limit: number = LOOKUP_LIMIT): Promise<LoggedClaim[]> {
    const claims: LoggedClaim[] = [];
    for (const index of this.#index.candidates(key).slice(-limit)) {
      const entry = await this.entry(index);
      const { key: entryKey, statement } = this.#protocol.parseEntry(entry);
      if (Buffer.compare(entryKey, key) === 0) claims.push({ index, entry, statement });
    }
    return claims;
  }

  /**
   * The entry at an index, published or on its way. Must not be changed.
   *
   * Throws `NOT_FOUND` when the log has none there, `STORAGE_FAILED`, `STATE_CORRUPT`.
   */
  async entry(index: number): Promise<Uint8Array> {
    if (!Number.isSafeInteger(index) || index < 0 || index >= this.#index.size) {
      throw new TrustixError("NOT_FOUND", `log ${this.origin} has no entry ${index}`);
    }
    if (index >= this.#journal.firstIndex) return this.#journal.entries(index, index + 1)[0]!;
    try {
      const bundle = await this.#files.readBundle(Math.floor(index / TILE_WIDTH), this.#sequencer.head.size);
      return bundle[index % TILE_WIDTH]!;
    } catch (cause) {
      throw cause instanceof TrustixError ? cause : this.#files.unreadable(cause);
    }
  }

  /**
   * The proof that the entry at an index is under the published checkpoint: a `.tlog-proof` file.
   *
   * Throws `NOT_FOUND` when that does not cover the index (yet, see `whenPublished`), `STORAGE_FAILED`, `STATE_CORRUPT`.
   */
  async proof(index: number): Promise<string> {
    const head = this.#sequencer.head;
    if (!Number.isSafeInteger(index) || index < 0 || index >= head.size) {
      throw new TrustixError("NOT_FOUND", `log ${this.origin} has published no entry ${index}`);
    }
    try {
      const tiles = new VerifiedTiles({ checkpoint: head, source: this.#files.source });
      const hashes = await proveInclusion(index, head.size, tiles);
      return formatTlogProof({ index, hashes, checkpoint: parseNote(head.note) });
    } catch (cause) {
      throw this.#files.unreadable(cause);
    }
  }

  /** Takes no more, publishes what it has unless the disk fails, and closes the files. */
  [Symbol.asyncDispose](): Promise<void> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  #afterPublication(entries: readonly Uint8Array[]): void {
    this.#lastPublishedMs = this.#now();
    this.#problem = undefined;
    this.#intake.release(entries);
    this.#nextPublication.resolve();
    this.#nextPublication = Promise.withResolvers();
    this.#index.settle(this.#sequencer.head.size).catch((cause: unknown) => this.#reportIndex(cause));
  }

  #reportIndex(cause: unknown): void {
    const text = `log ${this.origin}: cannot write the index`;
    this.#onProblem(
      new TrustixError("STORAGE_FAILED", text, { hint: "See that the disk has room and no errors.", cause }),
    );
  }

  async #close(): Promise<void> {
    await this.#intake.close();
    await this.#sequencer.close();
    const closed = new TrustixError("CLOSED", `log ${this.origin} is closed`);
    this.#nextPublication.promise.catch(() => {});
    this.#nextPublication.reject(closed);
    const { size } = this.#sequencer.head;
    // Whatever is on its way into the index gets there, before the database is closed under it.
    const settled = this.#index.size === size ? this.#index.flush() : this.#index.settle(size);
    await settled.catch((cause: unknown) => this.#reportIndex(cause));
    this.#index[Symbol.dispose]();
    await this.#journal[Symbol.asyncDispose]();
  }
}

async function sleepOnTimer(ms: number, signal: AbortSignal): Promise<void> {
  await setTimeout(ms, undefined, { signal }).catch(() => {});
}

/** Adds the claims that the index lacks: published ones, then those in the journal. */
async function fillIndex(
  index: ClaimIndex,
  files: LogFiles,
  protocol: Protocol,
  journal: Journal,
  head: LogHead,
): Promise<void> {
  const { size } = head;
  const add = (entry: Uint8Array) => {
    const { key, statement } = protocol.parseEntry(entry);
    index.add(claimId(key, statement));
  };
  if (index.cursor > size) index.clear();
  try {
    for await (const { entries } of readEntries({
      checkpoint: head,
      source: files.source,
      from: index.size,
    })) {
      for (const entry of entries) add(entry);
      await index.settle(size);
    }
  } catch (cause) {
    throw files.unreadable(cause);
  }
  for (const entry of journal.entries(size, journal.nextIndex)) add(entry);
}
