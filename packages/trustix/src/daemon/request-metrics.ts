// Requests by route and status, and how long they took, in Prometheus' text format. A general library looks its labels up
// by name for each request, which at tens of thousands of requests a second is a tenth of the work.
// https://prometheus.io/docs/instrumenting/exposition_formats/
import type { RequestRecord } from "../http/public-server.ts";

const TOTAL = "trustix_http_requests_total";
const SECONDS = "trustix_http_request_seconds";
/** Upper bounds of the buckets, in seconds. */
const BOUNDS = [0.0005, 0.001, 0.005, 0.02, 0.1, 0.5, 2, 10];

interface RouteTally {
  readonly byStatus: Map<number, number>;
  /** Requests whose time lies between the bound before and this one; the last are beyond all. */
  readonly buckets: number[];
  sum: number;
}

/** Counts requests. */
export class RequestMetrics {
  readonly #routes = new Map<string, RouteTally>();

  /** One more. Routes are those of the configuration, so there are few. */
  count({ route, status, durationMs }: RequestRecord): void {
    let tally = this.#routes.get(route);
    if (tally === undefined) {
      tally = { byStatus: new Map(), buckets: Array<number>(BOUNDS.length + 1).fill(0), sum: 0 };
      this.#routes.set(route, tally);
    }
    tally.byStatus.set(status, (tally.byStatus.get(status) ?? 0) + 1);
    const seconds = durationMs / 1000;
    let bucket = 0;
    while (bucket < BOUNDS.length && seconds > BOUNDS[bucket]!) bucket++;
    tally.buckets[bucket]!++;
    tally.sum += seconds;
  }

  render(): string {
    const totals: string[] = [];
    const times: string[] = [];
    for (const [name, { byStatus, buckets, sum }] of this.#routes) {
      const route = `route=${JSON.stringify(name)}`;
      for (const [status, count] of byStatus) totals.push(`${TOTAL}{${route},status="${status}"} ${count}`);
      let count = 0;
      for (const [index, inBucket] of buckets.entries()) {
        count += inBucket;
        times.push(`${SECONDS}_bucket{le="${BOUNDS[index] ?? "+Inf"}",${route}} ${count}`);
      }
      times.push(`${SECONDS}_sum{${route}} ${sum}`, `${SECONDS}_count{${route}} ${count}`);
    }
    return [
      `# HELP ${TOTAL} Requests to the public listener`,
      `# TYPE ${TOTAL} counter`,
      ...totals,
      "",
      `# HELP ${SECONDS} Time from a request's headers to the end of its answer`,
      `# TYPE ${SECONDS} histogram`,
      ...times,
      "",
    ].join("\n");
  }
}
