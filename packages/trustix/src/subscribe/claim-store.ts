// What the subscribed logs say: one SQLite database for the node, in which every claim stands that was proven to be in
// a log, and how far each log has been read.
//
// The logs are the truth, and this can always be made from them again. Claims and the place behind them are written in
// one transaction, so that after a crash reading goes on exactly where it was. A thread of its own writes; answers are read
// here, and never from a transaction that is still open.

import { once } from "node:events";
import { Worker } from "node:worker_threads";
import { TrustixError } from "../errors.ts";
import { threadUrl } from "../threads.ts";
import { ClaimReader, type StoredCheckpoint, type StoredClaim } from "./claim-reader.ts";
import type { ClaimBatch, ClaimWriter, LogFault, LogIdentity, LogState, StoredHead } from "./claim-writer.ts";
import type { FromWriter, ToWriter } from "./claim-writer-thread.ts";

const WORKER = threadUrl("./claim-writer-thread", import.meta.url);

/** The claims of all subscribed logs. */
export class ClaimStore implements AsyncDisposable {
  readonly #writer: WriterThread;
  readonly #reader: ClaimReader;
  /** The file: a `ClaimReader` can read it in any thread. */
  readonly path: string;

  private constructor(path: string, writer: WriterThread) {
    this.path = path;
    this.#writer = writer;
    this.#reader = new ClaimReader(path);
  }

  /**
   * Opens the database at `path`, or starts an empty one when there is none. One of an older version is brought up to date.
   *
   * Throws `STATE_LOCKED` when another process writes to it, `STATE_CORRUPT` when it is damaged or of a newer version,
   * `STORAGE_FAILED` when it cannot be created.
   */
  static async open(path: string): Promise<ClaimStore> {
    return new ClaimStore(path, await WriterThread.start(path));
  }

  /** The state of a log, which begins empty. */
  log(identity: LogIdentity): Promise<LogState> {
    return this.#writer.log("log", [identity]);
  }

  /**
   * All claims for a map key (32 bytes), by log and index; a few for each log. Claims about another key may be among them:
   * check what the statements are about.
   */
  claims(key: Uint8Array): StoredClaim[] {
    return this.#reader.claims(key);
  }

  /**
   * Claims by key, a page of keys at a time, in no meaningful order.
   * @param keys of one page
   */
  pages(keys: number): Generator<StoredClaim[]> {
    return this.#reader.pages(keys);
  }

  /**
   * Statements of protocol `nix` about paths of a name, such as `hello-2.12.1`, or of any version of it, such as `hello`. Each
   * once, up to a number. Reads all that there are.
   */
  named(storeDir: string, name: string, limit: number): string[] {
    return this.#reader.named(storeDir, name, limit);
  }

  /** Accepted checkpoints of a log, newest first, up to a number; the newest thousand are kept. */
  checkpoints(log: number, limit: number): StoredCheckpoint[] {
    return this.#reader.checkpoints(log, limit);
  }

  /** Makes `head` the one that every later checkpoint must extend. It is the end of any rollback. */
  saveHead(log: number, head: StoredHead): Promise<LogState> {
    return this.#writer.log("update", [log, { head, rolledBackSinceMs: undefined }]);
  }

  /** Notes since when the log shows a smaller tree, or that it does not any more. */
  saveRollback(log: number, sinceMs: number | undefined): Promise<LogState> {
    return this.#writer.log("update", [log, { rolledBackSinceMs: sinceMs }]);
  }

  /** Notes that a log does not count, or, with `undefined`, that it counts again. */
  saveFault(log: number, fault: LogFault | undefined): Promise<LogState> {
    return this.#writer.log("update", [log, { fault, rolledBackSinceMs: undefined }]);
  }

  /**
   * Stores a batch, with the place behind it, in one transaction; rejects with `INVALID_ARGUMENT` when reading stands
   * elsewhere. After it rejects nothing has changed.
   */
  append(log: number, batch: ClaimBatch): Promise<LogState> {
    return this.#writer.log("append", [log, batch]);
  }

  /** Forgets a log's claims, head and faults: it begins empty again. */
  forget(log: number): Promise<LogState> {
    return this.#writer.log("forget", [log]);
  }

  /** Drops the change feed up to a number: whoever follows it has seen that part. */
  async trimFeed(seq: number): Promise<void> {
    await this.#writer.call("trimFeed", [seq]);
  }

  /** Waits for what is being written, and closes the database. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#reader[Symbol.dispose]();
    await this.#writer.close();
  }
}

/** Calls the methods of a `ClaimWriter` in its thread, in order. */
class WriterThread {
  readonly #worker: Worker;
  readonly #waiting = new Map<number, PromiseWithResolvers<LogState | undefined>>();
  #calls = 0;
  /** Why there is no thread any more. */
  #end: TrustixError | undefined;

  private constructor(worker: Worker) {
    this.#worker = worker;
    worker.on("message", (answer: FromWriter) => {
      const { resolve, reject } = this.#waiting.get(answer.call)!;
      this.#waiting.delete(answer.call);
      if (answer.ok) resolve(answer.state);
      else
        reject(
          new TrustixError(
            answer.code,
            answer.message,
            answer.hint === undefined ? {} : { hint: answer.hint },
          ),
        );
    });
    worker.on("error", (cause) => {
      this.#stop(new TrustixError("INTERNAL", "the thread that writes claims failed", { cause }));
    });
    worker.on("exit", () => this.#stop(new TrustixError("CLOSED", "the claim store is closed")));
  }

  static async start(path: string): Promise<WriterThread> {
    const thread = new WriterThread(
      new Worker(WORKER, { workerData: path, resourceLimits: { maxYoungGenerationSizeMb: 16 } }),
    );
    const opened = Promise.withResolvers<LogState | undefined>();
    thread.#waiting.set(0, opened);
    try {
      await opened.promise;
      return thread;
    } catch (error) {
      await thread.#worker.terminate();
      throw error;
    }
  }

  /** Calls a method that returns the state of a log. */
  async log<M extends Exclude<ToWriter["method"], "trimFeed">>(
    method: M,
    args: Parameters<ClaimWriter[M]>,
  ): Promise<LogState> {
    return (await this.call(method, args))!;
  }

  async call<M extends ToWriter["method"]>(
    method: M,
    args: Parameters<ClaimWriter[M]>,
  ): Promise<LogState | undefined> {
    if (this.#end !== undefined) throw this.#end;
    const call = ++this.#calls;
    const answer = Promise.withResolvers<LogState | undefined>();
    this.#waiting.set(call, answer);
    this.#worker.postMessage({ call, method, args });
    return answer.promise;
  }

  async close(): Promise<void> {
    if (this.#end !== undefined) return;
    const exit = once(this.#worker, "exit");
    this.#worker.postMessage("close");
    await exit;
  }

  #stop(reason: TrustixError): void {
    this.#end ??= reason;
    for (const { reject } of this.#waiting.values()) reject(this.#end);
    this.#waiting.clear();
  }
}
