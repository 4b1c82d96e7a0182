// A circuit breaker: who fails again and again is left alone for a while, longer each time, and then asked once, so that a
// dead cache costs one request now and then and not its timeout for every question. A few lines of our own rather than a
// library of resilience policies: timeouts, sharing and bounds are where the requests are made, and this is all that is left.

/** When a breaker opens and closes. */
export interface BreakerOptions {
  /** Milliseconds. */
  readonly now: () => number;
  /** From 0 up to 1: many nodes should not try again at the same moment. Default: always 0.5. */
  readonly random?: () => number;
  /** Failures in a row after which it opens. Default 3. */
  readonly threshold?: number;
  /** How long it stays open at first, give or take a fifth. Default 1,000 ms; doubles with each further failure. */
  readonly minOpenMs?: number;
  /** Default 60,000 ms. */
  readonly maxOpenMs?: number;
}

/** Counts failures of one remote. */
export class Breaker {
  readonly #now: () => number;
  readonly #random: () => number;
  readonly #threshold: number;
  readonly #minOpenMs: number;
  readonly #maxOpenMs: number;
  #failures = 0;
  #openUntilMs = 0;

  constructor(options: BreakerOptions) {
    this.#now = options.now;
    this.#random = options.random ?? (() => 0.5);
    this.#threshold = options.threshold ?? 3;
    this.#minOpenMs = options.minOpenMs ?? 1_000;
    this.#maxOpenMs = options.maxOpenMs ?? 60_000;
  }

  /** Failures since the last success. */
  get failures(): number {
    return this.#failures;
  }

  /** Until when the remote is left alone; undefined while the breaker is closed. */
  get openUntilMs(): number | undefined {
    return this.#failures < this.#threshold ? undefined : this.#openUntilMs;
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
    const times = this.#failures - this.#threshold;
    return Math.min(this.#maxOpenMs, this.#minOpenMs * 2 ** times) * (0.8 + 0.4 * this.#random());
  }
}
