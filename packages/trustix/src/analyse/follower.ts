// Follows the claim store: takes in what changed, in large pieces, and works out again every path that is touched.
//
// A piece is one transaction, with the place behind it; a crash at any moment leaves a state that goes on from there. A path is
// worked out from all claims about it as they are at that moment, so it does no harm when a change is seen twice, or
// before its turn. All claims are gone through once more whenever it changed who counts, and at the very beginning: in order of
// their keys, between the changes that come in.

import type { DatabaseSync } from "node:sqlite";
import { claimsLeft, openAnalysis, resetAnalysis } from "./analysis-database.ts";
import { type ClaimChange, type ClaimSource, KEY_BYTES } from "./claim-source.ts";
import { pathRows, type Voices } from "./path-row.ts";
import { PathTable } from "./path-table.ts";
import { type Quarantined, type SourceLog, Sources } from "./sources.ts";

/** What a follower works with. */
export interface FollowerOptions {
  /** The database; see `analysis-database.ts`. */
  readonly path: string;
  readonly claims: ClaimSource;
  /** The logs that are listened to. */
  readonly logs: readonly SourceLog[];
  /** Milliseconds since 1970. */
  readonly now: () => number;
  /** Keys in one transaction, or little more. Default 32,768. */
  readonly pieceKeys?: number;
  /** Time after which a piece of work pauses. Default 20 ms. */
  readonly sliceMs?: number;
}

/** Lets others run, and says whether to go on. */
export type Pause = () => Promise<boolean>;

const NOTHING = new Uint8Array(0);

interface Progress {
  readonly store: string;
  readonly seq: number;
  readonly cursor: Uint8Array | null;
  readonly version: number;
}

/** See the head of this file. One at a time for a database. */
export class Follower implements Disposable {
  readonly database: DatabaseSync;
  readonly sources: Sources;
  readonly #claims: ClaimSource;
  readonly #now: () => number;
  readonly #pieceKeys: number;
  readonly #sliceMs: number;
  readonly #table: PathTable;
  #progress: Progress;
  #voices: Voices;

  private constructor(options: FollowerOptions, database: DatabaseSync) {
    this.database = database;
    this.#claims = options.claims;
    this.#now = options.now;
    this.#pieceKeys = options.pieceKeys ?? 1 << 15;
    this.#sliceMs = options.sliceMs ?? 20;
    this.sources = new Sources(database);
    this.#progress = this.#begin();
    this.#table = new PathTable(database);
    this.#transaction(() => {
      if (this.sources.listenTo(options.logs, options.claims, options.now())) this.#startOver();
    });
    this.#voices = this.#readVoices();
  }

  /**
   * Opens the database, or begins it anew when it is not about these claims, or has missed some of their changes.
   * @throws TrustixError `STORAGE_FAILED`, and `INVALID_ARGUMENT` as `Sources.listenTo`
   */
  static open(options: FollowerOptions): Follower {
    const database = openAnalysis(options.path);
    try {
      return new Follower(options, database);
    } catch (error) {
      database.close();
      throw error;
    }
  }

  /** Changes up to this number are taken in. */
  get seq(): number {
    return this.#progress.seq;
  }

  /** Grows with every change. */
  get version(): number {
    return this.#progress.version;
  }

  /** Whether all claims are being gone through. */
  get isStartingOver(): boolean {
    return this.#progress.cursor !== null;
  }

  /** Claims that are stored but not taken in; about, while all are gone through. */
  behind(): number {
    const { seq, cursor } = this.#progress;
    const changed = this.#claims.changedSince(seq);
    if (cursor === null) return changed;
    const { claims } = this.database.prepare("SELECT coalesce(sum(claims), 0) AS claims FROM growth").get()!;
    return changed + claimsLeft(cursor, claims as number);
  }

  /** Makes these the operators in quarantine: from now on they do not count. */
  setQuarantine(list: readonly Quarantined[]): void {
    this.#transaction(() => {
      if (this.sources.quarantine(list, this.#now())) this.#startOver();
    });
    this.#voices = this.#readVoices();
  }

  /**
   * Takes in a piece of what there is to do. Returns whether there was anything. When `pause` says not to go on, nothing of
   * the piece is kept.
   */
  async step(pause: Pause): Promise<boolean> {
    const { seq, cursor } = this.#progress;
    const changes = this.#nextChanges(seq);
    const page = cursor === null ? [] : this.#claims.keys(cursor, this.#pieceKeys);
    if (changes.length === 0 && cursor === null) return false;
    const last = page.length < this.#pieceKeys ? null : page.at(-1)!;
    const keys = sortedKeys(changes, cursor);
    const version = this.#progress.version + 1;
    this.database.exec("BEGIN IMMEDIATE");
    try {
      for (const { log, count, seen } of changes) {
        if (count < 0) this.#table.counters.forget(log);
        else if (count > 0) this.#table.counters.claims(log, seen, count);
      }
      if (!(await this.#workOut(keys, version, pause)) || !(await this.#workOut(page, version, pause))) {
        this.#rollBack();
        return false;
      }
      this.#table.counters.flush();
      const progress: Progress = {
        ...this.#progress,
        seq: changes.at(-1)?.seq ?? seq,
        cursor: last,
        version,
      };
      this.#writeProgress(progress);
      this.database.exec("COMMIT");
      this.#progress = progress;
      return true;
    } catch (error) {
      this.#rollBack();
      throw error;
    }
  }

  [Symbol.dispose](): void {
    if (this.database.isOpen) this.database.close();
  }

  async #workOut(keys: readonly Uint8Array[], version: number, pause: Pause): Promise<boolean> {
    let sliceEnd = performance.now() + this.#sliceMs;
    for (const key of keys) {
      this.#table.replace(key, pathRows(this.#claims.facts(key), this.#voices), version);
      if (performance.now() < sliceEnd) continue;
      if (!(await pause())) return false;
      sliceEnd = performance.now() + this.#sliceMs;
    }
    return true;
  }

  #nextChanges(seq: number): ClaimChange[] {
    const changes: ClaimChange[] = [];
    for (let bytes = 0, after = seq; bytes < KEY_BYTES * this.#pieceKeys; ) {
      const change = this.#claims.change(after);
      if (change === undefined) break;
      changes.push(change);
      bytes += change.keys.length;
      after = change.seq;
    }
    return changes;
  }

  /** The place to go on from; everything begins anew when there is none that fits the claims. */
  #begin(): Progress {
    const stored = this.database.prepare("SELECT store, seq, cursor, version FROM progress").get() as
      | (Progress & Record<string, unknown>)
      | undefined;
    return this.#claims.snapshot(() => {
      const { oldest, newest } = this.#claims.feedSpan();
      const { id } = this.#claims;
      const fits = stored?.store === id && stored.seq <= newest && stored.seq + 1 >= oldest;
      if (fits) return { ...stored };
      if (stored !== undefined) resetAnalysis(this.database);
      // As if it had been counted in milliseconds all the time: no number is used twice.
      const progress = { store: id, seq: newest, cursor: NOTHING, version: this.#now() };
      this.#transaction(() => {
        this.#writeProgress(progress);
        const insert = this.database.prepare("INSERT INTO growth (log, hour, claims) VALUES (?, ?, ?)");
        for (const { log, hour, claims } of this.#claims.growth()) insert.run(log, hour, claims);
      });
      return progress;
    });
  }

  #startOver(): void {
    const progress = { ...this.#progress, cursor: NOTHING, version: this.#progress.version + 1 };
    this.#writeProgress(progress);
    this.#progress = progress;
  }

  #writeProgress({ store, seq, cursor, version }: Progress): void {
    this.database
      .prepare(
        `INSERT INTO progress (id, store, seq, cursor, version) VALUES (1, ?, ?, ?, ?)
         ON CONFLICT DO UPDATE SET (store, seq, cursor, version) =
         (excluded.store, excluded.seq, excluded.cursor, excluded.version)`,
      )
      .run(store, seq, cursor, version);
  }

  #readVoices(): Voices {
    return {
      operators: this.sources.operators(),
      absences: this.sources.absences(),
      system: (id) => this.#claims.system(id),
    };
  }

  #rollBack(): void {
    if (this.database.isTransaction) this.database.exec("ROLLBACK");
    this.#table.clear();
  }

  #transaction(work: () => void): void {
    const before = this.#progress;
    this.database.exec("BEGIN IMMEDIATE");
    try {
      work();
      this.database.exec("COMMIT");
    } catch (error) {
      if (this.database.isTransaction) this.database.exec("ROLLBACK");
      this.#progress = before;
      throw error;
    }
  }
}

/**
 * The keys of changes, each once, in order: so that pages of the tables are touched once each. While all claims are gone
 * through, keys of new claims behind `cursor` are left to that. Keys of forgotten claims are not: nobody would come by.
 */
function sortedKeys(changes: readonly ClaimChange[], cursor: Uint8Array | null): Uint8Array[] {
  const limit =
    cursor === null ? undefined : cursor.length === 0 ? -1n : Buffer.from(cursor).readBigUInt64BE();
  const numbers = changes.flatMap(({ keys, count }) => {
    const view = new DataView(keys.buffer, keys.byteOffset, keys.length);
    const own = BigUint64Array.from({ length: keys.length / KEY_BYTES }, (_, i) =>
      view.getBigUint64(KEY_BYTES * i),
    );
    return limit === undefined || count <= 0 ? [own] : [own.filter((key) => key <= limit)];
  });
  const all = new BigUint64Array(numbers.reduce((length, own) => length + own.length, 0));
  let at = 0;
  for (const own of numbers) {
    all.set(own, at);
    at += own.length;
  }
  all.sort();
  const keys: Uint8Array[] = [];
  let before: bigint | undefined;
  for (const number of all) {
    if (number === before) continue;
    before = number;
    const key = Buffer.alloc(KEY_BYTES);
    key.writeBigUInt64BE(number);
    keys.push(key);
  }
  return keys;
}
