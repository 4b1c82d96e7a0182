// Paths on which operators do not agree, newest change first, and what differs.
import type { PathPageJson, PathSummaryJson } from "trustix/src/http/insight-schema.ts";
import { useAnswer } from "../api/use-answer.ts";
import { hrefTo } from "../router.ts";
import { plural } from "../text.ts";
import { ClassName, Loading, Operators, PathLink, Time } from "../ui/basics.tsx";
import { PageHeading } from "../ui/heading.tsx";
import { InsightFailure } from "../ui/no-subscription.tsx";
import { Scroll } from "../ui/scroll.tsx";
import type { PageProps } from "./index.tsx";

/** The list of disputes. */
export function DisputesPage({ query, depth }: PageProps) {
  const cursor = query.get("cursor") ?? undefined;
  const params = new URLSearchParams({ status: "disputed", sort: "changed", limit: "30" });
  if (cursor !== undefined) params.set("cursor", cursor);
  const { data, error, isOld } = useAnswer<PathPageJson>(`/api/v1/paths?${params}`, { keepOld: true });
  return (
    <>
      <PageHeading title="Disputes">
        Where operators state different results for one path. Most are packages that do not build
        reproducibly; what differs tells.
      </PageHeading>
      <p class="sr-only" role="status">
        {data === undefined ? "" : plural(data.items.length, "disputed path")}
      </p>
      {error !== undefined && <InsightFailure error={error} what="disputes" />}
      {data === undefined && error === undefined && <Loading rows={12} />}
      {data?.items.length === 0 && <p class="nothing">Nobody contradicts anybody.</p>}
      {data !== undefined && data.items.length > 0 && (
        <div class={isOld ? "old" : ""}>
          <Disputes paths={data.items} />
          <nav class="paging" aria-label="Pages of the list">
            {depth > 0 ? (
              <button type="button" onClick={() => history.back()}>
                ← Newer
              </button>
            ) : cursor !== undefined ? (
              <a href={hrefTo(["disputes"])}>← Newest</a>
            ) : (
              <span />
            )}
            {data.next !== null && (
              <a href={hrefTo(["disputes"], { cursor: data.next })} data-depth={depth + 1}>
                Older →
              </a>
            )}
          </nav>
        </div>
      )}
    </>
  );
}

function Disputes({ paths }: { readonly paths: readonly PathSummaryJson[] }) {
  return (
    <Scroll label="Disputed paths">
      <table class="paths">
        <caption class="sr-only">Disputed paths, newest change first</caption>
        <thead>
          <tr>
            <th scope="col">Path</th>
            <th scope="col">Class</th>
            <th scope="col">Agree</th>
            <th scope="col">Against them</th>
            <th scope="col">Changed</th>
            <th scope="col">Difference</th>
          </tr>
        </thead>
        <tbody>
          {paths.map((path) => (
            <tr key={path.hashPart}>
              <th scope="row">
                <PathLink path={path} />
              </th>
              <td class="dim">
                <ClassName kind={path.kind} />
              </td>
              <td>
                <Operators names={path.agreeing} empty="no majority" />
              </td>
              <td>
                <Operators names={path.outliers} empty="–" />
              </td>
              <td class="dim">
                <Time at={path.changed} />
              </td>
              <td>
                <a href={hrefTo(["diff", path.hashPart])} aria-label={`What differs in ${path.name}`}>
                  what differs
                </a>
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </Scroll>
  );
}
