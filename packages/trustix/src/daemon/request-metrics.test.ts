import fc from "fast-check";
import { Counter, Histogram, Registry } from "prom-client";
import { expect, test } from "vitest";
import { RequestMetrics } from "./request-metrics.ts";

test("renders what prom-client would", async () => {
  const record = fc.record({
    route: fc.constantFrom("/", "/log/a/", 'a"\\b'),
    status: fc.constantFrom(200, 304, 404),
    durationMs: fc.oneof(
      fc.constantFrom(0, 0.5, 1, 5, 20, 10_000),
      fc.double({ min: 0, max: 20_000, noNaN: true }),
    ),
  });
  await fc.assert(
    fc.asyncProperty(fc.array(record), async (records) => {
      const registers = [new Registry()];
      const requests = new Counter({
        name: "trustix_http_requests_total",
        help: "Requests to the public listener",
        labelNames: ["route", "status"],
        registers,
      });
      const durations = new Histogram({
        name: "trustix_http_request_seconds",
        help: "Time from a request's headers to the end of its answer",
        labelNames: ["route"],
        buckets: [0.0005, 0.001, 0.005, 0.02, 0.1, 0.5, 2, 10],
        registers,
      });
      const ours = new RequestMetrics();
      for (const { route, status, durationMs } of records) {
        requests.inc({ route, status });
        durations.observe({ route }, durationMs / 1000);
        ours.count({ route, status, durationMs, method: "GET", target: "/", remote: undefined });
      }
      const sorted = (text: string): string[] => text.trim().split("\n").toSorted();
      expect(sorted(ours.render())).toEqual(sorted(await registers[0]!.metrics()));
    }),
  );
});
