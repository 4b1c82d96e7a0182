// The node's timeline as charts: agreement, claims and disputes.
import { useSignal } from "@preact/signals";
import { useMemo } from "preact/hooks";
import type { OverviewJson } from "trustix/src/http/insight-schema.ts";
import { Panel } from "../ui/basics.tsx";
import { Chart } from "./chart.tsx";
import { chartsOf, fillGaps, mergeSpans, sharesOf } from "./timeline-data.ts";

/** A panel for each chart; nothing before there is anything to show. */
export function Timelines({ timeline }: { readonly timeline: OverviewJson["timeline"] }) {
  const isShare = useSignal(true);
  const shown = useMemo(() => mergeSpans(fillGaps(timeline)), [timeline]);
  const [agreement, claims, disputes] = useMemo(() => chartsOf(shown), [shown]);
  const shares = useMemo(() => sharesOf(agreement), [agreement]);
  if (timeline.points.length === 0) return null;
  return (
    <>
      <Panel
        title="Agreement over time"
        note={
          <>
            paths by when first seen{" "}
            <button
              type="button"
              class="small"
              aria-pressed={isShare.value}
              onClick={() => {
                isShare.value = !isShare.value;
              }}
            >
              as shares
            </button>
          </>
        }
      >
        <Chart
          data={isShare.value ? shares : agreement}
          spanMs={shown.spanMs}
          label="Paths by status, by when they were first seen"
        />
      </Panel>
      <Panel title="Claims over time" note="by operator">
        <Chart data={claims} spanMs={shown.spanMs} label="Claims by operator, by when they came" />
      </Panel>
      <Panel title="Disputes over time" note="paths by when their class changed">
        <Chart
          data={disputes}
          spanMs={shown.spanMs}
          label="Paths that became disputed, and that agreed again"
        />
      </Panel>
    </>
  );
}
