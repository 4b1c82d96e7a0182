// Worker threads that check xz-compressed NARs: its decompression is too slow for the thread that serves requests.
import { Worker } from "node:worker_threads";
import { threadUrl } from "../threads.ts";
import { type ExpectedNar, expectNar, narMismatch } from "./nar-mismatch.ts";
import type { NarVerifier } from "./nar-verifier.ts";

export type ToXzWorker =
  | { readonly type: "start"; readonly maxBytes: number }
  | { readonly type: "chunk"; readonly chunk: Uint8Array }
  | { readonly type: "end" }
  /** No more jobs: ends what runs, and the thread. */
  | { readonly type: "stop" };

export type FromXzWorker =
  | { readonly type: "taken"; readonly bytes: number }
  | { readonly type: "done"; readonly size: number; readonly digest: Uint8Array }
  | { readonly type: "failed"; readonly reason: string };

/** What a worker is started with. */
export interface XzWorkerData {
  /** The program that takes large files. */
  readonly program: string | undefined;
}

/** How long a worker may take to end by itself. */
const STOP_MS = 1000;
/** Bytes sent ahead to a worker before the sender has to wait. */
const AHEAD_BYTES = 512 * 1024;

const WORKER = threadUrl("./xz-worker", import.meta.url);

/** At most `size` workers, started when needed, kept for the next job. */
export class XzPool implements AsyncDisposable {
  readonly #size: number;
  readonly #data: XzWorkerData;
  readonly #idle: Worker[] = [];
  readonly #waiting: ((worker: Worker) => void)[] = [];
  #running = 0;

  /**
   * @param size most workers; each has a decompressor of up to 64 MiB
   * @param program the program `xz`, as a path or a name on the PATH; what it cannot do is done without it
   */
  constructor(size: number, program?: string) {
    this.#size = size;
    this.#data = { program };
  }

  /** A verifier that waits for a free worker, if need be, when it is first written to. */
  verify(expected: ExpectedNar): NarVerifier {
    return new XzVerifier(this, expected);
  }

  async acquire(): Promise<Worker> {
    const idle = this.#idle.pop();
    if (idle !== undefined) {
      idle.ref();
      return idle;
    }
    if (this.#running < this.#size) return this.#start();
    return await new Promise((resolve) => this.#waiting.push(resolve));
  }

  #start(): Worker {
    this.#running++;
    return new Worker(WORKER, { workerData: this.#data });
  }

  /** Gives a worker back after a whole job. */
  release(worker: Worker): void {
    const next = this.#waiting.shift();
    if (next !== undefined) {
      next(worker);
      return;
    }
    worker.unref();
    this.#idle.push(worker);
  }

  /** Ends a worker in the middle of a job; who waits gets a new one. */
  discard(worker: Worker): void {
    worker.on("error", () => {});
    // One that decompresses by itself may be deep in it.
    const timer = setTimeout(() => void worker.terminate(), STOP_MS);
    worker.once("exit", () => clearTimeout(timer));
    worker.postMessage({ type: "stop" } satisfies ToXzWorker);
    this.#running--;
    const next = this.#waiting.shift();
    if (next !== undefined) next(this.#start());
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#idle.splice(0).map((worker) => worker.terminate()));
  }
}

type Result = Extract<FromXzWorker, { type: "done" }>;

class XzVerifier implements NarVerifier {
  readonly #pool: XzPool;
  readonly #expected: ExpectedNar;
  readonly #result = Promise.withResolvers<Result>();
  #worker: Worker | undefined;
  #starting: Promise<void> | undefined;
  #aheadBytes = 0;
  #full: PromiseWithResolvers<void> | undefined;
  #isOver = false;

  constructor(pool: XzPool, expected: ExpectedNar) {
    this.#pool = pool;
    this.#expected = expected;
    this.#result.promise.catch(() => {});
  }

  write(chunk: Uint8Array): Promise<void> | undefined {
    this.#starting ??= this.#start();
    return this.#worker === undefined ? this.#starting.then(() => this.#send(chunk)) : this.#send(chunk);
  }

  async #start(): Promise<void> {
    const worker = await this.#pool.acquire();
    if (this.#isOver) {
      this.#pool.release(worker);
      throw narMismatch("the verifier was closed");
    }
    this.#worker = worker;
    worker.on("message", this.#onMessage).on("error", this.#onError).on("exit", this.#onExit);
    this.#post({ type: "start", maxBytes: this.#expected.narSize });
  }

  #post(message: ToXzWorker, transfer: readonly ArrayBuffer[] = []): void {
    this.#worker?.postMessage(message, transfer);
  }

  #send(chunk: Uint8Array): Promise<void> | undefined {
    if (this.#isOver) return this.#result.promise.then((result) => this.#judge(result));
    this.#aheadBytes += chunk.length;
    // A copy: the chunk goes on to the client, and may be a small part of a large buffer.
    const copy = new Uint8Array(chunk);
    this.#post({ type: "chunk", chunk: copy }, [copy.buffer]);
    if (this.#aheadBytes < AHEAD_BYTES) return undefined;
    this.#full ??= Promise.withResolvers<void>();
    return this.#full.promise;
  }

  readonly #onError = (error: Error): void => this.#fail(`the xz worker failed: ${error.message}`);
  readonly #onExit = (): void => this.#fail("the xz worker ended");
  readonly #onMessage = (message: FromXzWorker): void => {
    switch (message.type) {
      case "taken":
        this.#aheadBytes -= message.bytes;
        if (this.#aheadBytes < AHEAD_BYTES) this.#letGo();
        break;
      case "done":
        // One that stopped early keeps input and a decompressor behind: only after a whole job is a worker clean.
        this.#settle(message.size <= this.#expected.narSize);
        this.#result.resolve(message);
        break;
      case "failed":
        this.#fail(`the NAR cannot be decompressed (${message.reason})`);
        break;
      default:
        message satisfies never;
    }
  };

  /** The worker's part is over; a writer that waits finds out with its next chunk. */
  #settle(isClean: boolean): void {
    this.#isOver = true;
    this.#letGo();
    const worker = this.#worker;
    this.#worker = undefined;
    if (worker === undefined) return;
    worker.off("message", this.#onMessage).off("error", this.#onError).off("exit", this.#onExit);
    if (isClean) this.#pool.release(worker);
    else this.#pool.discard(worker);
  }

  #letGo(): void {
    this.#full?.resolve();
    this.#full = undefined;
  }

  #fail(why: string): void {
    if (this.#isOver) return;
    this.#settle(false);
    this.#result.reject(narMismatch(why));
  }

  #judge({ digest, size }: Result): void {
    expectNar(this.#expected, digest, size);
  }

  async finish(): Promise<void> {
    this.#starting ??= this.#start();
    await this.#starting;
    this.#post({ type: "end" });
    this.#judge(await this.#result.promise);
  }

  [Symbol.dispose](): void {
    this.#fail("the verifier was closed");
  }
}
