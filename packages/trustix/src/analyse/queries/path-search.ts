// Search for paths: a page at a time.
import type { DatabaseSync, StatementSync } from "node:sqlite";
import { TrustixError } from "../../errors.ts";
import type { PathPageJson, PathsQuery } from "../../http/insight-schema.ts";
import { formatCursor, type Place, parseCursor, queryTag } from "./cursor.ts";
import type { Pace } from "./pace.ts";
import { PathFilter } from "./path-filter.ts";
import type { PathIndex, PathTables } from "./path-index.ts";
import { findByChange, findByName, type NamedRow, type Wanted } from "./path-scan.ts";
import type { Summaries } from "./summaries.ts";

const DEFAULT_LIMIT = 50;
/** Shorter beginnings of hash parts are in too many. */
const MIN_HASH_LENGTH = 3;
/** Builders choose hash parts if they like, so many may begin alike. */
const MAX_HASH_MATCHES = 1000;
/** Nothing but these is in the name of a store path. */
const NAME = /^[a-z0-9+\-._?=]*$/;
const HASH = /^[0-9abcdfghijklmnpqrsvwxyz]{3,32}$/;
const STORE_PATH = /^(?:.*\/)?([0-9abcdfghijklmnpqrsvwxyz]{32})-[^/]*$/;
/** Above every character of a hash part. */
const LAST = "\x7f";

/** What a text is looked for as. */
interface Needle {
  /** Part of a name, in lower case; undefined when it can be none. */
  readonly name: string | undefined;
  /** Beginning of a hash part. */
  readonly hash: string | undefined;
}

type Matching = Omit<Wanted, "text">;

/** What comes behind a place, up to a number. */
interface Span {
  readonly after: Place | undefined;
  readonly limit: number;
}

/** Answers searches from the index. */
export class PathSearch {
  readonly #index: PathIndex;
  readonly #summaries: Summaries;
  readonly #byHash: StatementSync;
  readonly #name: StatementSync;

  constructor(database: DatabaseSync, index: PathIndex, summaries: Summaries) {
    this.#index = index;
    this.#summaries = summaries;
    this.#name = database.prepare("SELECT name FROM path WHERE id = ?");
    this.#byHash = database.prepare(
      `SELECT id, name FROM path WHERE hash >= ? AND hash < ? ORDER BY hash LIMIT ${MAX_HASH_MATCHES}`,
    );
  }

  /** A page. @throws TrustixError `INVALID_ARGUMENT` for a cursor of another query */
  async page({ cursor, limit = DEFAULT_LIMIT, ...query }: PathsQuery, pace: Pace): Promise<PathPageJson> {
    if (query.outlier !== undefined && query.operator === undefined) {
      throw new TrustixError("INVALID_ARGUMENT", "`outlier` asks about an operator", {
        hint: "Name it with `operator`.",
      });
    }
    const tag = queryTag(query);
    const after = cursor === undefined ? undefined : parseCursor(tag, cursor);
    const { tables, version } = this.#index;
    const outlier = query.outlier === undefined ? undefined : query.outlier === "true";
    const { columns, catalogue } = tables;
    const matching = {
      filter: new PathFilter({ ...query, outlier }, catalogue, columns),
      isNamed: (id: number, name: string) => columns.isNamed(id, name),
    };
    const needle = needleOf(query.q ?? "");
    // One more than the page has, to see whether there is another.
    const places =
      query.sort === "changed"
        ? await this.#byChange(tables, needle, matching, { after, limit: limit + 1 }, pace)
        : await this.#byName(tables, needle, matching, { after, limit: limit + 1 }, pace);
    const shown = places.slice(0, limit);
    const last = shown.at(-1);
    return {
      version,
      items: this.#summaries.of(
        shown.map(({ id }) => id),
        catalogue,
      ),
      next: places.length > limit && last !== undefined ? formatCursor(tag, last) : null,
    };
  }

  async #byName(
    { names }: PathTables,
    { name, hash }: Needle,
    matching: Matching,
    { after, limit }: Span,
    pace: Pace,
  ): Promise<Place[]> {
    const start = after !== undefined && "part" in after ? after : { part: 0, name: "", id: -1 };
    const found: Place[] = [];
    const resume = (part: number): NamedRow | undefined => (part === start.part ? start : undefined);
    const take = (part: number, rows: readonly NamedRow[]): void => {
      for (const { id, name } of rows) found.push({ part, name, id });
    };
    if (name !== undefined) {
      const wanted = { ...matching, text: name };
      for (const [part, where] of (["beginning", "within"] as const).entries()) {
        if (part < start.part || found.length >= limit || (part === 1 && name === "")) continue;
        const options = { part: where, after: resume(part), limit: limit - found.length };
        take(part, await findByName(names, wanted, options, pace));
      }
    }
    if (hash !== undefined && found.length < limit) {
      const rows = this.#beginningWith(hash)
        .filter((row) => matching.filter.accepts(row.id) && (name === undefined || !row.name.includes(name)))
        .sort((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : a.id - b.id));
      const last = resume(2);
      const rest =
        last === undefined
          ? rows
          : rows.filter((row) => row.name > last.name || (row.name === last.name && row.id > last.id));
      take(2, rest.slice(0, limit - found.length));
    }
    return found;
  }

  async #byChange(
    tables: PathTables,
    { name, hash }: Needle,
    matching: Matching,
    { after, limit }: Span,
    pace: Pace,
  ): Promise<Place[]> {
    const others = hash === undefined ? [] : this.#beginningWith(hash).map(({ id }) => id);
    const options = {
      others,
      nameOf: (id: number) => (this.#name.get(id)?.name as string | undefined) ?? "",
      after: after !== undefined && "changed" in after ? after : undefined,
      limit,
    };
    return findByChange(tables, { ...matching, text: name }, options, pace);
  }

  #beginningWith(hash: string): NamedRow[] {
    return this.#byHash
      .all(hash, hash + LAST)
      .map((row) => ({ id: row.id as number, name: (row.name as string).toLowerCase() }));
  }
}

function needleOf(text: string): Needle {
  const path = STORE_PATH.exec(text);
  if (path !== null) return { name: undefined, hash: path[1]! };
  const lower = text.toLowerCase();
  return {
    name: NAME.test(lower) ? lower : undefined,
    hash: text.length >= MIN_HASH_LENGTH && HASH.test(text) ? text : undefined,
  };
}
