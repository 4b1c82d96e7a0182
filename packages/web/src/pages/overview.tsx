// The state of everything at a glance: what builders agree on, whom to look at, and whether this node is up to date.
import { useSignal } from "@preact/signals";
import { useMemo } from "preact/hooks";
import type { OverviewJson, PathPageJson } from "trustix/src/http/insight-schema.ts";
import { type Listened, useStatus, useSubscriptions } from "../api/node.ts";
import { useAnswer } from "../api/use-answer.ts";
import { Chart, type ChartData } from "../charts/chart.tsx";
import { hrefTo } from "../router.ts";
import { formatCount, formatList, plural, visible } from "../text.ts";
import { Command, Failure, Loading, Notice, Panel, PathLink, Time } from "../ui/basics.tsx";
import { PageHeading } from "../ui/heading.tsx";
import { Health } from "../ui/health.tsx";
import { Interval } from "../ui/interval.tsx";
import { InsightFailure, NoSubscription } from "../ui/no-subscription.tsx";
import { Scroll } from "../ui/scroll.tsx";
import { describeCounts, StatusBar, StatusFigures } from "../ui/status-bar.tsx";
import { STATUS, STATUSES } from "../words.ts";

const DISPUTES = hrefTo(["disputes"]);

/** The first page. */
export function OverviewPage() {
  const { data, error } = useAnswer<OverviewJson>("/api/v1/overview");
  return (
    <>
      <PageHeading title="Overview">
        {data === undefined ? (
          "What the builders that this node listens to agree on."
        ) : (
          <Summary overview={data} />
        )}
      </PageHeading>
      {error !== undefined && <InsightFailure error={error} what="overview" />}
      {data === undefined ? error === undefined && <Loading rows={12} /> : <Overview overview={data} />}
    </>
  );
}

function Summary({ overview }: { readonly overview: OverviewJson }) {
  const { total, claims, operators } = overview;
  return (
    <>{`${plural(claims, "claim")} by ${plural(operators, "operator")} on ${plural(total.paths, "path")}.`}</>
  );
}

function Overview({ overview }: { readonly overview: OverviewJson }) {
  const { total, behind, reproducible } = overview;
  if (overview.operators === 0 && total.paths === 0) return <NoSubscription />;
  return (
    <>
      <Warnings overview={overview} />
      {behind > 0 && (
        <Notice tone="info" title={`${plural(behind, "claim")} not analysed yet`}>
          Figures on this page lag behind what the node has read; they catch up by themselves.
        </Notice>
      )}
      {total.paths === 0 ? <NothingBuilt /> : undefined}
      <div class="grid">
        <Panel title="Paths by status" wide>
          <StatusBar counts={total} label={describeCounts(total)} />
          <StatusFigures counts={total} />
          {reproducible !== null && (
            <p class="estimate">
              <span>Expected to be reproducible, of what two or more have built:</span>
              <Interval interval={reproducible} label="Reproducible paths" />
            </p>
          )}
        </Panel>
        <Timelines timeline={overview.timeline} />
        <LatestDisputes />
        <Subscriptions />
        <Systems systems={overview.systems} />
      </div>
    </>
  );
}

function NothingBuilt() {
  return (
    <Notice tone="info" title="Nothing built yet">
      <p>
        The builders that this node listens to have not claimed any path so far. On a builder of your own,
        build something, or claim what its store has:
      </p>
      <Command>trustix backfill</Command>
    </Notice>
  );
}

function Warnings({ overview: { suspects, quarantined } }: { readonly overview: OverviewJson }) {
  const names = (list: readonly string[]): string =>
    formatList(list.slice(0, 20).map((name) => visible(name, 64)));
  const unheld = suspects.filter((name) => !quarantined.includes(name));
  return (
    <>
      {unheld.length > 0 && (
        <Notice
          tone="bad"
          title={`${unheld.length === 1 ? "A builder deviates" : "Builders deviate"}: ${names(unheld)}`}
        >
          <p>
            Their results differ where others agree, more often than flaky packages explain. They still count
            in your policy. <a href={hrefTo(["builders"])}>Look at the paths that weigh most</a>, compare the
            outputs, and ask the operator; until that is settled, drop them from the policy's members or set{" "}
            <code>quarantine</code>.
          </p>
        </Notice>
      )}
      {quarantined.length > 0 && (
        <Notice tone="warn" title={`In quarantine: ${names(quarantined)}`}>
          <p>
            They do not count in decisions at present.{" "}
            <a href={hrefTo(["builders"])}>See why, and how to let them count again</a>.
          </p>
        </Notice>
      )}
    </>
  );
}

const OPERATOR_COLOURS = [
  "--chart-1",
  "--chart-2",
  "--chart-3",
  "--chart-4",
  "--chart-5",
  "--chart-6",
] as const;

function Timelines({ timeline }: { readonly timeline: OverviewJson["timeline"] }) {
  const isShare = useSignal(true);
  const [agreement, claims, disputes] = useMemo(() => chartsOf(fillGaps(timeline)), [timeline]);
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
          spanMs={timeline.spanMs}
          label="Paths by status, by when they were first seen"
        />
      </Panel>
      <Panel title="Claims over time" note="by operator">
        <Chart data={claims} spanMs={timeline.spanMs} label="Claims by operator, by when they came" />
      </Panel>
      <Panel title="Disputes over time" note="paths by when their class changed">
        <Chart
          data={disputes}
          spanMs={timeline.spanMs}
          label="Paths that became disputed, and that agreed again"
        />
      </Panel>
    </>
  );
}

/** Spans that are drawn at least: one bar over the whole width would look like a background. */
const MIN_SPANS = 4;
/** The node sends 400. */
const MAX_SPANS = 500;
const NO_PATHS = { paths: 0, reproducible: 0, disputed: 0, single: 0, unchecked: 0 };

/** The timeline with all its spans: those in which nothing happened, and some before the first. */
function fillGaps({ points, spanMs }: OverviewJson["timeline"]): OverviewJson["timeline"] {
  const known = new Map(points.map((point) => [Date.parse(point.at), point]));
  const [first, last] = [Math.min(...known.keys()), Math.max(...known.keys())];
  if (!Number.isFinite(first) || !Number.isFinite(last) || !(spanMs > 0)) return { points: [], spanMs };
  const spans = Math.min(MAX_SPANS, Math.max(MIN_SPANS, Math.round((last - first) / spanMs) + 1));
  const filled = Array.from({ length: spans }, (_, index) => {
    const atMs = last - (spans - 1 - index) * spanMs;
    const at = new Date(atMs).toISOString();
    return known.get(atMs) ?? { at, counts: NO_PATHS, claims: {}, disputed: 0, healed: 0 };
  });
  return { points: filled, spanMs };
}

function chartsOf({ points }: OverviewJson["timeline"]): readonly [ChartData, ChartData, ChartData] {
  const times = points.map(({ at }) => Date.parse(at) / 1000);
  const totals = new Map<string, number>();
  for (const { claims } of points) {
    for (const [name, count] of Object.entries(claims)) totals.set(name, (totals.get(name) ?? 0) + count);
  }
  const ordered = [...totals].sort(([, a], [, b]) => b - a).map(([name]) => name);
  // One colour each as far as they can be told apart, the rest together.
  const own =
    ordered.length <= OPERATOR_COLOURS.length ? ordered : ordered.slice(0, OPERATOR_COLOURS.length - 1);
  const rest = ordered.slice(own.length);
  const series = own.map((name, index) => ({
    label: visible(name, 30),
    colour: OPERATOR_COLOURS[index] ?? "--chart-6",
    values: points.map(({ claims }) => claims[name] ?? 0),
  }));
  if (rest.length > 0) {
    series.push({
      label: `${rest.length} others`,
      colour: "--chart-6",
      values: points.map(({ claims }) => rest.reduce((sum, name) => sum + (claims[name] ?? 0), 0)),
    });
  }
  const shown = STATUSES.filter((status) => points.some(({ counts }) => counts[status] > 0));
  return [
    {
      kind: "stacked",
      times,
      series: shown.map((status) => ({
        label: STATUS[status].label,
        colour: `--${status}` as const,
        values: points.map(({ counts }) => counts[status]),
      })),
    },
    { kind: "stacked", times, series },
    {
      kind: "lines",
      times,
      series: [
        { label: "became disputed", colour: "--disputed", values: points.map(({ disputed }) => disputed) },
        { label: "agreed again", colour: "--reproducible", values: points.map(({ healed }) => healed) },
      ],
    },
  ];
}

/** Counts as shares of what there is in each span. */
function sharesOf(counts: ChartData): ChartData {
  const sums = counts.times.map((_, index) =>
    counts.series.reduce((sum, { values }) => sum + (values[index] ?? 0), 0),
  );
  const series = counts.series.map((each) => ({
    ...each,
    values: each.values.map((value, index) => (value === 0 ? 0 : value / (sums[index] ?? 1))),
  }));
  return { ...counts, series, isShare: true };
}

function LatestDisputes() {
  const { data, error } = useAnswer<PathPageJson>("/api/v1/paths?status=disputed&sort=changed&limit=6");
  return (
    <Panel title="Latest disputes" note={<a href={DISPUTES}>All disputes</a>}>
      {error !== undefined && <InsightFailure error={error} what="disputes" />}
      {data === undefined && error === undefined && <Loading rows={4} />}
      {data?.items.length === 0 && <p class="dim">Nobody contradicts anybody.</p>}
      {data !== undefined && data.items.length > 0 && (
        <ul class="rows">
          {data.items.map((path) => (
            <li key={path.hashPart}>
              <PathLink path={path} />
              <span class="dim">
                {path.outliers.length > 0 && path.agreeing.length > 0
                  ? `${formatList(path.outliers.slice(0, 3).map((name) => visible(name, 30)))} against ${path.agreeing.length}`
                  : "no majority"}
              </span>
              <Time at={path.changed} />
            </li>
          ))}
        </ul>
      )}
    </Panel>
  );
}

function Subscriptions() {
  const { data, error } = useSubscriptions();
  const status = useStatus();
  const own = status.data?.logs ?? [];
  return (
    <Panel title="Logs" wide note={<a href={hrefTo(["logs"])}>All logs</a>}>
      {error !== undefined && <Failure error={error} what="subscriptions" />}
      {data === undefined && error === undefined && <Loading rows={4} />}
      {data !== undefined && (
        <ul class="rows">
          {data.subscriptions.map((each) => (
            <li key={each.subscription}>
              <SubscriptionName of={each} />
              <span class="dim">
                {each.kind === "log" ? `${formatCount(each.size)} entries` : "signed cache"}
              </span>
              <Health health={each.health} />
            </li>
          ))}
          {own.map((log) => (
            <li key={`own ${log.name}`}>
              <a href={hrefTo(["own", log.name])}>{visible(log.name, 64)}</a>
              <span class="dim">{`${formatCount(log.publishedSize)} entries`}</span>
              <span class="dim">this node's own</span>
            </li>
          ))}
          {data.subscriptions.length + own.length === 0 && <li class="dim">None.</li>}
        </ul>
      )}
    </Panel>
  );
}

function SubscriptionName({ of }: { readonly of: Listened }) {
  const name = visible(of.subscription, 64);
  return of.kind === "log" ? <a href={hrefTo(["log", of.subscription])}>{name}</a> : <span>{name}</span>;
}

function Systems({ systems }: { readonly systems: OverviewJson["systems"] }) {
  if (systems.length < 2) return null;
  return (
    <Panel title="By system" wide>
      <Scroll label="Paths by system">
        <table>
          <thead>
            <tr>
              <th scope="col">System</th>
              <th scope="col" class="number">
                Paths
              </th>
              {STATUSES.map((status) => (
                <th scope="col" class="number" key={status}>
                  {STATUS[status].label}
                </th>
              ))}
              <th scope="col">Share</th>
            </tr>
          </thead>
          <tbody>
            {systems.map((each) => (
              <tr key={each.system ?? ""}>
                <th scope="row">{each.system === null ? "not stated" : visible(each.system, 64)}</th>
                <td class="number">{formatCount(each.paths)}</td>
                {STATUSES.map((status) => (
                  <td class="number" key={status}>
                    {formatCount(each[status])}
                  </td>
                ))}
                <td class="bar-cell">
                  <StatusBar counts={each} label={describeCounts(each)} />
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      </Scroll>
    </Panel>
  );
}
