// Collects claims while a log is read, and has them stored in large batches, one while the next is collected.

import { type ClaimBatch, type NewClaim, type PackedClaims, packClaims } from "./claim-writer.ts";

/** Characters of statements stored in one transaction at most, or little more: logs may hold long ones. */
const MAX_LENGTH = 8 << 20;

/** Where a batch begins, and how large it may be. */
export interface BatchOptions {
  readonly startIndex: number;
  readonly seenAtMs: number;
  readonly maxEntries: number;
}

/** Claims on their way into the store. */
export class ClaimBatches {
  readonly #options: BatchOptions;
  readonly #store: (batch: ClaimBatch) => Promise<void>;
  /** The batch before, being stored. */
  #storing: Promise<void> = Promise.resolve();
  #startIndex: number;
  #nextIndex: number;
  #parts: PackedClaims[] = [];
  #unreadable = 0;
  #length = 0;

  /** `store` is called for one batch at a time. */
  constructor(options: BatchOptions, store: (batch: ClaimBatch) => Promise<void>) {
    this.#options = options;
    this.#startIndex = options.startIndex;
    this.#nextIndex = options.startIndex;
    this.#store = store;
  }

  /** Characters of the statements that are not on their way to the store yet. */
  get length(): number {
    return this.#length;
  }

  /**
   * Adds what the next `entries` entries claim. Stores a batch when there is enough for one, once the one before is
   * stored. Rejects as storing does.
   */
  async add(entries: number, claims: readonly NewClaim[]): Promise<void> {
    this.#nextIndex += entries;
    this.#unreadable += entries - claims.length;
    if (claims.length > 0) {
      const packed = packClaims(claims);
      this.#parts.push(packed);
      this.#length += packed.statements.length;
    }
    const isEnough = this.#nextIndex - this.#startIndex >= this.#options.maxEntries;
    if (isEnough || this.#length >= MAX_LENGTH) await this.#flush();
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
      unreadable: this.#unreadable,
      seenAtMs: this.#options.seenAtMs,
      parts: this.#parts,
    });
    // Whoever comes next waits for it, and sees how it failed.
    this.#storing.catch(() => {});
    this.#startIndex = this.#nextIndex;
    this.#parts = [];
    this.#unreadable = 0;
    this.#length = 0;
  }
}
