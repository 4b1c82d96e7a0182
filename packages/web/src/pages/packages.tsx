// Every path that anybody built: search as you type, filters in the address, a page at a time.
import { useEffect, useRef, useState } from "preact/hooks";
import type { BuildersJson, OverviewJson, PathPageJson } from "trustix/src/http/insight-schema.ts";
import { useAnswer } from "../api/use-answer.ts";
import { packageOf } from "../package-name.ts";
import { go, hrefTo } from "../router.ts";
import { plural, visible } from "../text.ts";
import { Loading } from "../ui/basics.tsx";
import { Choice, namedOptions, type Option } from "../ui/choice.tsx";
import { PageHeading } from "../ui/heading.tsx";
import { InsightFailure } from "../ui/no-subscription.tsx";
import { PathTable } from "../ui/path-table.tsx";
import { CLASS, CLASSES, STATUS, STATUSES } from "../words.ts";
import type { PageProps } from "./index.tsx";

/** What the address may say, besides the cursor. */
const FILTERS = ["q", "status", "kind", "system", "operator", "outlier", "sort"] as const;
type FilterName = (typeof FILTERS)[number];
type Filters = Readonly<Partial<Record<FilterName, string>>>;

const PAGE_SIZE = "50";
const DEBOUNCE_MS = 120;
const MAX_QUERY = 211;

function filtersOf(query: URLSearchParams): Filters {
  return Object.fromEntries(FILTERS.flatMap((name) => (query.get(name) ? [[name, query.get(name)]] : [])));
}

/** The list of paths. */
export function PackagesPage({ query, depth }: PageProps) {
  const filters = filtersOf(query);
  const cursor = query.get("cursor") ?? undefined;
  const params = new URLSearchParams(filters);
  params.set("limit", PAGE_SIZE);
  if (cursor !== undefined) params.set("cursor", cursor);
  const { data, error, isOld } = useAnswer<PathPageJson>(`/api/v1/paths?${params}`, { keepOld: true });
  const list = useRef<HTMLDivElement>(null);
  /** Filters begin at the first page. */
  const change = (changed: Filters): void => {
    go(hrefTo(["packages"], { ...filters, ...changed }), { replace: true });
  };
  return (
    <>
      <PageHeading title="Packages">Every path that a builder has claimed, by name.</PageHeading>
      <search>
        <form class="filters" onSubmit={(event) => event.preventDefault()}>
          <SearchField
            text={filters.q ?? ""}
            onChange={(q) => change({ q })}
            onDown={() => list.current?.querySelector<HTMLElement>("tbody a")?.focus()}
          />
          <Selection filters={filters} onChange={change} />
        </form>
      </search>
      <p class="sr-only" aria-live="polite" role="status">
        {data === undefined || isOld ? "" : describePage(data)}
      </p>
      {error !== undefined && <InsightFailure error={error} what="list" />}
      {data === undefined && error === undefined && <Loading rows={14} />}
      {data !== undefined && (
        <div class={isOld ? "old" : ""} ref={list}>
          {filters.q !== undefined && <PackageLinks page={data} />}
          {data.items.length === 0 ? (
            <Nothing filters={filters} />
          ) : (
            <PathTable paths={data.items} caption={describePage(data)} />
          )}
          <nav class="paging" aria-label="Pages of the list">
            {depth > 0 ? (
              <button type="button" onClick={() => history.back()}>
                ← Back
              </button>
            ) : (
              cursor !== undefined && <a href={hrefTo(["packages"], filters)}>← First page</a>
            )}
            <span class="dim">{describePage(data)}</span>
            {data.next !== null && (
              <a href={hrefTo(["packages"], { ...filters, cursor: data.next })} data-depth={depth + 1}>
                Next →
              </a>
            )}
          </nav>
        </div>
      )}
    </>
  );
}

/** Packages that are linked above what a search has found. */
const MAX_PACKAGES = 12;

function PackageLinks({ page: { items } }: { readonly page: PathPageJson }) {
  const names = [...new Set(items.map(({ name }) => packageOf(name)))];
  if (names.length === 0) return null;
  return (
    <p class="packages">
      {names.length === 1 ? "Package" : "Packages"}:{" "}
      {names.slice(0, MAX_PACKAGES).map((name) => (
        <a href={hrefTo(["package", name])} key={name}>
          {visible(name, 100)}
        </a>
      ))}
      {names.length > MAX_PACKAGES && <span class="dim">{names.length - MAX_PACKAGES} more below</span>}
    </p>
  );
}

function describePage({ items, next }: PathPageJson): string {
  return `${plural(items.length, "path")}${next === null ? "" : ", and more on the next page"}`;
}

function Nothing({ filters }: { readonly filters: Filters }) {
  const isFiltered = Object.keys(filters).some((name) => name !== "sort");
  return (
    <p class="nothing">
      {isFiltered ? (
        <>
          No path is like that. <a href={hrefTo(["packages"])}>Show all paths</a>
        </>
      ) : (
        <>
          Nobody whom this node listens to has built anything yet.{" "}
          <a href={hrefTo([])}>See what to do next</a>
        </>
      )}
    </p>
  );
}

function SearchField({
  text,
  onChange,
  onDown,
}: {
  readonly text: string;
  readonly onChange: (text: string) => void;
  readonly onDown: () => void;
}) {
  const [typed, setTyped] = useState(text);
  const field = useRef<HTMLInputElement>(null);
  const sent = useRef(text);
  const timer = useRef<ReturnType<typeof setTimeout>>(undefined);
  // The address changed otherwise, by a link or the back button.
  if (text !== sent.current) {
    sent.current = text;
    setTyped(text);
  }
  useEffect(() => {
    const onKey = (event: KeyboardEvent): void => {
      if (event.key !== "/" || event.ctrlKey || event.metaKey || event.altKey) return;
      const { target } = event;
      if (target instanceof HTMLElement && target.matches("input, select, textarea")) return;
      event.preventDefault();
      field.current?.select();
    };
    document.addEventListener("keydown", onKey);
    return () => {
      document.removeEventListener("keydown", onKey);
      clearTimeout(timer.current);
    };
  }, []);
  return (
    <label class="search">
      <span>
        Search <kbd>/</kbd>
      </span>
      <input
        type="search"
        ref={field}
        value={typed}
        maxLength={MAX_QUERY}
        placeholder="Part of a name, or the beginning of a hash"
        autoComplete="off"
        spellcheck={false}
        aria-keyshortcuts="/"
        onInput={({ currentTarget: { value } }) => {
          setTyped(value);
          clearTimeout(timer.current);
          timer.current = setTimeout(() => {
            sent.current = value.trim();
            onChange(sent.current);
          }, DEBOUNCE_MS);
        }}
        onKeyDown={(event) => {
          if (event.key !== "ArrowDown") return;
          event.preventDefault();
          onDown();
        }}
      />
    </label>
  );
}

function Selection({
  filters,
  onChange,
}: {
  readonly filters: Filters;
  readonly onChange: (changed: Filters) => void;
}) {
  const overview = useAnswer<OverviewJson>("/api/v1/overview").data;
  const builders = useAnswer<BuildersJson>("/api/v1/builders").data;
  const choice = (name: FilterName, label: string, options: readonly Option[]) => (
    <Choice
      label={label}
      value={filters[name]}
      options={options}
      onChange={(value) => onChange({ [name]: value })}
    />
  );
  const systems = (overview?.systems ?? []).flatMap(({ system }) => (system === null ? [] : [system]));
  return (
    <>
      {choice("status", "Status", [
        ["", "any"],
        ...STATUSES.map((status) => [status, STATUS[status].label] as const),
      ])}
      {choice("kind", "Class", [["", "any"], ...CLASSES.map((kind) => [kind, CLASS[kind].label] as const)])}
      {choice("system", "System", namedOptions(systems, filters.system))}
      {choice(
        "operator",
        "Operator",
        namedOptions(builders?.builders.map(({ operator }) => operator) ?? [], filters.operator),
      )}
      {filters.operator !== undefined &&
        choice("outlier", "Its voice", [
          ["", "any"],
          ["true", "against the others"],
          ["false", "not against them"],
        ])}
      {choice("sort", "Order", [
        ["", "by name"],
        ["changed", "newest change"],
      ])}
    </>
  );
}
