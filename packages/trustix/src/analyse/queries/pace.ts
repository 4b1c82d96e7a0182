// Cuts long work into pieces, so that short questions are answered in between.
import { setImmediate } from "node:timers/promises";

/** How long a piece of a short question may take before others get their turn, and one of work that is long anyway. */
const SHORT_MS = 5;
const LONG_MS = 2;

/** Keeps the time of one piece of work. */
export class Pace {
  readonly #signal: AbortSignal | undefined;
  readonly #pieceMs: number;
  #since = performance.now();

  /** @param signal ends the work at the next pause */
  constructor(work: "short" | "long", signal?: AbortSignal) {
    this.#signal = signal;
    this.#pieceMs = work === "short" ? SHORT_MS : LONG_MS;
  }

  /** Whether it is time to {@link pause}. */
  get isDue(): boolean {
    return performance.now() - this.#since >= this.#pieceMs;
  }

  /** Lets others work. @throws the signal's reason when it is aborted */
  async pause(): Promise<void> {
    await setImmediate();
    this.#signal?.throwIfAborted();
    this.#since = performance.now();
  }
}
