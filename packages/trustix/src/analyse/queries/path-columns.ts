// What is asked of all paths at once, held in memory by column: 14 bytes a path. Rows are ids, which begin at 1.

/** A path's row. Times in seconds since 1970. */
export interface PathRow {
  readonly id: number;
  /** Numbers of the analysis database. */
  readonly pattern: number;
  readonly system: number;
  readonly firstSeen: number;
  readonly changed: number;
}

/** Paths first seen in one hour that share pattern and system. */
export interface Cell {
  readonly hour: number;
  readonly pattern: number;
  readonly system: number;
  readonly paths: number;
}

/** Systems beyond these have the number 0, which is that of no system. */
const MAX_SYSTEM = 0xffff;
const HOUR = 3600;

/** The columns, and how many paths there are of each kind. */
export class PathColumns {
  /** One more than the highest id. */
  end = 1;
  pattern = new Uint32Array(1024);
  system = new Uint16Array(1024);
  firstSeen = new Uint32Array(1024);
  changed = new Uint32Array(1024);
  /** By hour, then by pattern and system. */
  readonly #cells = new Map<number, Map<number, number>>();

  /** Sets a row. Returns whether it is new. */
  set({ id, pattern, system, firstSeen, changed }: PathRow): boolean {
    const isNew = !this.has(id);
    if (!isNew) this.#count(id, -1);
    if (id >= this.pattern.length) this.#grow(id);
    this.pattern[id] = pattern;
    this.system[id] = system > MAX_SYSTEM ? 0 : system;
    this.firstSeen[id] = firstSeen;
    this.changed[id] = changed;
    this.end = Math.max(this.end, id + 1);
    this.#count(id, 1);
    return isNew;
  }

  /** Patterns are numbered from 1 on, so a row with 0 is none. */
  has(id: number): boolean {
    return id < this.end && this.pattern[id] !== 0;
  }

  /** All paths, counted. */
  *cells(): Generator<Cell> {
    for (const [hour, counts] of this.#cells) {
      for (const [key, paths] of counts) {
        yield { hour, pattern: Math.floor(key / (MAX_SYSTEM + 1)), system: key % (MAX_SYSTEM + 1), paths };
      }
    }
  }

  #count(id: number, change: 1 | -1): void {
    const hour = Math.floor(this.firstSeen[id]! / HOUR);
    const key = this.pattern[id]! * (MAX_SYSTEM + 1) + this.system[id]!;
    let counts = this.#cells.get(hour);
    if (counts === undefined) {
      counts = new Map();
      this.#cells.set(hour, counts);
    }
    const paths = (counts.get(key) ?? 0) + change;
    if (paths === 0) counts.delete(key);
    else counts.set(key, paths);
  }

  #grow(id: number): void {
    const length = 2 ** Math.ceil(Math.log2(id + 1));
    const grown = <T extends Uint32Array | Uint16Array>(to: T, from: T): T => {
      to.set(from);
      return to;
    };
    this.pattern = grown(new Uint32Array(length), this.pattern);
    this.system = grown(new Uint16Array(length), this.system);
    this.firstSeen = grown(new Uint32Array(length), this.firstSeen);
    this.changed = grown(new Uint32Array(length), this.changed);
  }
}
