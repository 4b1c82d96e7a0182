// Finds rows among all names: what passes the filter and contains a text. In blocks, each in whichever way is cheaper: the
// text is looked for in all names of the block at once, or only in those that pass.
import { type NameOrder, nameAt, type Run, rowFrom, rowOf } from "./name-order.ts";
import type { Pace } from "./pace.ts";

/** What to look for. */
export interface Wanted {
  /** In lower case; `""` is in every name. */
  readonly text: string;
  /** Whether a path passes the filter. */
  readonly accepts: (id: number) => boolean;
  /** Whether a name is the present one of a path. */
  readonly isNamed: (id: number, name: string) => boolean;
}

/** A path, with the name that it is ordered by. */
export interface NamedRow {
  readonly id: number;
  /** In lower case. */
  readonly name: string;
}

const BLOCK = 4096;
/** Bytes that are searched in the time that it takes to look at one name by itself. */
const BYTES_A_NAME = 128;
/** Above every character of a name. */
const LAST = "\x7f";

/** Calls `take` with rows of a run in their order, until it returns false. */
async function scan(
  run: Run,
  range: { readonly from: number; readonly end: number },
  { text, accepts }: Wanted,
  take: (row: number) => boolean,
  pace: Pace,
): Promise<void> {
  const passing = new Uint32Array(BLOCK);
  for (let from = range.from; from < range.end; from += BLOCK) {
    const end = Math.min(range.end, from + BLOCK);
    let count = 0;
    for (let row = from; row < end; row++) if (accepts(run.ids[row]!)) passing[count++] = row;
    const bytes = run.starts[end]! - run.starts[from]!;
    if (text === "" || count * BYTES_A_NAME < bytes) {
      for (const row of passing.subarray(0, count)) {
        if (text !== "" && !nameAt(run, row).includes(text)) continue;
        if (!take(row)) return;
      }
    } else {
      const block = run.bytes.subarray(0, run.starts[end]!);
      let row = from;
      for (let at = run.starts[from]!; ; at = run.starts[row + 1]!) {
        at = block.indexOf(text, at, "latin1");
        if (at < 0) break;
        row = rowOf(run, at, row);
        if (accepts(run.ids[row]!) && !take(row)) return;
      }
    }
    if (pace.isDue) await pace.pause();
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
  const { text } = wanted;
  const found: NamedRow[] = [];
  for (const run of names.runs) {
    const resume = after === undefined ? 0 : rowFrom(run, after.name, after.id + 1);
    const begins = part === "beginning";
    const from = Math.max(resume, begins ? rowFrom(run, text, 0) : 0);
    const end = begins && text !== "" ? rowFrom(run, `${text}${LAST}`, 0) : run.ids.length;
    let room = limit;
    const take = (row: number): boolean => {
      const [id, name] = [run.ids[row]!, nameAt(run, row)];
      if ((!begins && name.startsWith(text)) || !wanted.isNamed(id, name)) return true;
      found.push({ id, name });
      return --room > 0;
    };
    await scan(run, { from, end }, begins ? { ...wanted, text: "" } : wanted, take, pace);
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

  constructor(limit: number) {
    this.#limit = limit;
  }

  accepts(id: number, changed: number): boolean {
    return this.rows.length < this.#limit || isNewer(id, changed, this.rows.at(-1)!);
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
  }
}

/**
 * The `limit` paths that changed last.
 * @param wanted without a text no name is looked at
 * @param options.others paths that are found whatever their name is, if they pass
 */
export async function findByChange(
  names: NameOrder,
  wanted: Omit<Wanted, "text"> & { readonly text: string | undefined },
  options: {
    readonly changed: (id: number) => number;
    readonly others: readonly number[];
    readonly after?: ChangedRow | undefined;
    readonly limit: number;
  },
  pace: Pace,
): Promise<ChangedRow[]> {
  const { changed, others, after, limit } = options;
  const { text } = wanted;
  const newest = new Newest(limit);
  // What is older than all that was found need not be looked at, and soon that is almost everything.
  const accepts = (id: number): boolean => {
    if (!wanted.accepts(id)) return false;
    const time = changed(id);
    if (!newest.accepts(id, time)) return false;
    return after === undefined || time < after.changed || (time === after.changed && id < after.id);
  };
  const add = (id: number): void => newest.add({ id, changed: changed(id) });
  for (const id of new Set(others)) if (accepts(id)) add(id);
  const known = new Set(others);
  for (const run of text === undefined ? [] : names.runs) {
    const take = (row: number): boolean => {
      const id = run.ids[row]!;
      if (known.has(id) || !wanted.isNamed(id, nameAt(run, row))) return true;
      known.add(id);
      add(id);
      return true;
    };
    const range = { from: 0, end: run.ids.length };
    await scan(run, range, { ...wanted, text: text ?? "", accepts }, take, pace);
  }
  return newest.rows;
}
