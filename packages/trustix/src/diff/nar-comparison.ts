// One comparison of two NARs, in a thread of its own, which is ended with it.
import { Worker } from "node:worker_threads";
import { TrustixError } from "../errors.ts";
import { threadUrl } from "../threads.ts";
import type { FromDiffThread, ToDiffThread } from "./diff-thread.ts";
import type { NarDiff } from "./nar-diff.ts";
import type { StatedNar } from "./unpack-nar.ts";

/** Takes the compressed bytes of one NAR; disposing gives up. */
export interface NarReceiver extends Disposable {
  /**
   * Takes the next bytes. A promise asks the caller to wait with more.
   * @throws TrustixError `NAR_MISMATCH`, `STORAGE_FAILED`, from here or from the promise, as soon as it is sure
   */
  write(chunk: Uint8Array): Promise<void> | undefined;
  /** After the last byte: the NAR is in its file, and proven. @throws as {@link write} */
  finish(): Promise<void>;
}

/** Bytes sent ahead to the thread before the sender has to wait. */
const AHEAD_BYTES = 512 * 1024;
/** For comparing; what is looked into is bounded, so it takes seconds, and the worst that anybody can make a minute or so. */
const COMPARE_TIMEOUT_MS = 15 * 60_000;
const MAX_HEAP_MB = 512;

const THREAD = threadUrl("./diff-thread", import.meta.url);

type Failure = Extract<FromDiffThread, { type: "received" }>["failure"];

const errorOf = ({ code, message, hint }: NonNullable<Failure>): TrustixError =>
  new TrustixError(code, message, hint === undefined ? {} : { hint });

/** Receives NARs, then compares two of them. */
export class NarComparison implements AsyncDisposable {
  readonly #worker = new Worker(THREAD, { resourceLimits: { maxOldGenerationSizeMb: MAX_HEAP_MB } });
  readonly #transfers = new Map<number, Transfer>();
  #compared: PromiseWithResolvers<NarDiff> | undefined;
  #failure: TrustixError | undefined;
  #nextTransfer = 0;

  constructor() {
    this.#worker.on("message", (message: FromDiffThread) => this.#take(message));
    this.#worker.on("error", (cause) => this.#end(`the thread of the comparison failed: ${cause.message}`));
    this.#worker.on("exit", () => this.#end("the thread of the comparison ended"));
  }

  /**
   * Begins to receive a NAR into a file.
   * @param onBytes told how many bytes of the NAR are there, now and then
   */
  receive(
    compression: string,
    stated: StatedNar,
    path: string,
    onBytes: (bytes: number) => void,
  ): NarReceiver {
    const number = this.#nextTransfer++;
    const send = (message: ToDiffThread, transfer: readonly ArrayBuffer[] = []): void =>
      this.#worker.postMessage(message, transfer);
    const transfer = new Transfer(number, send, onBytes, () => this.#transfers.delete(number));
    this.#transfers.set(number, transfer);
    send({ type: "receive", transfer: number, compression, stated, path });
    if (this.#failure !== undefined) transfer.end(this.#failure);
    return transfer;
  }

  /**
   * Compares two files that were received.
   * @throws TrustixError `NAR_UNAVAILABLE` when one is no well-formed NAR, `INTERNAL`
   */
  async compare(before: string, after: string): Promise<NarDiff> {
    if (this.#failure !== undefined) throw this.#failure;
    this.#compared = Promise.withResolvers();
    this.#worker.postMessage({ type: "compare", before, after } satisfies ToDiffThread);
    const timer = setTimeout(() => this.#end("comparing took too long"), COMPARE_TIMEOUT_MS);
    try {
      return await this.#compared.promise;
    } finally {
      clearTimeout(timer);
    }
  }

  #take(message: FromDiffThread): void {
    switch (message.type) {
      case "taken":
        this.#transfers.get(message.transfer)?.taken(message.bytes);
        break;
      case "unpacked":
        this.#transfers.get(message.transfer)?.onBytes(message.bytes);
        break;
      case "received":
        this.#transfers.get(message.transfer)?.end(message.failure && errorOf(message.failure));
        break;
      case "compared":
        if ("diff" in message) this.#compared?.resolve(message.diff);
        else this.#compared?.reject(errorOf(message.failure));
        break;
      default:
        message satisfies never;
    }
  }

  #end(why: string): void {
    this.#failure ??= new TrustixError("INTERNAL", why);
    for (const transfer of this.#transfers.values()) transfer.end(this.#failure);
    this.#compared?.reject(this.#failure);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#worker.terminate();
  }
}

class Transfer implements NarReceiver {
  readonly onBytes: (bytes: number) => void;
  readonly #number: number;
  readonly #send: (message: ToDiffThread, transfer?: readonly ArrayBuffer[]) => void;
  readonly #forget: () => void;
  readonly #received = Promise.withResolvers<void>();
  #aheadBytes = 0;
  #full: PromiseWithResolvers<void> | undefined;
  #isOver = false;

  constructor(
    number: number,
    send: (message: ToDiffThread, transfer?: readonly ArrayBuffer[]) => void,
    onBytes: (bytes: number) => void,
    forget: () => void,
  ) {
    this.#number = number;
    this.#send = send;
    this.#forget = forget;
    this.onBytes = onBytes;
    this.#received.promise.catch(() => {});
  }

  write(chunk: Uint8Array): Promise<void> | undefined {
    // Over before its end: it failed, or there are bytes behind the end.
    if (this.#isOver) return this.#received.promise;
    this.#aheadBytes += chunk.length;
    const copy = new Uint8Array(chunk);
    this.#send({ type: "chunk", transfer: this.#number, chunk: copy }, [copy.buffer]);
    if (this.#aheadBytes < AHEAD_BYTES) return undefined;
    this.#full ??= Promise.withResolvers<void>();
    return this.#full.promise;
  }

  async finish(): Promise<void> {
    this.#send({ type: "end", transfer: this.#number });
    await this.#received.promise;
  }

  taken(bytes: number): void {
    this.#aheadBytes -= bytes;
    if (this.#aheadBytes < AHEAD_BYTES) this.#letGo();
  }

  end(failure: TrustixError | undefined): void {
    this.#isOver = true;
    if (failure === undefined) this.#received.resolve();
    else this.#received.reject(failure);
    this.#letGo();
    this.#forget();
  }

  #letGo(): void {
    this.#full?.resolve();
    this.#full = undefined;
  }

  /** What was given up is cut off: it ends as a NAR that is too short. */
  [Symbol.dispose](): void {
    if (!this.#isOver) this.#send({ type: "end", transfer: this.#number });
  }
}
