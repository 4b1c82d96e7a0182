// Cuts long work into pieces, so that short questions are answered in between.
import { setImmediate } from "node:timers/promises";

/** How long a piece may take before others get their turn. */
const PIECE_MS = 5;

/** Keeps the time of one piece of work. */
export class Pace {
  readonly #signal: AbortSignal | undefined;
  #since = performance.now();

  /** @param signal ends the work at the next pause */
  constructor(signal?: AbortSignal) {
    this.#signal = signal;
  }

  /** Whether it is time to {@link pause}. */
  get isDue(): boolean {
    return performance.now() - this.#since >= PIECE_MS;
  }

  /** Lets others work. @throws the signal's reason when it is aborted */
  async pause(): Promise<void> {
    await setImmediate();
    this.#signal?.throwIfAborted();
    this.#since = performance.now();
  }
}
