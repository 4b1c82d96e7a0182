// Questions about all paths and builders, put to the thread that answers them.
import { once } from "node:events";
import { Worker } from "node:worker_threads";
import { TrustixError } from "../errors.ts";
import type { ApiInsight } from "../http/insight.ts";
import type {
  BuildersJson,
  LiveEventJson,
  OverviewJson,
  PathDetailJson,
  PathPageJson,
  PathsQuery,
  ReportJson,
  ReportRequest,
} from "../http/insight-schema.ts";
import { threadUrl } from "../threads.ts";
import type { FromInsight, InsightThreadData, Question, ToInsight } from "./insight-thread.ts";
import type { Logger } from "./logger.ts";

/** Questions that may wait for an answer. */
const MAX_WAITING = 1024;

/** Waits after failures: the first, and the longest; they double in between. */
const RESTART = { firstMs: 1000, longestMs: 5 * 60_000 };

const WORKER = threadUrl("./insight-thread", import.meta.url);

/** See the head of this file. Disposing ends the thread. */
export class Insight implements ApiInsight, AsyncDisposable {
  readonly #data: InsightThreadData;
  readonly #logger: Logger;
  #worker: Worker;
  readonly #waiting = new Map<number, PromiseWithResolvers<unknown>>();
  readonly #listeners = new Set<(event: LiveEventJson) => void>();
  #calls = 0;
  #live: LiveEventJson = { version: 0, claims: 0, behind: 0, paths: 0, disputed: 0 };
  /** Why there is no thread now. */
  #end: TrustixError | undefined;
  #failures = 0;
  #restart: NodeJS.Timeout | undefined;
  #isClosing = false;

  /** Starts the thread; answers come once what is there has been read. One that fails is started again after a while. */
  constructor(data: InsightThreadData, logger: Logger) {
    this.#data = data;
    this.#logger = logger;
    this.#worker = this.#start();
  }

  #start(): Worker {
    const worker = new Worker(WORKER, { workerData: this.#data });
    worker.on("message", (message: FromInsight) => {
      if ("live" in message) this.#tell(message.live);
      else if ("problem" in message)
        this.#logger.warn({ err: message.problem }, "analysis cannot be read now");
      else this.#settle(message);
    });
    worker.on("error", (err) => {
      if (this.#isClosing) return;
      const delayMs = Math.min(RESTART.firstMs * 2 ** this.#failures++, RESTART.longestMs);
      this.#logger.error({ err, delayMs }, "the thread that answers questions failed and is started again");
      this.#stop(
        new TrustixError("PUSHBACK", "the thread that answers questions is started again", {
          retryAfterMs: delayMs,
          hint: "Come again as Retry-After says; the log of the daemon says why.",
        }),
      );
      this.#restart = setTimeout(() => {
        this.#end = undefined;
        this.#worker = this.#start();
      }, delayMs).unref();
    });
    worker.on("exit", () => this.#stop(new TrustixError("CLOSED", "the node is stopping")));
    return worker;
  }

  overview(): Promise<OverviewJson> {
    return this.#ask({ about: "overview" });
  }

  builders(): Promise<BuildersJson> {
    return this.#ask({ about: "builders" });
  }

  /** @throws TrustixError `INVALID_ARGUMENT` for a cursor that was not handed out for this query */
  paths(query: PathsQuery): Promise<PathPageJson> {
    return this.#ask({ about: "paths", query });
  }

  /** @throws TrustixError `NOT_FOUND` when nobody has a claim on it */
  path(hashPart: string): Promise<PathDetailJson> {
    return this.#ask({ about: "path", hashPart });
  }

  /** @throws TrustixError `INVALID_ARGUMENT` for a path that is none, or a span that ends before it begins */
  report(request: ReportRequest, signal: AbortSignal): Promise<ReportJson> {
    return this.#ask({ about: "report", request }, signal);
  }

  live(): LiveEventJson {
    return this.#live;
  }

  onChange(listener: (event: LiveEventJson) => void): Disposable {
    this.#listeners.add(listener);
    return { [Symbol.dispose]: () => void this.#listeners.delete(listener) };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isClosing = true;
    clearTimeout(this.#restart);
    if (this.#end !== undefined) return;
    const exit = once(this.#worker, "exit").catch(() => {});
    this.#worker.postMessage("close" satisfies ToInsight);
    await exit;
  }

  async #ask<T>(question: Question, signal?: AbortSignal): Promise<T> {
    if (this.#end !== undefined) throw this.#end;
    signal?.throwIfAborted();
    if (this.#waiting.size >= MAX_WAITING) {
      throw new TrustixError("PUSHBACK", "too many questions wait for an answer", {
        retryAfterMs: 1000,
        hint: "Come again as Retry-After says.",
      });
    }
    const call = ++this.#calls;
    const answer = Promise.withResolvers<unknown>();
    this.#waiting.set(call, answer);
    this.#worker.postMessage({ call, question } satisfies ToInsight);
    const cancel = (): void => this.#worker.postMessage({ cancel: call } satisfies ToInsight);
    signal?.addEventListener("abort", cancel, { once: true });
    try {
      return (await answer.promise) as T;
    } finally {
      signal?.removeEventListener("abort", cancel);
    }
  }

  #settle(message: Extract<FromInsight, { readonly call: number }>): void {
    const waiting = this.#waiting.get(message.call);
    this.#waiting.delete(message.call);
    if (message.ok) waiting?.resolve(message.value);
    else {
      const { code, message: text, hint } = message;
      waiting?.reject(new TrustixError(code, text, hint === undefined ? {} : { hint }));
    }
  }

  #tell(event: LiveEventJson): void {
    this.#failures = 0;
    this.#live = event;
    for (const listener of this.#listeners) listener(event);
  }

  #stop(reason: TrustixError): void {
    this.#end ??= reason;
    for (const { reject } of this.#waiting.values()) reject(this.#end);
    this.#waiting.clear();
  }
}
