// Leaves a peer alone for a while after failures in a row, so that a dead cache costs one request now and then and not
// its timeout for every question. Thirty lines of our own rather than a library of resilience policies: timeouts, sharing
// and bounds are where the requests are made, and this is all that is left.

/** When a {@link CircuitBreaker} opens, and for how long. */
export interface BreakerOptions {
  /** Failures in a row before it opens. */
  readonly failuresToOpen: number;
  /** How long it is open at first; doubles each time the trial fails too, up to `maxOpenMs`. */
  readonly openMs: number;
  readonly maxOpenMs: number;
  readonly now: () => number;
  /** From 0 up to 1: many nodes should not try again at the same moment. */
  readonly random: () => number;
}

/** Closed while all is well; open after failures; then it lets one request through to see. */
export class CircuitBreaker {
  readonly #options: BreakerOptions;
  #failures = 0;
  #openUntilMs = 0;
  #isTrying = false;

  constructor(options: BreakerOptions) {
    this.#options = options;
  }

  /** Whether a request may be made now. After `true`, report with {@link succeeded} or {@link failed}. */
  tryEnter(): boolean {
    if (this.#failures < this.#options.failuresToOpen) return true;
    if (this.#isTrying || this.#options.now() < this.#openUntilMs) return false;
    this.#isTrying = true;
    return true;
  }

  succeeded(): void {
    this.#failures = 0;
    this.#isTrying = false;
  }

  failed(): void {
    const { failuresToOpen, openMs, maxOpenMs, now, random } = this.#options;
    this.#failures++;
    this.#isTrying = false;
    const times = this.#failures - failuresToOpen;
    if (times < 0) return;
    const durationMs = Math.min(maxOpenMs, openMs * 2 ** Math.min(times, 20));
    this.#openUntilMs = now() + durationMs * (0.8 + 0.4 * random());
  }

  /** When the next request may be made; `undefined` while it is closed. */
  get openUntilMs(): number | undefined {
    return this.#failures < this.#options.failuresToOpen ? undefined : this.#openUntilMs;
  }
}
