/**
 * How much of a closure others confirm: each path in one class, counts, and what they mean for a script's exit status.
 */

import { type Paint, renderTable, visible } from "../terminal.ts";
import type { PolicyDecision } from "./policy.ts";
import type { PolicyRefusal } from "./verdict.ts";

/** A path that is installed here. */
export interface ClosurePath {
  readonly storePath: string;
  /** The statement that the local store's own facts make; undefined when it was not asked. */
  readonly local?: string | undefined;
  readonly decision: PolicyDecision;
}

/** From worst to best. */
export const CLOSURE_CLASSES = [
  /** The policy accepts a statement, and what is installed here is something else. */
  "different",
  /** Operators contradict each other, or one contradicts itself, and the policy refuses. */
  "disputed",
  /** Somebody built it, nobody disagrees, and it is not enough for the policy. */
  "refused",
  /** No operator has built it. */
  "nobody-else",
  /** The policy accepts what is installed. */
  "confirmed",
  /** The path's own name proves its contents. */
  "content-addressed",
] as const;

export type ClosureClass = (typeof CLOSURE_CLASSES)[number];

/** One path of a report. */
export interface ClosureFinding {
  readonly storePath: string;
  readonly class: ClosureClass;
  /** Why the policy refuses; null when it accepts. */
  readonly reason: PolicyRefusal | null;
  readonly explanation: string;
}

/** The JSON of `trustix check-closure --json`: fields are added in later versions, never changed. */
export interface ClosureReport {
  readonly version: 1;
  readonly total: number;
  readonly counts: Readonly<Record<ClosureClass, number>>;
  /** Every path, the worst first, then by path. */
  readonly paths: readonly ClosureFinding[];
}

/**
 * Sorts a closure into classes. Always by what `enforce` says: mode `report` would confirm all that anybody states.
 */
export function reportClosure(paths: Iterable<ClosurePath>): ClosureReport {
  const findings = [...paths].map(({ storePath, local, decision }): ClosureFinding => {
    const { enforced } = decision;
    return {
      storePath,
      class: classify(decision, local),
      reason: enforced.accepted ? null : enforced.reason,
      explanation: enforced.explanation,
    };
  });
  const rank = new Map(CLOSURE_CLASSES.map((name, index) => [name, index]));
  findings.sort(
    (a, b) =>
      (rank.get(a.class) as number) - (rank.get(b.class) as number) || (a.storePath < b.storePath ? -1 : 1),
  );
  const counts = Object.fromEntries(CLOSURE_CLASSES.map((name) => [name, 0])) as Record<ClosureClass, number>;
  for (const finding of findings) counts[finding.class]++;
  return { version: 1, total: findings.length, counts, paths: findings };
}

function classify({ enforced, votes }: PolicyDecision, local: string | undefined): ClosureClass {
  if (enforced.accepted) {
    if (local !== undefined && local !== enforced.statement) return "different";
    return enforced.basis === "content-addressed" ? "content-addressed" : "confirmed";
  }
  const statements = new Set<string>();
  for (const vote of votes) {
    if (vote.kind === "conflicting") return "disputed";
    if (vote.kind === "statement") statements.add(vote.statement);
    if (vote.kind === "quarantined") for (const statement of vote.statements) statements.add(statement);
  }
  if (local !== undefined && statements.size > 0) statements.add(local);
  if (statements.size === 0) return "nobody-else";
  return statements.size > 1 ? "disputed" : "refused";
}

/** Exit status of `trustix check-closure`. */
export type ClosureExitStatus =
  /** All paths are confirmed or prove themselves. */
  | 0
  /** Nothing speaks against what is installed, but something is not confirmed. */
  | 1
  /** Something is disputed, or differs from what the policy accepts: what was verified is false. */
  | 4;

/**
 * What a report means for a script.
 * @param mayBeUnconfirmed whether paths that nobody else, or too few, have built are fine. Default false.
 */
export function closureExitStatus(
  { counts }: Pick<ClosureReport, "counts">,
  { mayBeUnconfirmed = false }: { readonly mayBeUnconfirmed?: boolean } = {},
): ClosureExitStatus {
  if (counts.different + counts.disputed > 0) return 4;
  return counts.refused + counts["nobody-else"] > 0 && !mayBeUnconfirmed ? 1 : 0;
}

const MEANINGS: Readonly<Record<ClosureClass, readonly [style: Parameters<Paint>[0], meaning: string]>> = {
  different: ["red", "what is installed is not what the policy accepts"],
  disputed: ["red", "builders contradict each other"],
  refused: ["yellow", "built by others, but not by enough of them"],
  "nobody-else": ["yellow", "built by nobody else"],
  confirmed: ["green", "confirmed by the policy"],
  "content-addressed": ["green", "proven by the path itself"],
};

/**
 * The report as text for a terminal: the counts, then every path that is not in order.
 * @param limit most paths to list. Default 50.
 */
export function renderClosureReport(report: ClosureReport, paint: Paint, limit = 50): string {
  const present = CLOSURE_CLASSES.filter((name) => report.counts[name] > 0);
  const rows = present.map((name) => {
    const [style, meaning] = MEANINGS[name];
    const share = ((100 * report.counts[name]) / report.total).toFixed(1);
    return [paint(style, name), String(report.counts[name]), `${share} %`, meaning];
  });
  const lines = [renderTable(["CLASS", "PATHS", "SHARE", "MEANING"], rows, paint)];
  const notable = report.paths.filter(
    (each) => each.class !== "confirmed" && each.class !== "content-addressed",
  );
  if (notable.length > 0) {
    lines.push("");
    for (const each of notable.slice(0, limit)) {
      lines.push(
        `${paint(MEANINGS[each.class][0], each.class)}  ${visible(each.storePath)}  ${visible(each.explanation)}`,
      );
    }
    if (notable.length > limit)
      lines.push(`and ${notable.length - limit} more: raise --limit, or see --json`);
  }
  return lines.join("\n");
}
