// Draws a chart with uPlot, which is loaded when this module is: it is half as large as the dashboard.
import uPlot from "uplot";
import { formatTime } from "../text.ts";
import type { ChartData } from "./chart.tsx";

/** A chart on the page. */
export interface Plot extends Disposable {
  /** Shows other figures of the same series. */
  update(data: ChartData): void;
}

const HEIGHT = 190;

/**
 * Draws into an element, in the colours that its style has now, and follows its width.
 * @param spanMs from one time to the next
 * @param onPoint told which point the reader points at; undefined for none
 */
export function drawPlot(
  element: HTMLElement,
  data: ChartData,
  spanMs: number,
  onPoint: (index: number | undefined) => void,
): Plot {
  const { fontFamily } = getComputedStyle(element);
  const colour = colourReader(element);
  const isStacked = data.kind === "stacked";
  const grid = { stroke: colour("--line"), width: 1 };
  const axis = { stroke: colour("--dim"), grid, ticks: { show: false }, font: `11px ${fontFamily}` };
  const bars = uPlot.paths.bars?.({ size: [0.9, Number.POSITIVE_INFINITY], align: 1 });
  const lines = uPlot.paths.stepped?.({ align: 1 });
  const series = data.series.map((each, index): uPlot.Series => {
    const stroke = colour(each.colour);
    return {
      ...(isStacked
        ? { fill: stroke, width: 0, ...(bars && { paths: bars }) }
        : {
            stroke,
            width: 2,
            dash: [...(DASHES[index % DASHES.length] ?? [])],
            ...(lines && { paths: lines }),
          }),
      points: { show: false },
    };
  });
  // Parts of a stack are drawn from the highest sum down, so that each covers all but its own part.
  if (isStacked) series.reverse();
  const plot = new uPlot(
    {
      width: Math.max(200, element.clientWidth),
      height: HEIGHT,
      series: [{}, ...series],
      axes: [
        {
          ...axis,
          size: 28,
          values: (_, ticks, __, ___, step) => ticks.map((tick) => timeLabel(tick, step)),
        },
        { ...axis, size: 48, values: (_, ticks) => ticks.map(data.isShare ? percent : shortNumber) },
      ],
      scales: {
        x: { range: (_, min, max) => [min, max + (isStacked ? spanMs / 1000 : 0)] },
        y: { range: (_, __, max) => [0, data.isShare ? 1 : Math.max(1, max * 1.05)] },
      },
      legend: { show: false },
      cursor: { y: false, drag: { x: false, y: false }, points: { show: false } },
      hooks: { setCursor: [({ cursor }) => onPoint(cursor.idx ?? undefined)] },
    },
    columns(data, spanMs),
    element,
  );
  const observer = new ResizeObserver(() => {
    plot.setSize({ width: Math.max(200, element.clientWidth), height: HEIGHT });
  });
  observer.observe(element);
  return {
    update: (next) => plot.setData(columns(next, spanMs)),
    [Symbol.dispose]: () => {
      observer.disconnect();
      plot.destroy();
    },
  };
}

/** Gives custom properties as colours that a canvas takes; their own text may be a function of the colour scheme. */
function colourReader(element: HTMLElement): (name: string) => string {
  const probe = element.ownerDocument.createElement("i");
  return (name) => {
    element.append(probe);
    probe.style.color = `var(${name})`;
    const { color } = getComputedStyle(probe);
    probe.remove();
    return color;
  };
}

const DAY = 86_400;

/** A tick of the time axis, as exact as ticks are close. */
function timeLabel(seconds: number, step: number): string {
  const text = formatTime(seconds * 1000);
  return step >= 28 * DAY ? text.slice(0, 7) : step >= DAY ? text.slice(5, 10) : text.slice(11, 16);
}

const DASHES: readonly (readonly number[])[] = [[], [6, 3], [2, 2], [10, 3, 2, 3]];

const percent = (share: number): string => `${Math.round(share * 100)} %`;

function shortNumber(value: number): string {
  return value >= 1e6 ? `${value / 1e6}M` : value >= 1e3 ? `${value / 1e3}k` : String(value);
}

function columns(data: ChartData, spanMs: number): uPlot.AlignedData {
  if (data.kind === "lines") {
    // A step needs its end: the last span's is drawn as one more point.
    const end = (data.times.at(-1) ?? 0) + spanMs / 1000;
    return [[...data.times, end], ...data.series.map(({ values }) => [...values, values.at(-1) ?? 0])];
  }
  const sums: number[][] = [];
  for (const { values } of data.series) {
    const below = sums.at(-1);
    sums.push(values.map((value, index) => value + (below?.[index] ?? 0)));
  }
  return [[...data.times], ...sums.reverse()];
}
