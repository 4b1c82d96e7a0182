// One line on standard error that shows how far a long command is; nothing when no person reads it.
import type { Io } from "./io.ts";

const REDRAW_MS = 100;
const BAR_WIDTH = 24;

/** Shows progress until disposed. */
export class Progress implements Disposable {
  readonly #io: Io;
  readonly #label: string;
  #drawnMs = Number.NEGATIVE_INFINITY;
  #shown = false;

  constructor(io: Io, label: string) {
    this.#io = io;
    this.#label = label;
  }

  /** `total` undefined when nobody knows it. */
  update(done: number, total: number | undefined, unit: string): void {
    const now = performance.now();
    if (!this.#io.errIsTty || now - this.#drawnMs < REDRAW_MS) return;
    this.#drawnMs = now;
    this.#shown = true;
    const count = done.toLocaleString("en");
    if (total === undefined || total === 0) {
      this.#io.errRaw(`\r\x1b[K${this.#label} ${count} ${unit}`);
      return;
    }
    const filled = Math.round((Math.min(done, total) / total) * BAR_WIDTH);
    const bar = "█".repeat(filled) + "░".repeat(BAR_WIDTH - filled);
    const percent = Math.floor((done / total) * 100);
    this.#io.errRaw(
      `\r\x1b[K${this.#label} ${bar} ${percent}% ${count}/${total.toLocaleString("en")} ${unit}`,
    );
  }

  [Symbol.dispose](): void {
    if (this.#shown) this.#io.errRaw("\r\x1b[K");
  }
}
