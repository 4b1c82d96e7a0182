// A circuit breaker: who fails again and again is left alone for a while, longer each time, and then asked once.

/** When a breaker opens and closes. */
export interface BreakerOptions {
  /** Monotonic milliseconds. */
  readonly now: () => number;
  /** Failures in a row after which it opens. Default 3. */
  readonly threshold?: number;
  /** How long it stays open at first. Default 1,000 ms; doubles with each further failure. */
  readonly minOpenMs?: number;
  /** Default 60,000 ms. */
  readonly maxOpenMs?: number;
}

/** Counts failures of one remote. */
export class Breaker {
  readonly #now: () => number;
  readonly #threshold: number;
  readonly #minOpenMs: number;
  readonly #maxOpenMs: number;
  #failures = 0;
  #openUntilMs = 0;

  constructor(options: BreakerOptions) {
    this.#now = options.now;
    this.#threshold = options.threshold ?? 3;
    this.#minOpenMs = options.minOpenMs ?? 1_000;
    this.#maxOpenMs = options.maxOpenMs ?? 60_000;
  }

  /** Failures since the last success. */
  get failures(): number {
    return this.#failures;
  }

  /** Whether the remote may be asked now. An open breaker whose time is up lets one through, to try. */
  tryEnter(): boolean {
    if (this.#failures < this.#threshold) return true;
    const now = this.#now();
    if (now < this.#openUntilMs) return false;
    this.#openUntilMs = now + this.#openMs();
    return true;
  }

  succeed(): void {
    this.#failures = 0;
  }

  fail(): void {
    this.#failures++;
    if (this.#failures >= this.#threshold) this.#openUntilMs = this.#now() + this.#openMs();
  }

  #openMs(): number {
    return Math.min(this.#maxOpenMs, this.#minOpenMs * 2 ** (this.#failures - this.#threshold));
  }
}
