// What is asked of all paths at once, held in memory by column: 18 bytes a path. Rows are ids, which begin at 1.

/** A path's row. Times in seconds since 1970. */
export interface PathRow {
  readonly id: number;
  readonly name: string;
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
  /** Tells a path's present name from earlier ones. */
  nameTag = new Uint32Array(1024);
  /** By pattern and system. */
  readonly #totals = new Map<number, number>();
  /** Likewise, of each hour. */
  readonly #hours = new Map<number, Map<number, number>>();

  /** Sets a row. Returns whether it has a name that it did not have before. */
  set({ id, name, pattern, system, firstSeen, changed }: PathRow): boolean {
    const tag = tagOf(name.toLowerCase());
    const isKnown = this.has(id);
    const isNamed = isKnown && this.nameTag[id] === tag;
    if (isKnown) this.#count(id, -1);
    if (id >= this.pattern.length) this.#grow(id);
    this.pattern[id] = pattern;
    this.system[id] = system > MAX_SYSTEM ? 0 : system;
    this.firstSeen[id] = firstSeen;
    this.changed[id] = changed;
    this.nameTag[id] = tag;
    this.end = Math.max(this.end, id + 1);
    this.#count(id, 1);
    return !isNamed;
  }

  /** Patterns are numbered from 1 on, so a row with 0 is none. */
  has(id: number): boolean {
    return id < this.end && this.pattern[id] !== 0;
  }

  /** Whether a name, in lower case, is the present one of a path. */
  isNamed(id: number, name: string): boolean {
    return this.nameTag[id] === tagOf(name);
  }

  /** All paths, counted by hour, pattern and system. */
  *cells(): Generator<Cell> {
    for (const [hour, counts] of this.#hours) {
      for (const [key, paths] of counts) yield { hour, ...kindOf(key), paths };
    }
  }

  /** All paths, counted by pattern and system: few, however many paths and hours there are. */
  *totals(): Generator<Omit<Cell, "hour">> {
    for (const [key, paths] of this.#totals) yield { ...kindOf(key), paths };
  }

  #count(id: number, change: 1 | -1): void {
    const hour = Math.floor(this.firstSeen[id]! / HOUR);
    const key = this.pattern[id]! * (MAX_SYSTEM + 1) + this.system[id]!;
    let counts = this.#hours.get(hour);
    if (counts === undefined) {
      counts = new Map();
      this.#hours.set(hour, counts);
    }
    add(counts, key, change);
    add(this.#totals, key, change);
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
    this.nameTag = grown(new Uint32Array(length), this.nameTag);
  }
}

/** Pattern and system of a key. */
function kindOf(key: number): { readonly pattern: number; readonly system: number } {
  return { pattern: Math.floor(key / (MAX_SYSTEM + 1)), system: key % (MAX_SYSTEM + 1) };
}

function add(counts: Map<number, number>, key: number, change: number): void {
  const count = (counts.get(key) ?? 0) + change;
  if (count === 0) counts.delete(key);
  else counts.set(key, count);
}

/** FNV-1a, 32 bits. */
function tagOf(name: string): number {
  let tag = 0x811c9dc5;
  for (let i = 0; i < name.length; i++) tag = Math.imul(tag ^ name.charCodeAt(i), 0x01000193);
  return tag >>> 0;
}
