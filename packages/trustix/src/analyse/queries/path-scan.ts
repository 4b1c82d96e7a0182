// Finds rows among all names: what passes the filter and contains a text. In blocks, each in whichever way is cheaper: the
// text is looked for in all names of the block at once, or only in those that pass.
import { type NameOrder, nameAt, type Run, rowFrom, rowOf } from "./name-order.ts";
import type { Pace } from "./pace.ts";
import type { PathFilter } from "./path-filter.ts";
import type { PathTables } from "./path-index.ts";

/** What to look for. */
export interface Wanted {
  /** In lower case; `""` is in every name. */
  readonly text: string;
  readonly filter: PathFilter;
  /** Whether a name is the present one of a path. */
  readonly isNamed: (id: number, name: string) => boolean;
}

/** A path, with the name that it is ordered by. */
export interface NamedRow {
  readonly id: number;
  /** In lower case. */
  readonly name: string;
}

/** Rows that are looked at in one way. */
const BLOCK = 8192;
/** Rows that tell how frequent a text is. */
const SAMPLE = 2048;
/** Bytes that tell which characters are frequent. */
const ANCHOR_SAMPLE = 4096;
/** Fewer characters would be met too often. */
const MIN_TAIL = 3;
/** Paths between two looks at the clock. */
const STEP = 4096;
/** About how long it takes, in nanoseconds: to see whether one path passes, to look at the name of one that does, to search one name among others, and to tell which path a match is of. */
const COST = { filter: 6, name: 100, search: 14, match: 120 };
/** Above every character of a name. */
const LAST = "\x7f";

/** Rows of a run that are of interest. */
interface Scan {
  readonly run: Run;
  readonly from: number;
  readonly end: number;
  readonly text: string;
  /** Whether a path passes. */
  readonly accepts: (id: number) => boolean;
  /** About which share of paths passes. */
  readonly share: () => number;
}

/** Calls `take` with the rows in their order, until it returns false. */
async function scan(options: Scan, take: (row: number) => boolean, pace: Pace): Promise<void> {
  const { run, text, accepts, share } = options;
  const anchor = anchorOf(run, text);
  /** Share of names that have the text, as far as is known. */
  let density = 0;
  for (let from = options.from; from < options.end; from += BLOCK) {
    const end = Math.min(options.end, from + BLOCK);
    const isSearched = text !== "" && COST.search + COST.match * density < COST.filter + COST.name * share();
    if (isSearched) {
      const matches = searchBlock(
        run,
        [from, end],
        text,
        anchor,
        (row) => !accepts(run.ids[row]!) || take(row),
      );
      if (matches === undefined) return;
      density = matches / (end - from);
    } else {
      for (let row = from; row < end; row++) {
        if (!accepts(run.ids[row]!)) continue;
        if (text !== "" && !nameAt(run, row).includes(text)) continue;
        if (!take(row)) return;
      }
    }
    if (pace.isDue) await pace.pause();
  }
}

/**
 * Where in a text to begin to look for it: a search stops at each first character, so at a rare one, with enough behind it to
 * tell. 0 for short texts.
 */
function anchorOf({ bytes }: Run, text: string): number {
  const counts = new Uint32Array(128);
  for (const byte of bytes.subarray(0, ANCHOR_SAMPLE)) counts[byte]!++;
  let anchor = 0;
  for (let at = 1; at <= text.length - MIN_TAIL; at++) {
    if (counts[text.charCodeAt(at)]! < counts[text.charCodeAt(anchor)]!) anchor = at;
  }
  return anchor;
}

/**
 * Calls `take` with the rows that have a text. Returns how many there are; undefined when `take` returned false.
 * @param anchor of the text, from {@link anchorOf}
 */
function searchBlock(
  run: Run,
  [from, end]: readonly [number, number],
  text: string,
  anchor: number,
  take: (row: number) => boolean,
): number | undefined {
  const block = run.bytes.subarray(0, run.starts[end]!);
  const [head, tail] = [text.slice(0, anchor), text.slice(anchor)];
  let matches = 0;
  for (let row = from, at = run.starts[from]!; ; ) {
    at = block.indexOf(tail, at, "latin1");
    if (at < 0) return matches;
    if (at < anchor || block.toString("latin1", at - anchor, at) !== head) {
      at++;
      continue;
    }
    row = rowOf(run, at, row);
    matches++;
    if (!take(row)) return undefined;
    at = run.starts[row + 1]!;
  }
}

const byName = (a: NamedRow, b: NamedRow): number =>
  a.name < b.name ? -1 : a.name > b.name ? 1 : a.id - b.id;

/**
 * The first `limit` paths by name.
 * @param part whether the names are to begin with the text, or to have it further behind
 * @param after the row to go on behind
 */
export async function findByName(
  names: NameOrder,
  wanted: Wanted,
  options: {
    readonly part: "beginning" | "within";
    readonly after?: NamedRow | undefined;
    readonly limit: number;
  },
  pace: Pace,
): Promise<NamedRow[]> {
  const { part, after, limit } = options;
  const { text, filter, isNamed } = wanted;
  const found: NamedRow[] = [];
  if (filter.share === 0) return found;
  for (const run of names.runs) {
    const resume = after === undefined ? 0 : rowFrom(run, after.name, after.id + 1);
    const begins = part === "beginning";
    const from = Math.max(resume, begins ? rowFrom(run, text, 0) : 0);
    const end = begins && text !== "" ? rowFrom(run, `${text}${LAST}`, 0) : run.ids.length;
    let room = limit;
    const take = (row: number): boolean => {
      const [id, name] = [run.ids[row]!, nameAt(run, row)];
      if ((!begins && name.startsWith(text)) || !isNamed(id, name)) return true;
      found.push({ id, name });
      return --room > 0;
    };
    const accepts = (id: number): boolean => filter.accepts(id);
    const rows = { run, from, end, text: begins ? "" : text, accepts, share: () => filter.share };
    await scan(rows, take, pace);
  }
  // A path that got back a name that it had is there twice.
  const sorted = found.sort(byName).filter((row, i, all) => row.id !== all[i - 1]?.id);
  return sorted.slice(0, limit);
}

/** A path, with the time that it is ordered by. */
export interface ChangedRow {
  readonly id: number;
  readonly changed: number;
}

/** Whether a row comes before another: newest first. */
const isNewer = (id: number, changed: number, than: ChangedRow): boolean =>
  changed > than.changed || (changed === than.changed && id > than.id);

/** The `limit` best of many, kept in order. */
class Newest {
  readonly rows: ChangedRow[] = [];
  readonly #limit: number;
  /** What changed before this is not among the best. */
  floor = 0;

  constructor(limit: number) {
    this.#limit = limit;
  }

  get isFull(): boolean {
    return this.rows.length >= this.#limit;
  }

  accepts(id: number, changed: number): boolean {
    return !this.isFull || isNewer(id, changed, this.rows.at(-1)!);
  }

  add(row: ChangedRow): void {
    let [low, high] = [0, this.rows.length];
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (isNewer(row.id, row.changed, this.rows[middle]!)) high = middle;
      else low = middle + 1;
    }
    this.rows.splice(low, 0, row);
    if (this.rows.length > this.#limit) this.rows.pop();
    if (this.isFull) this.floor = this.rows.at(-1)!.changed;
  }
}

/** Whether one name in eight has a text, as far as some of them tell. */
function isFrequent({ runs: [run] }: NameOrder, text: string): boolean {
  if (text === "" || run === undefined) return true;
  const rows = Math.min(run.ids.length, SAMPLE);
  const from = Math.floor((run.ids.length - rows) / 2);
  return searchBlock(run, [from, from + rows], text, 0, () => true)! * 8 >= rows;
}

/**
 * The `limit` paths that changed last.
 * @param wanted with `""` every path is found, without a text none by its name
 * @param options.others paths that are found whatever their name is, if they pass
 */
export async function findByChange(
  { names, columns }: Pick<PathTables, "names" | "columns">,
  wanted: Omit<Wanted, "text"> & { readonly text: string | undefined },
  options: {
    readonly others: readonly number[];
    /** The present name of a path. */
    readonly nameOf: (id: number) => string;
    readonly after?: ChangedRow | undefined;
    readonly limit: number;
  },
  pace: Pace,
): Promise<ChangedRow[]> {
  const { others, nameOf, after, limit } = options;
  const { text, filter, isNamed } = wanted;
  const newest = new Newest(limit);
  if (filter.share === 0) return newest.rows;
  // What is older than all that was found need not be looked at, and soon that is almost everything.
  const accepts = (id: number): boolean => {
    const changed = columns.changed[id]!;
    if (changed < newest.floor || !newest.accepts(id, changed) || !filter.accepts(id)) return false;
    return after === undefined || changed < after.changed || (changed === after.changed && id < after.id);
  };
  const add = (id: number): void => newest.add({ id, changed: columns.changed[id]! });
  const known = new Set(others);
  for (const id of known) if (accepts(id)) add(id);
  if (text !== undefined && isFrequent(names, text)) {
    // From the newest number on, as new paths have changed last: few names are looked at before all others are older.
    for (let end = columns.end; end > 1; end -= STEP) {
      const { changed } = columns;
      let { floor } = newest;
      for (let id = end - 1; id >= Math.max(1, end - STEP); id--) {
        if (changed[id]! < floor || !accepts(id) || known.has(id)) continue;
        if (text !== "" && !nameOf(id).toLowerCase().includes(text)) continue;
        add(id);
        floor = newest.floor;
      }
      if (pace.isDue) await pace.pause();
    }
    return newest.rows;
  }
  for (const run of text === undefined ? [] : names.runs) {
    const take = (row: number): boolean => {
      const id = run.ids[row]!;
      if (known.has(id) || !isNamed(id, nameAt(run, row))) return true;
      known.add(id);
      add(id);
      return true;
    };
    const share = (): number => (newest.isFull ? 0 : filter.share);
    await scan({ run, from: 0, end: run.ids.length, text: text ?? "", accepts, share }, take, pace);
  }
  return newest.rows;
}
