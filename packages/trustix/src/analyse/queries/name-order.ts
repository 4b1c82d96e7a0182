// All names in order, for search by any part of a name.
//
// Names lie one behind the other in a few sorted runs of bytes, so that a part of a name is found at the speed of memory:
// 26 MB for a million paths, some 10 ms to see that it is nowhere. New names make small runs, and runs of about the same
// size are merged, in pieces and in the background. Runs are never changed: who searches one keeps it.
import type { Pace } from "./pace.ts";

/** A path's name. Names are of Nix' alphabet, so a character is a byte. */
export interface NamedPath {
  readonly id: number;
  readonly name: string;
}

/** Names in lower case, each with an LF behind it, sorted by name and then by id. */
export interface Run {
  readonly bytes: Buffer;
  /** Where each name begins, and where the last one ends. */
  readonly starts: Uint32Array;
  readonly ids: Uint32Array;
}

const LF = 0x0a;
/** Rows between two looks at the clock. */
const STEP = 1024;

/** The name of a row, in lower case. */
export function nameAt(run: Run, row: number): string {
  return run.bytes.toString("latin1", run.starts[row]!, run.starts[row + 1]! - 1);
}

/** The first row at or behind (name, id). `name` is in lower case. */
export function rowFrom(run: Run, name: string, id: number): number {
  let low = 0;
  let high = run.ids.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    const found = nameAt(run, middle);
    if (found < name || (found === name && run.ids[middle]! < id)) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** The row that a byte belongs to. */
export function rowOf(run: Run, position: number, from: number): number {
  let low = from;
  let high = run.ids.length - 1;
  while (low < high) {
    const middle = (low + high + 1) >>> 1;
    if (run.starts[middle]! <= position) low = middle;
    else high = middle - 1;
  }
  return low;
}

function runOf(paths: readonly NamedPath[]): Run {
  const sorted = paths
    .map(({ id, name }) => ({ id, name: name.toLowerCase() }))
    .sort((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : a.id - b.id));
  const starts = new Uint32Array(sorted.length + 1);
  const ids = new Uint32Array(sorted.length);
  let end = 0;
  for (const [row, { id, name }] of sorted.entries()) {
    ids[row] = id;
    end += name.length + 1;
    starts[row + 1] = end;
  }
  return { bytes: Buffer.from(sorted.map(({ name }) => `${name}\n`).join(""), "latin1"), starts, ids };
}

/** Negative when row `i` of `a` comes before row `j` of `b`. The LF is below every character of a name. */
function compareRows(a: Run, i: number, b: Run, j: number): number {
  let [at, other] = [a.starts[i]!, b.starts[j]!];
  const [left, right] = [a.bytes, b.bytes];
  for (;;) {
    const difference = left[at]! - right[other]!;
    if (difference !== 0) return difference;
    if (left[at] === LF) return a.ids[i]! - b.ids[j]!;
    at++;
    other++;
  }
}

async function merge(a: Run, b: Run, pace: Pace): Promise<Run> {
  const rows = a.ids.length + b.ids.length;
  const merged = {
    bytes: Buffer.allocUnsafeSlow(a.bytes.length + b.bytes.length),
    starts: new Uint32Array(rows + 1),
    ids: new Uint32Array(rows),
  };
  let [i, j, row, end] = [0, 0, 0, 0];
  while (i < a.ids.length || j < b.ids.length) {
    const order = i === a.ids.length ? 1 : j === b.ids.length ? -1 : compareRows(a, i, b, j);
    const from = order <= 0 ? a : b;
    const at = order <= 0 ? i++ : j++;
    // A path that got back a name that it had is in both.
    if (order === 0) j++;
    end += from.bytes.copy(merged.bytes, end, from.starts[at]!, from.starts[at + 1]!);
    merged.ids[row++] = from.ids[at]!;
    merged.starts[row] = end;
    if (row % STEP === 0 && pace.isDue) await pace.pause();
  }
  return {
    bytes: merged.bytes.subarray(0, end),
    starts: merged.starts.subarray(0, row + 1),
    ids: merged.ids.subarray(0, row),
  };
}

/** The names of all paths. */
export class NameOrder {
  #runs: readonly Run[] = [];

  /** The runs, largest first. Every path is in one of them under its name, and may be under names that it had before. */
  get runs(): readonly Run[] {
    return this.#runs;
  }

  /** Adds paths under a name that they do not have now. Not to be called again before it is done. */
  async add(paths: readonly NamedPath[], pace: Pace): Promise<void> {
    if (paths.length === 0) return;
    this.#runs = [...this.#runs, runOf(paths)];
    // As many runs as the logarithm of the number of paths: each is at least twice as large as the next.
    for (;;) {
      const [larger, last] = this.#runs.slice(-2);
      if (larger === undefined || last === undefined || larger.ids.length >= 2 * last.ids.length) return;
      const merged = await merge(larger, last, pace);
      this.#runs = [...this.#runs.slice(0, -2), merged];
    }
  }
}
