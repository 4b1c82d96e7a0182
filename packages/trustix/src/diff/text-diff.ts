// Line by line differences of two texts as unified hunks, with bounds on time, memory and output.
//
// E. Myers, "An O(ND) Difference Algorithm and Its Variations" (1986), the greedy forward variant. Lines that only one side
// has are set aside before, as diff(1) does: they match nothing, and without them the edit distance is mostly small, even
// where every line has a time in it.
import type { TextDiffJson } from "../http/diff-schema.ts";

/** Bounds of a text diff. */
export interface TextDiffLimits {
  /** Lines of all hunks together. Default 200. */
  readonly maxLines?: number;
  /** UTF-16 units of a line that is shown; the rest of it is cut off. Default 400. */
  readonly maxLineLength?: number;
  /**
   * Edit distance up to which the shortest way from one text to the other is looked for. What is left beyond it is shown
   * as replaced. Default 500; memory grows with its square, time with its product with the number of lines.
   */
  readonly maxDistance?: number;
}

const CONTEXT_LINES = 3;
const NO_NEWLINE = "\\ No newline at end of file";
/** What no text has: control characters besides those that lay it out or colour it. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for.
const BINARY = /[\0-\x07\x0e-\x1a\x1c-\x1f\x7f]/;

/** The text of a file, or undefined when it is not text in UTF-8. */
export function textOf(bytes: Uint8Array): string | undefined {
  let text: string;
  try {
    text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return undefined;
  }
  return BINARY.test(text) ? undefined : text;
}

/** The lines of a text, without their ends; whether the last one has an end. */
interface Lines {
  readonly lines: readonly string[];
  readonly isClosed: boolean;
}

function linesOf(text: string): Lines {
  if (text === "") return { lines: [], isClosed: true };
  const lines = text.split("\n");
  const isClosed = lines.at(-1) === "";
  if (isClosed) lines.pop();
  return { lines, isClosed };
}

/** Small numbers for lines, the same for the same line, and how many there are. */
function numbered(
  before: Lines,
  after: Lines,
): { readonly before: Int32Array; readonly after: Int32Array; readonly count: number } {
  const numbers = new Map<string, number>();
  const number = ({ lines, isClosed }: Lines): Int32Array =>
    Int32Array.from(lines, (line, index) => {
      // A last line without an end is another than one with it. No line has an end in its text.
      const key = isClosed || index < lines.length - 1 ? line : `\n${line}`;
      const known = numbers.get(key);
      if (known !== undefined) return known;
      numbers.set(key, numbers.size);
      return numbers.size - 1;
    });
  return { before: number(before), after: number(after), count: numbers.size };
}

/** For each line of `before` the line of `after` that it stays, or -1. */
function matchLines({ before, after, count }: ReturnType<typeof numbered>, maxDistance: number): Int32Array {
  const matches = new Int32Array(before.length).fill(-1);
  let start = 0;
  const shorter = Math.min(before.length, after.length);
  while (start < shorter && before[start] === after[start]) {
    matches[start] = start;
    start++;
  }
  let [endBefore, endAfter] = [before.length, after.length];
  while (endBefore > start && endAfter > start && before[endBefore - 1] === after[endAfter - 1]) {
    matches[--endBefore] = --endAfter;
  }
  const indices = (lines: Int32Array, end: number, others: Int32Array, othersEnd: number): number[] => {
    const isThere = new Uint8Array(count);
    for (let index = start; index < othersEnd; index++) isThere[others[index]!] = 1;
    const kept: number[] = [];
    for (let index = start; index < end; index++) if (isThere[lines[index]!] === 1) kept.push(index);
    return kept;
  };
  const left = indices(before, endBefore, after, endAfter);
  const right = indices(after, endAfter, before, endBefore);
  const pairs = myers(
    Int32Array.from(left, (index) => before[index]!),
    Int32Array.from(right, (index) => after[index]!),
    maxDistance,
  );
  for (const [x, y] of pairs) matches[left[x]!] = right[y]!;
  return matches;
}

/** Pairs of equal items, in order: as many as can be, or those on the longest way found within `maxDistance`. */
function myers(a: Int32Array, b: Int32Array, maxDistance: number): [number, number][] {
  const limit = Math.min(maxDistance, a.length + b.length);
  const offset = limit + 1;
  /** Furthest x on each diagonal k = x - y; and what it was before each round. */
  const furthest = new Int32Array(2 * limit + 3);
  const rounds: Int32Array[] = [];
  let best: Reached = { x: 0, y: 0, distance: 0 };
  search: for (let distance = 0; distance <= limit; distance++) {
    rounds.push(furthest.slice(offset - distance - 1, offset + distance + 2));
    for (let k = -distance; k <= distance; k += 2) {
      const down = k === -distance || (k < distance && furthest[offset + k - 1]! < furthest[offset + k + 1]!);
      let x = down ? furthest[offset + k + 1]! : furthest[offset + k - 1]! + 1;
      let y = x - k;
      while (x < a.length && y < b.length && a[x] === b[y]) {
        x++;
        y++;
      }
      furthest[offset + k] = x;
      // Diagonals leave the grid; what is outside is on no way to its end.
      if (x <= a.length && y <= b.length && x + y > best.x + best.y) best = { x, y, distance };
      if (x >= a.length && y >= b.length) break search;
    }
  }
  return backtrack(rounds, best);
}

/** A point, and the number of removed and added items on the way to it. */
interface Reached {
  readonly x: number;
  readonly y: number;
  readonly distance: number;
}

/** The equal items on the way to a point. */
function backtrack(rounds: readonly Int32Array[], end: Reached): [number, number][] {
  const pairs: [number, number][] = [];
  let { x, y } = end;
  for (let { distance } = end; distance > 0; distance--) {
    const k = x - y;
    const at = (diagonal: number): number => rounds[distance]![diagonal + distance + 1]!;
    const down = k === -distance || (k < distance && at(k - 1) < at(k + 1));
    const from = down ? k + 1 : k - 1;
    const fromX = at(from);
    const stepX = down ? fromX : fromX + 1;
    while (x > stepX) pairs.push([--x, --y]);
    [x, y] = [fromX, fromX - from];
  }
  while (x > 0) pairs.push([--x, --y]);
  return pairs.reverse();
}

/** A stretch of lines that stays (`kept`), or that is taken out and put in, as bounds in both texts. */
interface Change {
  readonly before: readonly [number, number];
  readonly after: readonly [number, number];
}

function changesOf(matches: Int32Array, afterLength: number): Change[] {
  const changes: Change[] = [];
  let [from, to] = [0, 0];
  for (let index = 0; index <= matches.length; index++) {
    const match = index === matches.length ? afterLength : matches[index]!;
    if (match < 0) continue;
    if (index > from || match > to) changes.push({ before: [from, index], after: [to, match] });
    [from, to] = [index + 1, match + 1];
  }
  return changes;
}

/** Changes with so little between them that their contexts touch, together. */
function grouped(changes: readonly Change[]): Change[][] {
  const groups: Change[][] = [];
  for (const change of changes) {
    const last = groups.at(-1)?.at(-1);
    if (last !== undefined && change.before[0] - last.before[1] <= 2 * CONTEXT_LINES)
      groups.at(-1)!.push(change);
    else groups.push([change]);
  }
  return groups;
}

/** How to make `after` of `before`. No hunks when they are equal. */
export function diffText(before: string, after: string, limits: TextDiffLimits = {}): TextDiffJson {
  const { maxLines = 200, maxLineLength = 400, maxDistance = 500 } = limits;
  const [old, young] = [linesOf(before), linesOf(after)];
  const matches = matchLines(numbered(old, young), maxDistance);
  let left = maxLines;
  let isWhole = true;
  const hunks: TextDiffJson["hunks"] = [];
  for (const group of grouped(changesOf(matches, young.lines.length))) {
    const lines: string[] = [];
    const put = (sign: string, side: Lines, from: number, to: number): void => {
      for (let index = from; index < to; index++) {
        if (left-- <= 0) {
          isWhole = false;
          return;
        }
        const line = side.lines[index]!;
        if (line.length > maxLineLength) isWhole = false;
        lines.push(sign + line.slice(0, maxLineLength).toWellFormed());
        if (!side.isClosed && index === side.lines.length - 1) lines.push(NO_NEWLINE);
      }
    };
    const [first, last] = [group[0]!, group.at(-1)!];
    const lead = Math.min(CONTEXT_LINES, first.before[0]);
    const trail = Math.min(CONTEXT_LINES, old.lines.length - last.before[1]);
    const start = first.before[0] - lead;
    let position = start;
    for (const change of group) {
      put(" ", old, position, change.before[0]);
      put("-", old, ...change.before);
      put("+", young, ...change.after);
      position = change.before[1];
    }
    put(" ", old, position, position + trail);
    if (lines.length === 0) break;
    const startAfter = first.after[0] - lead;
    hunks.push({
      before: start + (last.before[1] + trail > start ? 1 : 0),
      after: startAfter + (last.after[1] + trail > startAfter ? 1 : 0),
      lines,
    });
  }
  return { hunks, isWhole };
}

/** The same hunks in the other direction. */
export function reverseText({ hunks, isWhole }: TextDiffJson): TextDiffJson {
  return {
    hunks: hunks.map(({ before, after, lines }) => ({
      before: after,
      after: before,
      lines: reverseLines(lines),
    })),
    isWhole,
  };
}

function reverseLines(lines: readonly string[]): string[] {
  const reversed: string[] = [];
  let removed: string[] = [];
  let added: string[] = [];
  let current = reversed;
  const flush = (): void => {
    // What is taken out comes before what is put in.
    reversed.push(...removed, ...added);
    [removed, added] = [[], []];
  };
  for (const line of lines) {
    switch (line[0]) {
      case "-":
        current = added;
        current.push(`+${line.slice(1)}`);
        break;
      case "+":
        current = removed;
        current.push(`-${line.slice(1)}`);
        break;
      case "\\":
        current.push(line);
        break;
      default:
        flush();
        current = reversed;
        current.push(line);
    }
  }
  flush();
  return reversed;
}
