// What analysis keeps of a path, worked out from all claims about it.
//
// It is a function of the claims and of who counts, and of nothing else: not of the order in which they came, nor of what
// was kept before. So a path may be worked out again whenever there is doubt.

import { hashPartOf, nameOf, type StorePath } from "@trustix/nix";
import { KINDS, STATUSES } from "./analysis-database.ts";
import type { ClaimFacts } from "./claim-source.ts";
import { classify, type Pattern, statusOf } from "./classify.ts";
import { packageOf } from "./package-name.ts";
import { type Absence, foldClaim, historyOf, type PathState, patternOf } from "./path-state.ts";

/** Times are seconds since 1970. */
export interface PathRow {
  readonly hash: string;
  /** The name that most operators give it; of equally many the one first seen. */
  readonly name: string;
  readonly package: string;
  /** Likewise; undefined when unknown. */
  readonly system: string | undefined;
  readonly pattern: Pattern;
  /** Index into `KINDS`. */
  readonly kind: number;
  /** Index into `STATUSES`. */
  readonly status: number;
  readonly firstSeen: number;
  readonly changed: number;
  readonly disputed: number | null;
  readonly healed: number | null;
}

/** Who counts. */
export interface Voices {
  /** Operators by log. Claims of other logs are none. */
  readonly operators: ReadonlyMap<number, number>;
  readonly absences: readonly Absence[];
  /** Name of a system. */
  readonly system: (id: number) => string | undefined;
}

/** The rows for all claims of one key: one row, unless hash parts were made to share a key. Sorted by hash part. */
export function pathRows(facts: readonly ClaimFacts[], voices: Voices): PathRow[] {
  const counting = facts.filter(({ log }) => voices.operators.has(log));
  const byHash = Map.groupBy(counting, ({ path }) => hashPartOf(path as StorePath));
  return Array.from(byHash, ([hash, claims]) => pathRow(hash, claims, voices)).sort((a, b) =>
    a.hash < b.hash ? -1 : 1,
  );
}

function pathRow(hash: string, claims: readonly ClaimFacts[], voices: Voices): PathRow {
  const { operators, absences, system } = voices;
  let state: PathState = [];
  const first = new Map<number, ClaimFacts>();
  for (const claim of claims) {
    const operator = operators.get(claim.log)!;
    const { statement, seen, index } = claim;
    state = foldClaim(state, { operator, statement, seenAtMs: 1000 * seen, index });
    const before = first.get(operator);
    if (before === undefined || comesBefore(claim, before)) first.set(operator, claim);
  }
  const own = absences.filter(({ operator }) => first.has(operator));
  const isAbsent = (operator: number): boolean =>
    own.some((absence) => absence.operator === operator && absence.untilMs === undefined);
  const pattern = own.length === 0 ? patternOf(state) : patternOf(state, (each) => !isAbsent(each));
  const { kind } = classify(pattern);
  const { changes, disputedAtMs, healedAtMs } = historyOf(state, own);
  const firsts = [...first.values()].sort((a, b) => (comesBefore(a, b) ? -1 : 1));
  const name = nameOf(mostCommon(firsts, ({ path }) => path)!.path as StorePath);
  const known = firsts.filter((claim) => claim.system !== 0);
  return {
    hash,
    name,
    package: packageOf(name),
    system: system(mostCommon(known, (claim) => claim.system)?.system ?? 0),
    pattern,
    kind: KINDS.indexOf(kind),
    status: STATUSES.indexOf(statusOf(kind)),
    firstSeen: firsts[0]!.seen,
    changed: secondsOf(changes.at(-1)?.atMs) ?? firsts[0]!.seen,
    disputed: secondsOf(disputedAtMs),
    healed: secondsOf(healedAtMs),
  };
}

function comesBefore(a: ClaimFacts, b: ClaimFacts): boolean {
  return (a.seen - b.seen || a.log - b.log || a.index - b.index) < 0;
}

/** The first of those that share what most have. */
function mostCommon<T>(claims: readonly T[], of: (claim: T) => unknown): T | undefined {
  const [head, ...rest] = claims;
  if (head === undefined || rest.every((claim) => of(claim) === of(head))) return head;
  let best: readonly T[] = [];
  for (const group of Map.groupBy(claims, of).values()) if (group.length > best.length) best = group;
  return best[0];
}

function secondsOf(ms: number): number;
function secondsOf(ms: number | undefined): number | null;
function secondsOf(ms: number | undefined): number | null {
  return ms === undefined ? null : Math.floor(ms / 1000);
}
