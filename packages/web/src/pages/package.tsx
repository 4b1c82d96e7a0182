// All paths of a package: its versions, outputs and systems, and what each builder says of each.
import { useEffect, useState } from "preact/hooks";
import type { PathPageJson, PathSummaryJson } from "trustix/src/http/insight-schema.ts";
import { ApiError, askJson } from "../api/client.ts";
import { changes } from "../api/live.ts";
import { mayFollow, packageOf, searchesOf } from "../package-name.ts";
import { hrefTo } from "../router.ts";
import { formatList, plural, visible } from "../text.ts";
import { Failure, Loading, Panel } from "../ui/basics.tsx";
import { PageHeading } from "../ui/heading.tsx";
import { describeCounts, StatusBar } from "../ui/status-bar.tsx";
import { VoteTable } from "../ui/vote-table.tsx";
import { STATUSES } from "../words.ts";
import type { PageProps } from "./index.tsx";

/** Paths that are shown. */
const MAX_PATHS = 500;
const PAGE_SIZE = 100;
/** Longer names are in no store. */
const MAX_NAME = 211;

interface Found {
  readonly name: string;
  readonly paths: readonly PathSummaryJson[];
  readonly isWhole: boolean;
}

/** Asks for all paths of a package, or as many as are shown. @throws ApiError; the signal's reason */
async function findPaths(name: string, signal: AbortSignal): Promise<Found> {
  const paths: PathSummaryJson[] = [];
  for (const search of searchesOf(name)) {
    let cursor: string | null = null;
    do {
      const query = new URLSearchParams({ q: search.slice(0, MAX_NAME), limit: `${PAGE_SIZE}` });
      if (cursor !== null) query.set("cursor", cursor);
      const page: PathPageJson = await askJson(`/api/v1/paths?${query}`, { signal });
      for (const path of page.items) {
        if (packageOf(path.name) === name && mayFollow(search, path.name)) paths.push(path);
      }
      const last = page.items.at(-1);
      cursor = last !== undefined && mayFollow(search, last.name) ? page.next : null;
      if (paths.length > MAX_PATHS) return { name, paths: paths.slice(0, MAX_PATHS), isWhole: false };
    } while (cursor !== null);
  }
  return { name, paths, isWhole: true };
}

/** The page of a package, by its name. */
export function PackagePage({ segments: [name = ""] }: PageProps) {
  const [state, setState] = useState<{ readonly found?: Found; readonly error?: ApiError }>({});
  const version = changes.value;
  useEffect(() => {
    const withdrawn = new AbortController();
    findPaths(name, withdrawn.signal).then(
      (found) => setState({ found }),
      (error: unknown) => {
        if (!withdrawn.signal.aborted && error instanceof ApiError) setState({ error });
      },
    );
    return () => withdrawn.abort();
  }, [name, version]);
  const { found, error } = state;
  return (
    <>
      <PageHeading title={visible(name, MAX_NAME)}>
        Every path of the package: its versions, its outputs, and its builds for each system.
      </PageHeading>
      {error !== undefined && <Failure error={error} what="package" />}
      {found === undefined && error === undefined && <Loading rows={10} />}
      {found !== undefined && <Package found={found} />}
    </>
  );
}

function Package({ found: { name, paths, isWhole } }: { readonly found: Found }) {
  if (paths.length === 0) {
    return (
      <p class="nothing">
        Nobody whom this node listens to has built it.{" "}
        <a href={hrefTo(["packages"], { q: name })}>Search for names that have it in them</a>
      </p>
    );
  }
  const counts = { paths: paths.length, reproducible: 0, disputed: 0, single: 0, unchecked: 0 };
  for (const { status } of paths) if (STATUSES.includes(status)) counts[status] += 1;
  const builders = [...new Set(paths.flatMap(({ agreeing, outliers }) => [...agreeing, ...outliers]))].sort();
  return (
    <Panel
      title={`${isWhole ? "" : "The first "}${plural(paths.length, "path")}`}
      note={<a href={hrefTo(["packages"], { q: `${name}-` })}>In the list of all paths</a>}
    >
      <StatusBar counts={counts} label={describeCounts(counts)} />
      <p class="dim">
        {describeCounts(counts)}; built by{" "}
        {formatList(builders.slice(0, 12).map((each) => visible(each, 64)))}
        {builders.length > 12 && ` and ${builders.length - 12} more`}
      </p>
      <VoteTable
        paths={paths}
        builders={builders}
        caption={`What each builder says of ${visible(name, 100)}`}
      />
    </Panel>
  );
}
