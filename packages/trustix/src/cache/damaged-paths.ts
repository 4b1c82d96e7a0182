// Remembers which paths on disk are not what Nix registered, so that they are refused at once.
import type { ServedPath } from "./served-paths.ts";

/** After this long a damaged path is read again: somebody may have put right what is in it. */
const REMEMBER_MS = 10 * 60_000;
const MAX_REMEMBERED = 10_000;

/** The paths found damaged lately. */
export class DamagedPaths {
  readonly #now: () => number;
  readonly #damaged = new Map<string, { readonly stamp: string; readonly untilMs: number }>();

  /** @param now monotonic milliseconds */
  constructor(now: () => number) {
    this.#now = now;
  }

  add({ info, stamp }: ServedPath): void {
    this.#damaged.set(info.storePath, { stamp, untilMs: this.#now() + REMEMBER_MS });
    if (this.#damaged.size > MAX_REMEMBERED) this.#damaged.delete(this.#damaged.keys().next().value!);
  }

  has({ info, stamp }: ServedPath): boolean {
    const found = this.#damaged.get(info.storePath);
    if (found === undefined) return false;
    if (found.stamp === stamp && found.untilMs > this.#now()) return true;
    this.#damaged.delete(info.storePath);
    return false;
  }
}
