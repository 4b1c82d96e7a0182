// Counts and shares in words and pictures, the same in every form of a report.

import type {
  IntervalJson,
  PathStatusName,
  PathSummaryJson,
  StatusCountsJson,
} from "../../http/insight-schema.ts";

/** What a report tells apart, in the order in which it is shown. */
export const STATUSES: readonly PathStatusName[] = ["reproducible", "disputed", "single", "unchecked"];

/** What each status means, for people. */
export const STATUS_MEANINGS: Readonly<Record<PathStatusName, string>> = {
  reproducible: "two builders or more built it, all alike",
  disputed: "builders contradict each other, or one contradicts itself",
  single: "built by one builder only: nothing to compare with",
  unchecked: "built by no builder that this node listens to",
};

/** A share in percent. What is more than nothing is never shown as 0.0 %, and what is less than all never as 100.0 %. */
export function formatShare(part: number, whole: number): string {
  if (whole === 0) return "-";
  const percent = (100 * part) / whole;
  if (percent > 0 && percent < 0.1) return "<0.1 %";
  if (percent < 100 && percent > 99.9) return ">99.9 %";
  return `${percent.toFixed(1)} %`;
}

/** A share in percent with as many digits as a small one needs: 0.123 %, 1.23 %, 12.3 %. */
function formatPercent(share: number): string {
  const percent = 100 * share;
  if (percent === 0) return "0";
  if (percent < 0.001) return "<0.001";
  return percent < 1 ? percent.toFixed(3) : percent < 10 ? percent.toFixed(2) : percent.toFixed(1);
}

/** An estimated share and what it is between with 95 %: `1.23 % (0.910 to 1.64)`. */
export function formatInterval({ low, mean, high }: IntervalJson): string {
  return `${formatPercent(mean)} % (${formatPercent(low)} to ${formatPercent(high)})`;
}

/** A probability in percent that is never shown as certain. */
export function formatProbability(probability: number): string {
  if (probability > 0.999) return ">99.9 %";
  if (probability < 0.001) return "<0.1 %";
  return `${(100 * probability).toFixed(1)} %`;
}

/** `1 path`, `2 paths`. */
export function plural(count: number, one: string, many = `${one}s`): string {
  return `${count} ${count === 1 ? one : many}`;
}

/** `alice, bob and chuck`; empty for nobody. */
export function listOf(names: readonly string[]): string {
  const last = names.at(-1) ?? "";
  return names.length < 2 ? last : `${names.slice(0, -1).join(", ")} and ${last}`;
}

/** Who stands where about a path, one clause. */
export function sidesOf({
  agreeing,
  outliers,
  kind,
}: Pick<PathSummaryJson, "agreeing" | "outliers" | "kind">): string {
  const one = outliers.length === 1;
  const isTorn = kind === "conflicting";
  const deed = isTorn
    ? one
      ? "contradicts itself"
      : "differ or contradict themselves"
    : one
      ? "differs"
      : "differ";
  const apart = outliers.length === 0 ? [] : [`${listOf(outliers)} ${deed}`];
  if (agreeing.length === 0) return apart.join("");
  const together = agreeing.length === 1 ? `${listOf(agreeing)} stands alone` : `${listOf(agreeing)} agree`;
  return [together, ...apart].join("; ");
}

/**
 * Divides `width` cells among the statuses by their counts. A status that has any path has a cell, if there is one for each;
 * none has a cell without a path.
 */
export function divideCells(
  counts: StatusCountsJson,
  width: number,
): Readonly<Record<PathStatusName, number>> {
  const cells: Record<PathStatusName, number> = { reproducible: 0, disputed: 0, single: 0, unchecked: 0 };
  const present = STATUSES.filter((status) => counts[status] > 0);
  let left = width;
  for (const status of present.slice(0, width)) {
    cells[status] = 1;
    left--;
  }
  const room = left;
  const exact = present.map((status) => {
    const wanted = Math.max(0, (counts[status] / counts.paths) * width - 1);
    return { status, wanted };
  });
  const total = exact.reduce((sum, { wanted }) => sum + wanted, 0);
  const shares = exact.map(({ status, wanted }) => {
    const share = total === 0 ? 0 : (wanted / total) * room;
    cells[status] += Math.floor(share);
    left -= Math.floor(share);
    return { status, rest: share - Math.floor(share) };
  });
  shares.sort((a, b) => b.rest - a.rest);
  for (const { status } of shares) {
    if (left <= 0) break;
    cells[status]++;
    left--;
  }
  return cells;
}
