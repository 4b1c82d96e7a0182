/**
 * Replays a policy against stored votes: what would change if it took the place of another.
 */

import { type Paint, renderTable, visible } from "../terminal.ts";
import type { Vote } from "../votes/vote.ts";
import type { PathFacts, Policy } from "./policy.ts";
import type { Verdict } from "./verdict.ts";

/** A path, with what every operator said of it. */
export interface ReplayCase {
  readonly facts: PathFacts;
  readonly votes: readonly Vote[];
  /** Votes by the operators of the new policy, where they are others. Default: `votes`. */
  readonly votesAfter?: readonly Vote[] | undefined;
}

/** How a decision differs under the new policy. */
export type ReplayChange =
  /** Refused before, accepted now. */
  | "newly-accepted"
  /** Accepted before, refused now. */
  | "newly-refused"
  /** Accepted by both, with different contents. */
  | "other-statement"
  /** Refused by both, for another reason. */
  | "other-reason";

/** One path whose decision changes. */
export interface ReplayDifference {
  readonly path: string;
  readonly change: ReplayChange;
  readonly before: { readonly rule: string; readonly verdict: string; readonly explanation: string };
  readonly after: { readonly rule: string; readonly verdict: string; readonly explanation: string };
}

/** The JSON of `trustix policy test --json`: fields are added in later versions, never changed. */
export interface ReplayReport {
  readonly version: 1;
  readonly total: number;
  readonly acceptedBefore: number;
  readonly acceptedAfter: number;
  readonly counts: Readonly<Record<ReplayChange, number>>;
  /** The first ones, up to the limit; `counts` has all. */
  readonly differences: readonly ReplayDifference[];
}

/**
 * Decides every case by both policies, each in its own mode: going from `report` to `enforce` shows what would be refused.
 * @param limit most differences to keep. Default 1000.
 */
export async function replay(
  cases: Iterable<ReplayCase> | AsyncIterable<ReplayCase>,
  before: Policy,
  after: Policy,
  limit = 1000,
): Promise<ReplayReport> {
  const counts: Record<ReplayChange, number> = {
    "newly-accepted": 0,
    "newly-refused": 0,
    "other-statement": 0,
    "other-reason": 0,
  };
  const differences: ReplayDifference[] = [];
  let total = 0;
  let acceptedBefore = 0;
  let acceptedAfter = 0;
  for await (const { facts, votes, votesAfter = votes } of cases) {
    const old = before.decide(facts, votes);
    const now = after.decide(facts, votesAfter);
    total++;
    if (old.accepted) acceptedBefore++;
    if (now.accepted) acceptedAfter++;
    const change = compare(old, now);
    if (change === undefined) continue;
    counts[change]++;
    if (differences.length < limit) {
      const path = now.storePath ?? old.storePath ?? facts.hashPart;
      differences.push({ path, change, before: summary(old), after: summary(now) });
    }
  }
  return { version: 1, total, acceptedBefore, acceptedAfter, counts, differences };
}

function compare(old: Verdict, now: Verdict): ReplayChange | undefined {
  if (old.accepted) {
    if (!now.accepted) return "newly-refused";
    return old.statement === now.statement ? undefined : "other-statement";
  }
  if (now.accepted) return "newly-accepted";
  return old.reason === now.reason ? undefined : "other-reason";
}

function summary(verdict: Verdict): ReplayDifference["before"] {
  const { rule, explanation } = verdict;
  return { rule: rule.name, verdict: verdict.accepted ? "accepted" : verdict.reason, explanation };
}

/**
 * The report as text for a terminal.
 * @param limit most differences to list. Default 50.
 */
export function renderReplay(report: ReplayReport, paint: Paint, limit = 50): string {
  const { total, acceptedBefore, acceptedAfter, counts, differences } = report;
  const changed = Object.values(counts).reduce((sum, count) => sum + count, 0);
  const lines = [
    `${total} paths: ${acceptedBefore} accepted before, ${acceptedAfter} after; ${changed} decisions change`,
  ];
  const kinds = Object.entries(counts).filter(([, count]) => count > 0);
  if (kinds.length > 0) {
    lines.push(
      "",
      renderTable(
        ["CHANGE", "PATHS"],
        kinds.map(([kind, count]) => [kind, String(count)]),
        paint,
      ),
    );
    const rows = differences
      .slice(0, limit)
      .map(({ path, change, before, after }) => [
        visible(path),
        paint(change === "newly-accepted" ? "green" : "yellow", change),
        `${before.rule}: ${before.verdict}`,
        `${after.rule}: ${after.verdict}`,
      ]);
    lines.push("", renderTable(["PATH", "CHANGE", "BEFORE", "AFTER"], rows, paint));
    if (changed > rows.length) lines.push(`and ${changed - rows.length} more`);
  }
  return lines.join("\n");
}
