// Paths on which operators do not agree, newest change first, and what differs.
import type {
  BuildersJson,
  OverviewJson,
  PathPageJson,
  PathSummaryJson,
} from "trustix/src/http/insight-schema.ts";
import { useAnswer } from "../api/use-answer.ts";
import { go, hrefTo } from "../router.ts";
import { formatShare, plural } from "../text.ts";
import { ClassName, Loading, Operators, PathLink, Time } from "../ui/basics.tsx";
import { Choice, namedOptions } from "../ui/choice.tsx";
import { PageHeading } from "../ui/heading.tsx";
import { InsightFailure } from "../ui/no-subscription.tsx";
import { Scroll } from "../ui/scroll.tsx";
import { CLASS } from "../words.ts";
import type { PageProps } from "./index.tsx";

/** Classes of disputed paths. */
const KINDS = ["majority", "split", "conflicting"] as const;

/** The list of disputes. */
export function DisputesPage({ query, depth }: PageProps) {
  const cursor = query.get("cursor") ?? undefined;
  const filters = {
    operator: query.get("operator") ?? undefined,
    kind: KINDS.find((kind) => kind === query.get("kind")),
  };
  const isFiltered = filters.operator !== undefined || filters.kind !== undefined;
  const params = new URLSearchParams({ status: "disputed", sort: "changed", limit: "30" });
  if (filters.kind !== undefined) params.set("kind", filters.kind);
  if (filters.operator !== undefined) {
    params.set("operator", filters.operator);
    params.set("outlier", "true");
  }
  if (cursor !== undefined) params.set("cursor", cursor);
  const { data, error, isOld } = useAnswer<PathPageJson>(`/api/v1/paths?${params}`, { keepOld: true });
  return (
    <>
      <PageHeading title="Disputes">
        Where operators state different results for one path. Most are packages that do not build
        reproducibly; what differs tells. <Total />
      </PageHeading>
      <Filters filters={filters} />
      <p class="sr-only" role="status">
        {data === undefined ? "" : plural(data.items.length, "disputed path")}
      </p>
      {error !== undefined && <InsightFailure error={error} what="disputes" />}
      {data === undefined && error === undefined && <Loading rows={12} />}
      {data?.items.length === 0 &&
        (isFiltered ? (
          <p class="nothing">
            No dispute is like that. <a href={hrefTo(["disputes"])}>Show all disputes</a>
          </p>
        ) : (
          <p class="nothing">Nobody contradicts anybody.</p>
        ))}
      {data !== undefined && data.items.length > 0 && (
        <div class={isOld ? "old" : ""}>
          <Disputes paths={data.items} />
          <nav class="paging" aria-label="Pages of the list">
            {depth > 0 ? (
              <button type="button" onClick={() => history.back()}>
                ← Newer
              </button>
            ) : cursor !== undefined ? (
              <a href={hrefTo(["disputes"], filters)}>← Newest</a>
            ) : (
              <span />
            )}
            {data.next !== null && (
              <a href={hrefTo(["disputes"], { ...filters, cursor: data.next })} data-depth={depth + 1}>
                Older →
              </a>
            )}
          </nav>
        </div>
      )}
    </>
  );
}

/** How many there are, and of how many paths. */
function Total() {
  const total = useAnswer<OverviewJson>("/api/v1/overview").data?.total;
  if (total === undefined || total.disputed === 0) return null;
  const shared = total.reproducible + total.disputed;
  return (
    <b>
      {plural(total.disputed, "path")}, {formatShare(total.disputed / shared)} of those that two or more have
      built.
    </b>
  );
}

function Filters({
  filters,
}: {
  readonly filters: { readonly operator: string | undefined; readonly kind: string | undefined };
}) {
  const builders = useAnswer<BuildersJson>("/api/v1/builders").data?.builders ?? [];
  const change = (changed: Readonly<Record<string, string>>): void =>
    go(hrefTo(["disputes"], { ...filters, ...changed }), { replace: true });
  return (
    <search>
      <form class="filters" onSubmit={(event) => event.preventDefault()}>
        <Choice
          label="Against the others"
          value={filters.operator}
          options={namedOptions(
            builders.map(({ operator }) => operator),
            filters.operator,
          )}
          onChange={(operator) => change({ operator })}
        />
        <Choice
          label="Class"
          value={filters.kind}
          options={[["", "any"], ...KINDS.map((kind) => [kind, CLASS[kind].label] as const)]}
          onChange={(kind) => change({ kind })}
        />
      </form>
    </search>
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
