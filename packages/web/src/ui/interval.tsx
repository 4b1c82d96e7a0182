// An estimated share with its uncertainty: the line of what it is between with 95 %, and the mean on it.
import type { IntervalJson } from "trustix/src/http/insight-schema.ts";
import { formatShare } from "../text.ts";

/** A share, drawn and in words. `max` is the end of the scale. */
export function Interval({
  interval,
  max = 1,
  label,
}: {
  readonly interval: IntervalJson;
  readonly max?: number;
  readonly label: string;
}) {
  const { low, mean, high } = interval;
  const x = (share: number): number => Math.min(100, Math.max(0, (share / max) * 100));
  const text = `${formatShare(mean)}, between ${formatShare(low)} and ${formatShare(high)} with 95 %`;
  return (
    <span class="interval">
      <svg viewBox="-2 0 104 12" preserveAspectRatio="none" role="img" aria-label={`${label}: ${text}`}>
        <line class="scale" x1="0" x2="100" y1="6" y2="6" />
        <line class="range" x1={x(low)} x2={Math.max(x(high), x(low) + 0.5)} y1="6" y2="6" />
        <line class="mean" x1={x(mean)} x2={x(mean)} y1="1" y2="11" />
      </svg>
      <span class="interval-text" aria-hidden="true">
        <b>{formatShare(mean)}</b> <span class="dim">{`${formatShare(low)} – ${formatShare(high)}`}</span>
      </span>
    </span>
  );
}
