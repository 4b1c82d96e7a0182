// A token bucket for each client.

interface Bucket {
  level: number;
  updatedMs: number;
}

/** Buckets remembered; a client that was silent long enough to have a full one again may be forgotten. */
const MAX_BUCKETS = 10_000;

/** Limits units per second for each client; a burst may take ten seconds' worth. */
export class RateLimiter {
  readonly #perSecond: number;
  readonly #capacity: number;
  readonly #now: () => number;
  readonly #buckets = new Map<string, Bucket>();

  /** @param now monotonic milliseconds */
  constructor(perSecond: number, now: () => number) {
    this.#perSecond = perSecond;
    this.#capacity = perSecond * 10;
    this.#now = now;
  }

  /**
   * Takes `units` from a client's bucket. More than a whole bucket is granted when the bucket is full, and is paid
   * off later, so that no single request is too large for ever.
   * @returns 0 when granted, or else the milliseconds after which it will be.
   */
  take(client: string, units: number): number {
    const now = this.#now();
    const bucket = this.#buckets.get(client) ?? { level: this.#capacity, updatedMs: now };
    const level = Math.min(
      this.#capacity,
      bucket.level + ((now - bucket.updatedMs) / 1000) * this.#perSecond,
    );
    const needed = Math.min(units, this.#capacity);
    const granted = level >= needed;
    this.#buckets.delete(client);
    this.#buckets.set(client, { level: granted ? level - units : level, updatedMs: now });
    if (this.#buckets.size > MAX_BUCKETS) this.#buckets.delete(this.#buckets.keys().next().value as string);
    return granted ? 0 : Math.ceil(((needed - level) / this.#perSecond) * 1000);
  }
}
