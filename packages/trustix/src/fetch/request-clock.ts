// The time limit of a request to another machine. Only the other side's time counts: a wait for one of our own connections,
// when we have many requests to that machine, says nothing about it, and has a limit of its own.
import { TrustixError } from "../errors.ts";

/** A request that waited too long for one of our own connections: the code of its error is `PUSHBACK`. */
export function isOwnDelay(error: unknown): boolean {
  return error instanceof TrustixError && error.code === "PUSHBACK";
}

/**
 * Runs while a request has a connection, and stands still while it waits for one. Starts as having one, so that a remote
 * without connections need not know of it. Dispose it when the answer is there.
 */
export class RequestClock implements Disposable {
  readonly #ended = new AbortController();
  readonly #limitMs: number;
  #leftMs: number;
  #runningSinceMs: number | undefined;
  #timer: NodeJS.Timeout | undefined;

  /** @param limitMs the other side's time in all, and the longest of our own waits for a connection */
  constructor(limitMs: number) {
    this.#limitMs = limitMs;
    this.#leftMs = limitMs;
    this.start();
  }

  /** Ends the request when its time is over; its reason is a TrustixError `PEER_UNREACHABLE`, or `PUSHBACK` when the time was our own. */
  get signal(): AbortSignal {
    return this.#ended.signal;
  }

  /** The request begins to wait for a connection. */
  pause(): void {
    if (this.#runningSinceMs !== undefined) this.#leftMs -= performance.now() - this.#runningSinceMs;
    this.#runningSinceMs = undefined;
    this.#endIn(
      this.#limitMs,
      () => new TrustixError("PUSHBACK", "too many requests of this node's own wait for a connection"),
    );
  }

  /** The request has a connection. */
  start(): void {
    this.#runningSinceMs ??= performance.now();
    this.#endIn(
      this.#leftMs,
      () => new TrustixError("PEER_UNREACHABLE", `no answer within ${this.#limitMs} ms`),
    );
  }

  #endIn(timeMs: number, reason: () => TrustixError): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#ended.abort(reason()), Math.max(0, timeMs));
  }

  [Symbol.dispose](): void {
    clearTimeout(this.#timer);
  }
}
