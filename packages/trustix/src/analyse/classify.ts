// What the operators' claims about one path say together: a pattern of who agrees with whom, and its class.
//
// The pattern is all that analysis needs to know of a path. There are few of them however many paths there are, so
// everything else (classes, matrix, report, estimate) runs over counted patterns and not over paths.

import { TrustixError } from "../errors.ts";

/**
 * Who agrees with whom about one path: one character for each operator by number, `.` without a claim, `!` with two
 * different statements, else a letter from `a` on, the same letter for the same statement. Letters are in order of first
 * use and trailing dots are cut, so equal situations are equal text. `aab` : operators 0 and 1 agree, 2 says something else.
 */
export type Pattern = string;

/** Most operators that are told apart; letters stay below the surrogates of UTF-16. */
export const MAX_OPERATORS = 1000;

const FIRST_LETTER = 0x61;
const ABSENT = ".";
const TORN = "!";

/**
 * - `unchecked`: nobody has a claim.
 * - `single`: one operator has; nobody confirms or denies it.
 * - `unanimous`: two operators or more, one statement.
 * - `majority`: different statements, and one of them has more than half of the operators that have claims.
 * - `split`: different statements, none with more than half; a tie of two is a split.
 * - `conflicting`: an operator contradicts itself. It counts for nobody, so this comes before all others; `agreeing`
 *   still tells what the rest says.
 */
export type PathClass = "unchecked" | "single" | "unanimous" | "majority" | "split" | "conflicting";

/** How a report counts a path. A path that one operator built is never called reproducible. */
export type PathStatus = "reproducible" | "disputed" | "single" | "unchecked";

/** What a pattern says. Operators by number, ascending. */
export interface Classification {
  readonly kind: PathClass;
  /** Operators that share the statement that most have; empty when two statements share the first place. */
  readonly agreeing: readonly number[];
  /** Operators with a claim that are not among `agreeing`. */
  readonly outliers: readonly number[];
  /** Operators that contradict themselves, a part of `outliers`. */
  readonly torn: readonly number[];
}

/** The groups of a pattern, each a list of operators by number; groups in order of their first operator. */
export interface PatternGroups {
  readonly agreed: readonly (readonly number[])[];
  readonly torn: readonly number[];
}

/**
 * The pattern of what each operator says. `voices` has for each operator by number its statement's number, undefined
 * without a claim, or `"torn"` with two different statements.
 * @throws TrustixError `INVALID_ARGUMENT` for more than {@link MAX_OPERATORS}
 */
export function formatPattern(voices: readonly (number | "torn" | undefined)[]): Pattern {
  if (voices.length > MAX_OPERATORS) {
    throw new TrustixError("INVALID_ARGUMENT", `${voices.length} operators, at most ${MAX_OPERATORS}`);
  }
  const letters = new Map<number, string>();
  let pattern = "";
  let end = 0;
  for (const voice of voices) {
    if (voice === undefined) {
      pattern += ABSENT;
      continue;
    }
    let letter: string | undefined = TORN;
    if (voice !== "torn") {
      letter = letters.get(voice);
      if (letter === undefined) {
        letter = String.fromCharCode(FIRST_LETTER + letters.size);
        letters.set(voice, letter);
      }
    }
    pattern += letter;
    end = pattern.length;
  }
  return pattern.slice(0, end);
}

/** The groups in a pattern. */
export function groupsOf(pattern: Pattern): PatternGroups {
  const agreed: number[][] = [];
  const torn: number[] = [];
  for (let operator = 0; operator < pattern.length; operator++) {
    const character = pattern[operator]!;
    if (character === ABSENT) continue;
    if (character === TORN) torn.push(operator);
    else {
      const group = character.charCodeAt(0) - FIRST_LETTER;
      agreed[group] ??= [];
      agreed[group].push(operator);
    }
  }
  return { agreed, torn };
}

/** The class of a pattern, and who stands where. */
export function classify(pattern: Pattern): Classification {
  const { agreed, torn } = groupsOf(pattern);
  let agreeing: readonly number[] = [];
  let tied = false;
  let speaking = torn.length;
  for (const group of agreed) {
    speaking += group.length;
    if (group.length > agreeing.length) [agreeing, tied] = [group, false];
    else if (group.length === agreeing.length) tied = true;
  }
  if (tied) agreeing = [];
  const outliers = [...agreed.filter((group) => group !== agreeing).flat(), ...torn].sort((a, b) => a - b);
  return { kind: kindOf(), agreeing, outliers, torn };

  function kindOf(): PathClass {
    if (torn.length > 0) return "conflicting";
    if (speaking === 0) return "unchecked";
    if (speaking === 1) return "single";
    if (agreed.length === 1) return "unanimous";
    return agreeing.length * 2 > speaking ? "majority" : "split";
  }
}

/** How a report counts a class. */
export function statusOf(kind: PathClass): PathStatus {
  switch (kind) {
    case "unanimous":
      return "reproducible";
    case "majority":
    case "split":
    case "conflicting":
      return "disputed";
    case "single":
    case "unchecked":
      return kind;
    default:
      return kind satisfies never;
  }
}
