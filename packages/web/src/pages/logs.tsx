// Everything that this node listens to, and what it publishes itself.
import { type Listened, useStatus, useSubscriptions } from "../api/node.ts";
import { hrefTo } from "../router.ts";
import { formatCount, visible } from "../text.ts";
import { Failure, Loading, Panel, Time } from "../ui/basics.tsx";
import { PageHeading } from "../ui/heading.tsx";
import { Health } from "../ui/health.tsx";
import { NoSubscription } from "../ui/no-subscription.tsx";
import { Scroll } from "../ui/scroll.tsx";

/** The list of logs. */
export function LogsPage() {
  const { data, error } = useSubscriptions();
  const status = useStatus();
  const own = status.data?.logs ?? [];
  return (
    <>
      <PageHeading title="Logs">
        Each builder's results are a log that only grows. This node reads and verifies them; this browser
        verifies again.
      </PageHeading>
      {error !== undefined && <Failure error={error} what="subscriptions" />}
      {data === undefined && error === undefined && <Loading rows={8} />}
      {data !== undefined &&
        (data.subscriptions.length === 0 ? (
          <NoSubscription />
        ) : (
          <Panel title="Subscriptions">
            <Subscriptions list={data.subscriptions} />
          </Panel>
        ))}
      {own.length > 0 && (
        <Panel title="Logs of this node">
          <Scroll label="Logs of this node">
            <table>
              <thead>
                <tr>
                  <th scope="col">Log</th>
                  <th scope="col">Origin</th>
                  <th scope="col">Protocol</th>
                  <th scope="col" class="number">
                    Published
                  </th>
                  <th scope="col" class="number">
                    Pending
                  </th>
                </tr>
              </thead>
              <tbody>
                {own.map(({ name, origin, protocol, publishedSize, pending }) => (
                  <tr key={name}>
                    <th scope="row">
                      <a href={hrefTo(["own", name])}>{visible(name, 64)}</a>
                    </th>
                    <td>{visible(origin, 300)}</td>
                    <td>{visible(protocol, 10)}</td>
                    <td class="number">{formatCount(publishedSize)}</td>
                    <td class="number">{formatCount(pending)}</td>
                  </tr>
                ))}
              </tbody>
            </table>
          </Scroll>
        </Panel>
      )}
    </>
  );
}

function Subscriptions({ list }: { readonly list: readonly Listened[] }) {
  return (
    <Scroll label="Subscriptions">
      <table>
        <thead>
          <tr>
            <th scope="col">Name</th>
            <th scope="col">Operator</th>
            <th scope="col">Health</th>
            <th scope="col" class="number">
              Entries
            </th>
            <th scope="col" class="number">
              Behind
            </th>
            <th scope="col">Newest</th>
            <th scope="col">Address</th>
          </tr>
        </thead>
        <tbody>
          {list.map((each) => (
            <tr key={each.subscription}>
              <th scope="row">
                {each.kind === "log" ? (
                  <a href={hrefTo(["log", each.subscription])}>{visible(each.subscription, 64)}</a>
                ) : (
                  visible(each.subscription, 64)
                )}
              </th>
              <td>{visible(each.operator, 64)}</td>
              <td>
                <Health health={each.health} />
              </td>
              {each.kind === "log" ? (
                <>
                  <td class="number">{formatCount(each.size)}</td>
                  <td class="number">{formatCount(each.lag)}</td>
                  <td class="dim">{each.lastNewAtMs === undefined ? "–" : <Time at={each.lastNewAtMs} />}</td>
                </>
              ) : (
                <>
                  <td colSpan={2} class="dim">
                    signed cache, no log
                  </td>
                  <td class="dim">
                    {each.lastGoodAtMs === undefined ? "–" : <Time at={each.lastGoodAtMs} />}
                  </td>
                </>
              )}
              <td class="dim">{visible(each.address ?? "", 300)}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </Scroll>
  );
}
