// Waiting longer after each failure in a row.

/** Waits; resolves early when the signal comes. */
export type Sleep = (ms: number, signal: AbortSignal) => Promise<void>;

const FIRST_MS = 100;
const LONGEST_MS = 5000;

/** Delays of 100 ms, doubling up to 5 s, until `reset`. */
export class Backoff {
  readonly #sleep: Sleep;
  #nextMs = FIRST_MS;

  constructor(sleep: Sleep) {
    this.#sleep = sleep;
  }

  /** The delay after one more failure. */
  next(): number {
    const delayMs = this.#nextMs;
    this.#nextMs = Math.min(LONGEST_MS, 2 * delayMs);
    return delayMs;
  }

  wait(delayMs: number, signal: AbortSignal): Promise<void> {
    return this.#sleep(delayMs, signal);
  }

  reset(): void {
    this.#nextMs = FIRST_MS;
  }
}
