// Lets a few at a time through; the others wait in line, or leave it.

/** A place with room for a few. */
export class Turnstile {
  readonly #places: number;
  #inside = 0;
  /** Who waits, first come first served. */
  readonly #line = new Set<() => void>();

  /** @param places how many may be inside at one time */
  constructor(places: number) {
    this.#places = places;
  }

  /**
   * Waits for a place, which is free again once the returned pass is disposed of.
   * @throws the signal's reason when aborted before
   */
  async enter(signal: AbortSignal): Promise<Disposable> {
    signal.throwIfAborted();
    if (this.#inside < this.#places) this.#inside++;
    else await this.#wait(signal);
    let isInside = true;
    return {
      [Symbol.dispose]: () => {
        if (isInside) this.#leave();
        isInside = false;
      },
    };
  }

  async #wait(signal: AbortSignal): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const giveUp = (): void => {
      this.#line.delete(resolve);
      reject(signal.reason);
    };
    this.#line.add(resolve);
    signal.addEventListener("abort", giveUp, { once: true });
    try {
      await promise;
    } finally {
      signal.removeEventListener("abort", giveUp);
    }
  }

  /** The place goes straight to the next in line. */
  #leave(): void {
    const [next] = this.#line;
    if (next === undefined) this.#inside--;
    else {
      this.#line.delete(next);
      next();
    }
  }
}
