// Pictures of a report, as SVG within a page. The page's style gives the colours; the numbers stand in tables beside them.

import type { PathStatusName, StatusCountsJson } from "../../http/insight-schema.ts";
import { formatShare, plural, STATUSES } from "./counts.ts";
import { html, type Markup } from "./markup.ts";
import type { SpanCounts } from "./spans.ts";

const WIDTH = 960;
const BAR_HEIGHT = 28;
const CHART_HEIGHT = 180;
/** Room for the names of spans. */
const AXIS_HEIGHT = 22;
/** Width that the name of a span takes. */
const LABEL_WIDTH = 80;

/** Counts in words: what those hear who do not see the picture. */
function inWords(counts: StatusCountsJson): string {
  const parts = STATUSES.map((status) => `${counts[status]} ${status}`);
  return `${plural(counts.paths, "path")}: ${parts.join(", ")}`;
}

const coordinate = (value: number): string => value.toFixed(2);

/** One bar, divided by status. */
export function barSvg(counts: StatusCountsJson): Markup {
  let x = 0;
  const parts = STATUSES.map((status) => {
    const width = counts.paths === 0 ? 0 : (counts[status] / counts.paths) * WIDTH;
    const part = rectangle(status, x, 0, width, BAR_HEIGHT, counts);
    x += width;
    return part;
  });
  return html`<svg class="bar" viewBox="0 0 ${WIDTH} ${BAR_HEIGHT}" role="img" aria-label="${inWords(counts)}" preserveAspectRatio="none">${parts}</svg>`;
}

/** A column for each span, as high as it has paths, divided by status. */
export function columnsSvg(spans: readonly SpanCounts[]): Markup {
  const highest = Math.max(1, ...spans.map(({ paths }) => paths));
  const step = WIDTH / Math.max(1, spans.length);
  const width = Math.min(step * 0.8, 60);
  const every = Math.ceil(LABEL_WIDTH / step);
  const columns = spans.map((counts, index) => {
    const middle = (index + 0.5) * step;
    let y = CHART_HEIGHT;
    const parts = STATUSES.map((status) => {
      const height = (counts[status] / highest) * CHART_HEIGHT;
      y -= height;
      return rectangle(status, middle - width / 2, y, width, height, counts);
    });
    const label =
      index % every === 0
        ? html`<text x="${coordinate(Math.min(Math.max(middle, LABEL_WIDTH / 2), WIDTH - LABEL_WIDTH / 2))}" y="${CHART_HEIGHT + 16}" text-anchor="middle">${counts.span ?? "never"}</text>`
        : [];
    return [parts, label];
  });
  const words = spans.map((counts) => `${counts.span ?? "never"}: ${inWords(counts)}`).join("; ");
  return html`<svg class="columns" viewBox="0 0 ${WIDTH} ${CHART_HEIGHT + AXIS_HEIGHT}" role="img" aria-label="${words}">${columns.flat()}<line x1="0" x2="${WIDTH}" y1="${CHART_HEIGHT}" y2="${CHART_HEIGHT}"/></svg>`;
}

function rectangle(
  status: PathStatusName,
  x: number,
  y: number,
  width: number,
  height: number,
  counts: StatusCountsJson,
): Markup {
  const title = `${counts[status]} ${status}, ${formatShare(counts[status], counts.paths)}`;
  return html`<rect class="${status}" x="${coordinate(x)}" y="${coordinate(y)}" width="${coordinate(width)}" height="${coordinate(height)}"><title>${title}</title></rect>`;
}
