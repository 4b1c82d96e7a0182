// Collects claims while a log is read, and has them stored in large batches, one while the next is collected.

import type { ClaimBatch, NewClaim } from "./claim-store.ts";

/**
 * Entries stored in one transaction, and characters of their statements. The more there are, the fewer pages of the index
 * are written for each; and they are in memory until then.
 */
const MAX_ENTRIES = 1 << 15;
const MAX_LENGTH = 8 << 20;

/** Claims on their way into the store. */
export class ClaimBatches {
  readonly #seenAtMs: number;
  readonly #store: (batch: ClaimBatch) => Promise<void>;
  /** The batch before, being stored. */
  #storing: Promise<void> = Promise.resolve();
  #startIndex: number;
  #nextIndex: number;
  #claims: NewClaim[] = [];
  #unreadable = 0;
  #length = 0;

  /** Begins at the entry `startIndex`. `store` is called for one batch at a time. */
  constructor(startIndex: number, seenAtMs: number, store: (batch: ClaimBatch) => Promise<void>) {
    this.#startIndex = startIndex;
    this.#nextIndex = startIndex;
    this.#seenAtMs = seenAtMs;
    this.#store = store;
  }

  /** Characters of the statements that are not on their way to the store yet. */
  get length(): number {
    return this.#length;
  }

  /** Adds the claim of the next entry; `undefined` for an entry that is none. */
  add(claim: NewClaim | undefined): void {
    this.#nextIndex++;
    if (claim === undefined) this.#unreadable++;
    else {
      this.#claims.push(claim);
      this.#length += claim.statement.length;
    }
  }

  /** Call this now and then. Stores a batch when there is enough for one, once the one before is stored. Rejects as storing does. */
  async settle(): Promise<void> {
    if (this.#nextIndex - this.#startIndex >= MAX_ENTRIES || this.#length >= MAX_LENGTH) await this.#flush();
  }

  /** Stores the rest, and waits until all is stored. */
  async finish(): Promise<void> {
    if (this.#nextIndex > this.#startIndex) await this.#flush();
    await this.#storing;
  }

  async #flush(): Promise<void> {
    await this.#storing;
    this.#storing = this.#store({
      startIndex: this.#startIndex,
      nextIndex: this.#nextIndex,
      claims: this.#claims,
      unreadable: this.#unreadable,
      seenAtMs: this.#seenAtMs,
    });
    // Whoever comes next waits for it, and sees how it failed.
    this.#storing.catch(() => {});
    this.#startIndex = this.#nextIndex;
    this.#claims = [];
    this.#unreadable = 0;
    this.#length = 0;
  }
}
