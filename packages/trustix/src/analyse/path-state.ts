// What is remembered of one path so that its class follows each new claim, whatever order claims come in.
//
// A vote is made of all that an operator ever claimed of a path: two different statements make it count for nobody, for
// good. So of each operator no more than its two earliest different statements matter, to the class and to the history,
// and a log that claims a thousand things about one path takes no more room than one that claims two.

import { TrustixError } from "../errors.ts";
import {
  classify,
  formatPattern,
  MAX_OPERATORS,
  type PathClass,
  type Pattern,
  statusOf,
} from "./classify.ts";

/** A claim, its operator and statement by number. Numbers are the caller's and must stay the same for ever. */
export interface NumberedClaim {
  readonly operator: number;
  /** Equal for two claims exactly when their statements are equal text. */
  readonly statement: number;
  /** When this node first saw the claim, milliseconds since 1970. */
  readonly seenAtMs: number;
  /** Index in its log; decides between claims seen at the same time. */
  readonly index: number;
}

/**
 * The claims of a path that matter: for each operator at most two of different statements, the earliest seen. Ordered by
 * operator, then by time. Equal sets of claims give equal states in whatever order they are folded in.
 */
export type PathState = readonly NumberedClaim[];

/** An operator does not count in this span: unsubscribed, or in quarantine. */
export interface Absence {
  readonly operator: number;
  readonly fromMs: number;
  /** Exclusive; for ever when absent. */
  readonly untilMs?: number | undefined;
}

/** A moment at which the class of a path changed. */
export interface ClassChange {
  readonly atMs: number;
  readonly kind: PathClass;
  readonly pattern: Pattern;
}

/** The classes that a path has had. */
export interface PathHistory {
  /** Oldest first; neighbours differ in kind. Empty when there is no claim. */
  readonly changes: readonly ClassChange[];
  /** Since when it is disputed without a break, or was when it last was; undefined when it never was. */
  readonly disputedAtMs: number | undefined;
  /** When the last dispute ended; undefined while it lasts, or when there was none. */
  readonly healedAtMs: number | undefined;
}

/** Negative when `a` comes first. Total over claims of one operator that differ. */
function compareClaims(a: NumberedClaim, b: NumberedClaim): number {
  return a.operator - b.operator || a.seenAtMs - b.seenAtMs || a.index - b.index || a.statement - b.statement;
}

/**
 * The state with one claim more. Returns `state` itself when nothing changes, so that the caller has nothing to write.
 * @throws TrustixError `INVALID_ARGUMENT` when a field is no safe integer from 0 on, or the operator's number is not below
 * {@link MAX_OPERATORS}
 */
export function foldClaim(state: PathState, claim: NumberedClaim): PathState {
  for (const value of [claim.operator, claim.statement, claim.seenAtMs, claim.index]) {
    if (!Number.isSafeInteger(value) || value < 0) {
      throw new TrustixError("INVALID_ARGUMENT", `a claim has ${value} where a whole number must be`);
    }
  }
  if (claim.operator >= MAX_OPERATORS) {
    throw new TrustixError(
      "INVALID_ARGUMENT",
      `operator ${claim.operator}, at most ${MAX_OPERATORS} are told apart`,
    );
  }
  const own = state.filter((each) => each.operator === claim.operator);
  const same = own.find((each) => each.statement === claim.statement);
  if (same !== undefined && compareClaims(same, claim) <= 0) return state;
  const kept = [...own.filter((each) => each !== same), claim].sort(compareClaims).slice(0, 2);
  if (!kept.includes(claim)) return state;
  return [...state.filter((each) => each.operator !== claim.operator), ...kept].sort(compareClaims);
}

/** The pattern of a state. Operators for which `counts` is false are left out; by default none. */
export function patternOf(state: PathState, counts?: (operator: number) => boolean): Pattern {
  const voices: (number | "torn" | undefined)[] = [];
  for (const { operator, statement } of state) {
    if (counts !== undefined && !counts(operator)) continue;
    while (voices.length < operator) voices.push(undefined);
    if (voices.length > operator) voices[operator] = "torn";
    else voices.push(statement);
  }
  return formatPattern(voices);
}

/**
 * The history of a path. Claims never go away, so a dispute ends only when an operator stops counting: give its
 * `absences`, and the history tells when that healed the path and when it came back.
 */
export function historyOf(state: PathState, absences: readonly Absence[] = []): PathHistory {
  const moments = new Set(state.map((claim) => claim.seenAtMs));
  for (const { fromMs, untilMs } of absences) {
    moments.add(fromMs);
    if (untilMs !== undefined) moments.add(untilMs);
  }
  const changes: ClassChange[] = [];
  let disputedAtMs: number | undefined;
  let healedAtMs: number | undefined;
  let last: PathClass = "unchecked";
  for (const atMs of [...moments].sort((a, b) => a - b)) {
    const counts = (operator: number): boolean =>
      !absences.some(
        (each) =>
          each.operator === operator &&
          each.fromMs <= atMs &&
          atMs < (each.untilMs ?? Number.POSITIVE_INFINITY),
      );
    const pattern = patternOf(
      state.filter((claim) => claim.seenAtMs <= atMs),
      counts,
    );
    const { kind } = classify(pattern);
    if (kind === last) continue;
    const [was, is] = [statusOf(last) === "disputed", statusOf(kind) === "disputed"];
    if (is && !was) [disputedAtMs, healedAtMs] = [atMs, undefined];
    if (was && !is) healedAtMs = atMs;
    changes.push({ atMs, kind, pattern });
    last = kind;
  }
  return { changes, disputedAtMs, healedAtMs };
}
