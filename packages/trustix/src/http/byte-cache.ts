// A cache of immutable bodies, bounded by their total size. The oldest goes first, but what was used since it was last
// looked at gets a second chance: nearly the order of last use, and a hit changes nothing but a flag.

/** Bytes that an entry costs besides its body: key, map slot, object. */
const ENTRY_OVERHEAD = 256;

interface Entry<T> {
  readonly value: T;
  readonly cost: number;
  isUsed: boolean;
}

/** Keeps values with a size, up to `capacityBytes` in all. */
export class ByteCache<T> {
  readonly #capacityBytes: number;
  readonly #entries = new Map<string, Entry<T>>();
  #bytes = 0;

  constructor(capacityBytes: number) {
    this.#capacityBytes = capacityBytes;
  }

  get(key: string): T | undefined {
    const entry = this.#entries.get(key);
    if (entry === undefined) return undefined;
    entry.isUsed = true;
    return entry.value;
  }

  set(key: string, value: T, sizeBytes: number): void {
    const cost = sizeBytes + key.length * 2 + ENTRY_OVERHEAD;
    if (cost > this.#capacityBytes) return;
    this.delete(key);
    this.#entries.set(key, { value, cost, isUsed: false });
    this.#bytes += cost;
    // A Map iterates in order of insertion, and comes again to what is put back at its young end.
    for (const [oldest, entry] of this.#entries) {
      if (this.#bytes <= this.#capacityBytes) break;
      this.#entries.delete(oldest);
      if (entry.isUsed) {
        entry.isUsed = false;
        this.#entries.set(oldest, entry);
      } else this.#bytes -= entry.cost;
    }
  }

  delete(key: string): void {
    const entry = this.#entries.get(key);
    if (entry === undefined) return;
    this.#entries.delete(key);
    this.#bytes -= entry.cost;
  }

  get bytes(): number {
    return this.#bytes;
  }
}
