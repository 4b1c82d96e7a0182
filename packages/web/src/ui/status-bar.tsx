// Counts by status: a bar in one line, and the figures, each a link to those paths.
import type { StatusCountsJson } from "trustix/src/http/insight-schema.ts";
import { hrefTo } from "../router.ts";
import { formatCount, formatShare } from "../text.ts";
import { STATUS, STATUSES } from "../words.ts";

/** Parts of a whole in a line. What it shows is said in words beside it, or in `label`. */
export function StatusBar({ counts, label }: { readonly counts: StatusCountsJson; readonly label: string }) {
  let at = 0;
  return (
    <svg class="status-bar" viewBox="0 0 1000 10" preserveAspectRatio="none" role="img" aria-label={label}>
      <rect class="rest" x="0" y="0" width="1000" height="10" />
      {STATUSES.map((status) => {
        const width = counts.paths === 0 ? 0 : (counts[status] / counts.paths) * 1000;
        const x = at;
        at += width;
        return width > 0 && <rect key={status} class={status} x={x} y="0" width={width} height="10" />;
      })}
    </svg>
  );
}

/** What a bar shows, in words. */
export function describeCounts(counts: StatusCountsJson): string {
  const parts = STATUSES.filter((status) => counts[status] > 0).map(
    (status) => `${formatCount(counts[status])} ${STATUS[status].label.toLowerCase()}`,
  );
  return parts.length === 0 ? "no paths" : parts.join(", ");
}

/** The figures, as large as they are important. */
export function StatusFigures({ counts }: { readonly counts: StatusCountsJson }) {
  return (
    <ul class="figures">
      {STATUSES.filter((status) => status !== "unchecked" || counts.unchecked > 0).map((status) => (
        <li key={status}>
          <a href={hrefTo(["packages"], { status })}>
            <span class={`key ${status}`} />
            <span class="figure">{formatCount(counts[status])}</span>
            <span class="figure-label">{STATUS[status].label}</span>
            <span class="figure-share">
              {counts.paths === 0 ? "" : formatShare(counts[status] / counts.paths)}
            </span>
            <span class="figure-meaning">{STATUS[status].meaning}</span>
          </a>
        </li>
      ))}
    </ul>
  );
}
