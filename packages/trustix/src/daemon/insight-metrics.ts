// What is known of paths and builders, as metrics.
import { Gauge, type Registry } from "prom-client";
import type { ApiInsight } from "../http/insight.ts";
import type { BuildersJson, OverviewJson } from "../http/insight-schema.ts";
import type { LiveStream } from "../http/live.ts";

/** All metrics of one scrape are of one answer. */
const REMEMBERED_MS = 1000;

interface Answers {
  readonly overview: OverviewJson;
  readonly builders: BuildersJson;
}

type Labels = Readonly<Record<string, string>>;

/** Adds the metrics. There are no values before the analysis has been read. */
export function addInsightMetrics(registry: Registry, insight: ApiInsight, live: LiveStream): void {
  let asked: { readonly atMs: number; readonly answers: Promise<Answers | undefined> } | undefined;
  const ask = async (): Promise<Answers | undefined> => {
    if (insight.live().version === 0) return undefined;
    try {
      return { overview: await insight.overview(), builders: await insight.builders() };
    } catch {
      // Whoever asks the API is told why; here there is no value.
      return undefined;
    }
  };
  const answers = (): Promise<Answers | undefined> => {
    const atMs = performance.now();
    if (asked === undefined || atMs - asked.atMs >= REMEMBERED_MS) asked = { atMs, answers: ask() };
    return asked.answers;
  };
  const gauge = (
    name: string,
    help: string,
    labelNames: readonly string[],
    values: (answers: Answers) => Iterable<readonly [Labels, number]>,
  ): void => {
    new Gauge({
      name,
      help,
      labelNames,
      registers: [registry],
      async collect() {
        const known = await answers();
        this.reset();
        if (known !== undefined) for (const [labels, value] of values(known)) this.set(labels, value);
      },
    });
  };
  const number = (name: string, help: string, value: (answers: Answers) => number | undefined): void =>
    gauge(name, help, [], (known) => {
      const given = value(known);
      return given === undefined ? [] : [[{}, given]];
    });
  const ofOperators = (
    name: string,
    help: string,
    value: (builder: BuildersJson["builders"][number]) => number | undefined,
  ): void =>
    gauge(name, help, ["operator"], ({ builders }) =>
      builders.builders.flatMap((builder) => {
        const given = value(builder);
        return given === undefined ? [] : [[{ operator: builder.operator }, given] as const];
      }),
    );

  gauge("trustix_paths", "Paths by what is known of them", ["status"], ({ overview }) => {
    const { paths: _, ...counts } = overview.total;
    return Object.entries(counts).map(([status, paths]) => [{ status }, paths] as const);
  });
  number("trustix_disputes_opened", "Paths that are disputed or once were", ({ overview }) =>
    overview.timeline.points.reduce((sum, { disputed }) => sum + disputed, 0),
  );
  number("trustix_disputes_healed", "Paths that were disputed and are not any more", ({ overview }) =>
    overview.timeline.points.reduce((sum, { healed }) => sum + healed, 0),
  );
  number(
    "trustix_reproducible_share",
    "Expected share of reproducible ones among the paths that two operators or more have built",
    ({ overview }) => overview.reproducible?.mean,
  );
  number("trustix_analysis_claims", "Claims that the analysis knows", ({ overview }) => overview.claims);
  number(
    "trustix_analysis_behind",
    "Claims that are stored and not analysed yet",
    ({ overview }) => overview.behind,
  );
  ofOperators(
    "trustix_operator_paths",
    "Paths that an operator has a claim on",
    ({ counts }) => counts.paths,
  );
  ofOperators(
    "trustix_operator_agreed",
    "Paths of an operator on which all who have built them agree",
    ({ counts }) => counts.reproducible,
  );
  ofOperators(
    "trustix_operator_outliers",
    "Paths of an operator where more than half of the others agree on something else",
    ({ outlier }) => outlier,
  );
  ofOperators(
    "trustix_operator_alone",
    "Paths of an operator where it alone is against all others",
    ({ alone }) => alone,
  );
  ofOperators(
    "trustix_operator_torn",
    "Paths about which an operator contradicts itself",
    ({ torn }) => torn,
  );
  ofOperators(
    "trustix_operator_suspicion",
    "Probability that an operator deviates, alone or with others",
    ({ assessment }) => assessment?.suspicion,
  );
  new Gauge({
    name: "trustix_dashboard_clients",
    help: "Clients of the live stream",
    registers: [registry],
    collect() {
      this.set(live.clients);
    },
  });
}
