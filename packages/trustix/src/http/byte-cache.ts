// A cache of immutable bodies, bounded by their total size; the least recently used goes first.

/** Bytes that an entry costs besides its body: key, map slot, object. */
const ENTRY_OVERHEAD = 256;

/** Keeps values with a size, up to `capacityBytes` in all. */
export class ByteCache<T> {
  readonly #capacityBytes: number;
  readonly #entries = new Map<string, { readonly value: T; readonly cost: number }>();
  #bytes = 0;

  constructor(capacityBytes: number) {
    this.#capacityBytes = capacityBytes;
  }

  get(key: string): T | undefined {
    const entry = this.#entries.get(key);
    if (entry === undefined) return undefined;
    // A Map iterates in order of insertion: what is used moves to the young end.
    this.#entries.delete(key);
    this.#entries.set(key, entry);
    return entry.value;
  }

  set(key: string, value: T, sizeBytes: number): void {
    const cost = sizeBytes + key.length * 2 + ENTRY_OVERHEAD;
    if (cost > this.#capacityBytes) return;
    this.delete(key);
    this.#entries.set(key, { value, cost });
    this.#bytes += cost;
    for (const [oldest, entry] of this.#entries) {
      if (this.#bytes <= this.#capacityBytes) break;
      this.#entries.delete(oldest);
      this.#bytes -= entry.cost;
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
