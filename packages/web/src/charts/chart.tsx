// A chart with what it takes to read it otherwise: a legend with figures, and the whole as a table.
import { useSignal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import { formatCount, formatShare, formatTime } from "../text.ts";
import { colours } from "../theme.ts";
import { Scroll } from "../ui/scroll.tsx";
import type { Plot } from "./plot.ts";

/** One line or one part of a stack. */
export interface ChartSeries {
  readonly label: string;
  /** Name of a custom property of the style. */
  readonly colour: `--${string}`;
  /** One for each time. */
  readonly values: readonly number[];
}

/** What a chart shows. */
export interface ChartData {
  readonly kind: "stacked" | "lines";
  /** Values are shares, of 1 together, and not counts. */
  readonly isShare?: boolean;
  /** Beginnings of spans of equal length, in seconds, ascending. */
  readonly times: readonly number[];
  readonly series: readonly ChartSeries[];
}

/** A chart over time. */
export function Chart({
  data,
  spanMs,
  label,
}: {
  readonly data: ChartData;
  readonly spanMs: number;
  /** What it shows, for the table's caption. */
  readonly label: string;
}) {
  const element = useRef<HTMLDivElement>(null);
  const plot = useRef<Plot | undefined>(undefined);
  const latest = useRef(data);
  latest.current = data;
  const point = useSignal<number | undefined>(undefined);
  const failed = useSignal(false);
  const formatValue = data.isShare ? formatShare : formatCount;
  const shape = `${data.kind} ${data.isShare} ${data.series.map(({ colour }) => colour).join(" ")} ${colours.value} ${spanMs}`;
  useEffect(() => {
    let isOver = false;
    import("./plot.ts").then(
      ({ drawPlot }) => {
        if (isOver || element.current === null) return;
        plot.current = drawPlot(element.current, latest.current, spanMs, (index) => {
          point.value = index;
        });
      },
      () => {
        failed.value = true;
      },
    );
    return () => {
      isOver = true;
      plot.current?.[Symbol.dispose]();
      plot.current = undefined;
    };
  }, [shape]);
  useEffect(() => plot.current?.update(data), [data]);
  const index = Math.min(point.value ?? Number.POSITIVE_INFINITY, data.times.length - 1);
  const at = data.times[index];
  return (
    <div class="chart">
      <div class="plot" ref={element} aria-hidden="true" />
      {failed.value && <p class="dim">The chart could not be loaded; the table has its figures.</p>}
      <ul class="legend">
        {data.series.map(({ label: name, colour, values }) => (
          <li key={name}>
            <svg class="swatch" viewBox="0 0 10 10" aria-hidden="true">
              <rect width="10" height="10" fill={`var(${colour})`} />
            </svg>
            {name} <b>{formatValue(values[index] ?? 0)}</b>
          </li>
        ))}
        {at !== undefined && <li class="dim">{spanName(at, spanMs)}</li>}
      </ul>
      <details class="as-table">
        <summary>As a table</summary>
        <Scroll label={label}>
          <table>
            <caption class="sr-only">{label}</caption>
            <thead>
              <tr>
                <th scope="col">From</th>
                {data.series.map(({ label: name }) => (
                  <th scope="col" class="number" key={name}>
                    {name}
                  </th>
                ))}
              </tr>
            </thead>
            <tbody>
              {data.times.map((time, row) => (
                <tr key={time}>
                  <th scope="row">{spanName(time, spanMs)}</th>
                  {data.series.map(({ label: name, values }) => (
                    <td class="number" key={name}>
                      {formatValue(values[row] ?? 0)}
                    </td>
                  ))}
                </tr>
              ))}
            </tbody>
          </table>
        </Scroll>
      </details>
    </div>
  );
}

const DAY_MS = 86_400_000;

/** The beginning of a span, as exact as spans are long. */
function spanName(seconds: number, spanMs: number): string {
  const text = formatTime(seconds * 1000);
  return spanMs >= DAY_MS ? text.slice(0, 10) : spanMs >= 60_000 ? text.slice(0, 16) : text;
}
