// Keeps the class of every path up to date as claims arrive, and how many paths have each pattern.

import type { Pattern } from "./classify.ts";
import { foldClaim, formatPathState, type NumberedClaim, parsePathState, patternOf } from "./path-state.ts";

/** Where the state of each path is kept: a table with the path's number as key. */
export interface AnalysisStore {
  /** What was last given to `write` for this path, or undefined. */
  read(path: number): Uint8Array | undefined;
  /** Keeps the state of a path; `pattern` so that paths can be found and counted by it. */
  write(path: number, state: Uint8Array, pattern: Pattern): void;
}

/** A path whose pattern a claim changed. */
export interface PatternChange {
  readonly path: number;
  readonly before: Pattern;
  readonly after: Pattern;
}

/** See the head of this file. */
export class Tally {
  readonly #store: AnalysisStore;
  readonly #patterns: Map<Pattern, number>;

  /** `patterns`: the counts of what is in `store` already, for a tally that goes on after a restart. */
  constructor(store: AnalysisStore, patterns: Iterable<readonly [Pattern, number]> = []) {
    this.#store = store;
    this.#patterns = new Map(patterns);
  }

  /** How many paths have each pattern. Owned by the tally and changed by `add`. */
  get patterns(): ReadonlyMap<Pattern, number> {
    return this.#patterns;
  }

  /**
   * Takes in a claim about a path. Claims may come in any order and more than once. Returns the change when the path's
   * pattern is another one now.
   * @throws TrustixError `INVALID_ARGUMENT` as `foldClaim`, `STATE_CORRUPT` when the store gives damaged bytes
   */
  add(path: number, claim: NumberedClaim): PatternChange | undefined {
    const bytes = this.#store.read(path);
    const state = bytes === undefined ? [] : parsePathState(bytes);
    const next = foldClaim(state, claim);
    if (next === state) return undefined;
    const [before, after] = [patternOf(state), patternOf(next)];
    this.#store.write(path, formatPathState(next), after);
    if (before === after) return undefined;
    const left = (this.#patterns.get(before) ?? 0) - 1;
    if (left > 0) this.#patterns.set(before, left);
    else this.#patterns.delete(before);
    this.#patterns.set(after, (this.#patterns.get(after) ?? 0) + 1);
    return { path, before, after };
  }
}
