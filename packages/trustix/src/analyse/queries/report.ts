// A report over all paths, some of them, or a list. Its memory does not grow with the paths of the database, but for the
// numbers of disputed ones.
import type { DatabaseSync, StatementSync } from "node:sqlite";
import { TrustixError } from "../../errors.ts";
import type { ReportJson, ReportRequest } from "../../http/insight-schema.ts";
import type { PatternCount } from "../report.ts";
import { countNamed } from "./counts.ts";
import type { Pace } from "./pace.ts";
import { PathFilter } from "./path-filter.ts";
import type { PathIndex, PathTables } from "./path-index.ts";
import type { Summaries } from "./summaries.ts";

const DAY = 86_400;
const DAY_MS = DAY * 1000;
/** Paths between two looks at the clock. */
const STEP = 256;
const LISTED = /^(?:.*\/)?([0-9abcdfghijklmnpqrsvwxyz]{32})(?:-([^/]*))?$/;

/** Whether a glob matches a name. */
export type GlobMatcher = (pattern: string, name: string) => boolean;

/** Makes reports. */
export class Reports {
  readonly #index: PathIndex;
  readonly #summaries: Summaries;
  readonly #matchesGlob: GlobMatcher;
  readonly #byHash: StatementSync;
  readonly #names: StatementSync;

  constructor(database: DatabaseSync, index: PathIndex, summaries: Summaries, matchesGlob: GlobMatcher) {
    this.#index = index;
    this.#summaries = summaries;
    this.#matchesGlob = matchesGlob;
    this.#byHash = database.prepare("SELECT id, name FROM path WHERE hash = ?");
    this.#names = database.prepare(`SELECT id, name FROM path WHERE id > ? ORDER BY id LIMIT ${STEP}`);
  }

  /**
   * The report, but for what is not of the paths.
   * @throws TrustixError `INVALID_ARGUMENT` for a path that is none, or a span that ends before it begins; the reason of
   * the pace's signal
   */
  async make(request: ReportRequest, pace: Pace): Promise<Omit<ReportJson, "at" | "behind">> {
    const { tables, version } = this.#index;
    const accepts = selectionOf(request, tables);
    const tally = new Tally(tables);
    if (request.paths !== undefined) await this.#countListed(request, accepts, tally, pace);
    else if (request.name !== undefined) await this.#countNamed(request.name, accepts, tally, pace);
    else await countEach(tables, accepts, tally, pace);
    const { total, classes, systems, operators, buckets } = countNamed(tally.rows(), tables.catalogue);
    const disputed = tally.newestDisputed(request.list);
    return {
      version,
      total,
      classes,
      systems,
      operators,
      days: buckets.map(({ bucketMs, ...counts }) => ({
        day: bucketMs === undefined ? null : new Date(bucketMs).toISOString().slice(0, 10),
        ...counts,
      })),
      disputed: this.#summaries.of(disputed, tables.catalogue),
      unlisted: total.disputed - disputed.length,
    };
  }

  async #countListed(
    { paths = [], name, system, from, until }: ReportRequest,
    accepts: (id: number) => boolean,
    tally: Tally,
    pace: Pace,
  ): Promise<void> {
    // Of a path that nobody has built, neither is the system known nor was it ever seen.
    const takesUnknown = system === undefined && from === undefined && until === undefined;
    const isNamed = (found: string): boolean => name === undefined || this.#matchesGlob(name, found);
    const seen = new Set<string>();
    for (const [i, text] of paths.entries()) {
      if (i % STEP === 0 && pace.isDue) await pace.pause();
      const [, hash, listedName = ""] = LISTED.exec(text) ?? [];
      if (hash === undefined) {
        throw new TrustixError("INVALID_ARGUMENT", `path ${i} of the list is none: ${JSON.stringify(text)}`, {
          hint: "Give store paths, their last parts, or hash parts.",
        });
      }
      if (seen.has(hash)) continue;
      seen.add(hash);
      const row = this.#byHash.get(hash);
      if (row === undefined) {
        if (takesUnknown && isNamed(listedName)) tally.addUnknown();
      } else if (accepts(row.id as number) && isNamed(row.name as string)) {
        tally.add(row.id as number);
      }
    }
  }

  async #countNamed(glob: string, accepts: (id: number) => boolean, tally: Tally, pace: Pace): Promise<void> {
    for (let after = 0; ; ) {
      const rows = this.#names.all(after);
      for (const row of rows) {
        const id = row.id as number;
        if (accepts(id) && this.#matchesGlob(glob, row.name as string)) tally.add(id);
      }
      const last = rows.at(-1);
      if (last === undefined) return;
      after = last.id as number;
      if (pace.isDue) await pace.pause();
    }
  }
}

function selectionOf({ system, from, until }: ReportRequest, tables: PathTables): (id: number) => boolean {
  const { columns } = tables;
  const begin = from === undefined ? 0 : Date.parse(from) / 1000;
  const end = until === undefined ? Number.POSITIVE_INFINITY : Date.parse(until) / 1000;
  if (end < begin) {
    throw new TrustixError("INVALID_ARGUMENT", `the span from ${from} ends before, at ${until}`);
  }
  const filter = new PathFilter({ system }, tables.catalogue, columns);
  return (id) =>
    columns.has(id) && columns.firstSeen[id]! >= begin && columns.firstSeen[id]! < end && filter.accepts(id);
}

async function countEach(
  { columns }: PathTables,
  accepts: (id: number) => boolean,
  tally: Tally,
  pace: Pace,
): Promise<void> {
  for (let id = 1; id < columns.end; id++) {
    if (accepts(id)) tally.add(id);
    if (id % STEP === 0 && pace.isDue) await pace.pause();
  }
}

/** Counts paths by pattern, system and day. */
class Tally {
  readonly #tables: PathTables;
  readonly #days = new Map<number, Map<number, number>>();
  #disputed = new Uint32Array(1024);
  #disputedLength = 0;
  #unknown = 0;

  constructor(tables: PathTables) {
    this.#tables = tables;
  }

  add(id: number): void {
    const { columns, catalogue } = this.#tables;
    const day = Math.floor(columns.firstSeen[id]! / DAY);
    const pattern = columns.pattern[id]!;
    const counts = this.#days.get(day) ?? new Map<number, number>();
    this.#days.set(day, counts);
    const key = pattern * 0x1_0000 + columns.system[id]!;
    counts.set(key, (counts.get(key) ?? 0) + 1);
    if (catalogue.pattern(pattern)?.status === "disputed") this.#addDisputed(id);
  }

  /** A path that nobody has a claim on. */
  addUnknown(): void {
    this.#unknown++;
  }

  *rows(): Generator<PatternCount> {
    const { catalogue } = this.#tables;
    if (this.#unknown > 0) yield { pattern: "", paths: this.#unknown };
    for (const [day, counts] of this.#days) {
      for (const [key, paths] of counts) {
        yield {
          pattern: catalogue.pattern(Math.floor(key / 0x1_0000))?.text ?? "",
          paths,
          system: catalogue.system(key % 0x1_0000),
          bucketMs: day * DAY_MS,
        };
      }
    }
  }

  /** Those that changed last, first. */
  newestDisputed(limit: number): number[] {
    const { changed } = this.#tables.columns;
    const ids = this.#disputed.subarray(0, this.#disputedLength);
    return [...ids.sort((a, b) => changed[b]! - changed[a]! || b - a).subarray(0, limit)];
  }

  #addDisputed(id: number): void {
    if (this.#disputedLength === this.#disputed.length) {
      const grown = new Uint32Array(this.#disputed.length * 2);
      grown.set(this.#disputed);
      this.#disputed = grown;
    }
    this.#disputed[this.#disputedLength++] = id;
  }
}
