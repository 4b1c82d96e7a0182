// The state of everything at a glance: what builders agree on, whom to look at, and whether this node is up to date.
import type { OverviewJson, PathPageJson } from "trustix/src/http/insight-schema.ts";
import { type Listened, useStatus, useSubscriptions } from "../api/node.ts";
import { useAnswer } from "../api/use-answer.ts";
import { Timelines } from "../charts/timelines.tsx";
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
            outputs, and ask the operator; until that is settled, let them not count:{" "}
            <code>trustix quarantine add NAME --reason TEXT</code>.
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
