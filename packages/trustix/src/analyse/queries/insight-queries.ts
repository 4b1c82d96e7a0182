// All questions about paths and builders, answered from the analysis database by a reader of its own.
import { statSync } from "node:fs";
import type { DatabaseSync } from "node:sqlite";
import { TrustixError } from "../../errors.ts";
import type {
  BuildersJson,
  LiveEventJson,
  OverviewJson,
  PathDetailJson,
  PathPageJson,
  PathsQuery,
  ReportJson,
  ReportRequest,
} from "../../http/insight-schema.ts";
import { claimsLeft, openAnalysisReader } from "../analysis-database.ts";
import { Assessments } from "./assessments.ts";
import { buildersOf, quarantined, suspectsOf } from "./builders.ts";
import type { NamedCounts } from "./counts.ts";
import { countAll, timelineOf } from "./overview.ts";
import { Pace } from "./pace.ts";
import { type ClaimTexts, PathDetails } from "./path-detail.ts";
import { PathIndex } from "./path-index.ts";
import { PathSearch } from "./path-search.ts";
import { type GlobMatcher, Reports } from "./report.ts";
import { Summaries } from "./summaries.ts";

/** What queries work with. */
export interface InsightQueriesOptions {
  /** The analysis database; it may not be there yet. */
  readonly path: string;
  readonly storeDir: string;
  /** The subscriptions of the configuration. */
  readonly subscriptions: readonly {
    readonly name: string;
    readonly operator: string;
    /** A signed cache, and not a log. */
    readonly isSigned: boolean;
  }[];
  /** The operators of the configuration, in its order. */
  readonly operators: readonly string[];
  readonly claims: ClaimTexts & {
    /** Claims that were added or forgotten behind a place in the change feed. */
    changedSince(seq: number): number;
  };
  readonly matchesGlob: GlobMatcher;
  /** Milliseconds since 1970. */
  readonly now: () => number;
}

/** What depends on nothing but the version. */
interface Known {
  readonly version: number;
  readonly counts: NamedCounts;
  readonly claims: number;
  readonly timeline: OverviewJson["timeline"];
}

/** An open database. */
class Reader implements Disposable {
  readonly database: DatabaseSync;
  /** For reading what is new: a transaction of some length, which no other query shall see. */
  readonly refreshing: DatabaseSync;
  /** Of the file. */
  readonly inode: number;
  readonly search: PathSearch;
  readonly details: PathDetails;
  readonly reports: Reports;
  readonly assessments: Assessments;

  constructor(
    { database, refreshing, inode }: Pick<Reader, "database" | "refreshing" | "inode">,
    index: PathIndex,
    options: InsightQueriesOptions,
  ) {
    this.database = database;
    this.refreshing = refreshing;
    this.inode = inode;
    for (const each of [database, refreshing]) each.exec("PRAGMA cache_size = -32000");
    const { storeDir, claims, subscriptions, matchesGlob } = options;
    const summaries = new Summaries(database, storeDir);
    const signed = new Set(subscriptions.filter(({ isSigned }) => isSigned).map(({ name }) => name));
    this.search = new PathSearch(database, index, summaries);
    this.details = new PathDetails({ database, claims, summaries, signed });
    this.reports = new Reports(database, index, summaries, matchesGlob);
    this.assessments = new Assessments(database);
  }

  [Symbol.dispose](): void {
    for (const each of [this.database, this.refreshing]) if (each.isOpen) each.close();
  }
}

/** The answers to all questions; see `ApiInsight` for what they mean. Only one refresh at a time. */
export class InsightQueries implements Disposable {
  readonly #options: InsightQueriesOptions;
  readonly #index = new PathIndex();
  #reader: Reader | undefined;
  #known: Known | undefined;
  /** Settled once all that there was at the first refresh is in memory. */
  readonly #ready = Promise.withResolvers<void>();

  constructor(options: InsightQueriesOptions) {
    this.#options = options;
    this.#ready.promise.catch(() => {});
  }

  /**
   * Takes in what is new, in pieces, while questions are answered from what was known before. Returns whether there was
   * anything.
   */
  async refresh(): Promise<boolean> {
    const reader = this.#open();
    if (reader === undefined) return false;
    const isNew = await this.#index.refresh(reader.refreshing, new Pace("long"));
    if (isNew) this.#ready.resolve();
    const isReassessed = reader.assessments.isNew();
    return isNew || isReassessed;
  }

  /** The present state. */
  live(): LiveEventJson {
    if (this.#index.version === 0) return { version: 0, claims: 0, behind: 0, paths: 0, disputed: 0 };
    const { version, claims, counts } = this.#now();
    const { paths, disputed } = counts.total;
    return { version, claims, behind: this.#behind(), paths, disputed };
  }

  async overview(): Promise<OverviewJson> {
    const reader = await this.#reading();
    const { version, counts, claims, timeline } = this.#now();
    const assessment = reader.assessments.newest();
    return {
      version,
      behind: this.#behind(),
      claims,
      total: counts.total,
      classes: counts.classes,
      systems: counts.systems,
      reproducible: assessment?.reproducible ?? null,
      operators: this.#options.operators.length,
      suspects: suspectsOf(assessment),
      quarantined: [...quarantined(reader.database).keys()],
      timeline,
    };
  }

  async builders(): Promise<BuildersJson> {
    const reader = await this.#reading();
    const { version, counts } = this.#now();
    return buildersOf({
      version,
      counts,
      tables: this.#index.tables,
      assessment: reader.assessments.newest(),
      quarantined: quarantined(reader.database),
      operators: this.#options.operators,
      subscriptions: this.#options.subscriptions,
    });
  }

  async paths(query: PathsQuery, signal?: AbortSignal): Promise<PathPageJson> {
    const reader = await this.#reading();
    return reader.search.page(query, new Pace("short", signal));
  }

  async path(hashPart: string): Promise<PathDetailJson> {
    const reader = await this.#reading();
    const { catalogue } = this.#index.tables;
    return {
      ...reader.details.read(hashPart, catalogue),
      reproducibility: reader.assessments.reproducibility(hashPart, catalogue),
    };
  }

  async report(request: ReportRequest, signal?: AbortSignal): Promise<ReportJson> {
    const reader = await this.#reading();
    const report = await reader.reports.make(request, new Pace("long", signal));
    return { ...report, at: new Date(this.#options.now()).toISOString(), behind: this.#behind() };
  }

  /** Ends waiting questions with `CLOSED`. */
  [Symbol.dispose](): void {
    this.#ready.reject(new TrustixError("CLOSED", "the node is stopping"));
    this.#reader?.[Symbol.dispose]();
  }

  #open(): Reader | undefined {
    const { path } = this.#options;
    if (this.#reader !== undefined) {
      // A damaged database is replaced by another file.
      if (statSync(path, { throwIfNoEntry: false })?.ino === this.#reader.inode) return this.#reader;
      this.#reader[Symbol.dispose]();
      this.#reader = undefined;
    }
    const inode = statSync(path, { throwIfNoEntry: false })?.ino;
    const database = openAnalysisReader(path);
    const refreshing = database && openAnalysisReader(path);
    if (inode === undefined || database === undefined || refreshing === undefined) {
      database?.close();
      return undefined;
    }
    this.#reader = new Reader({ database, refreshing, inode }, this.#index, this.#options);
    return this.#reader;
  }

  /** Waits for the first refresh. */
  async #reading(): Promise<Reader> {
    await this.#ready.promise;
    if (this.#reader !== undefined) return this.#reader;
    throw new TrustixError("PUSHBACK", "the analysis is made anew", {
      retryAfterMs: 1000,
      hint: "Come again as Retry-After says.",
    });
  }

  #behind(): number {
    const progress = this.#reader?.database.prepare("SELECT seq, cursor FROM progress").get();
    if (progress === undefined) return 0;
    const changed = this.#options.claims.changedSince(progress.seq as number);
    return changed + claimsLeft(progress.cursor as Uint8Array | null, this.#known?.claims ?? 0);
  }

  #now(): Known {
    const { version, tables } = this.#index;
    if (this.#known?.version !== version) {
      const counts = countAll(tables);
      this.#known = { version, counts, ...timelineOf(this.#reader!.database, tables) };
    }
    return this.#known;
  }
}
