// The database in which analysis keeps what it worked out: one SQLite file beside the claims.
//
// Nothing in it is new. It is made from the claims, with the place up to which they were taken in written in the same
// transaction, and it is made again whenever it is missing, damaged or of another version. One thread writes, any number
// of others read.

import { rmSync } from "node:fs";
import { DatabaseSync } from "node:sqlite";
import { TrustixError } from "../errors.ts";
import type { PathClass, PathStatus } from "./classify.ts";

/** Changes with the meaning of the rows. */
const VERSION = 1;

/** Classes by the number that stands for them in `path.kind`. */
export const KINDS: readonly PathClass[] = [
  "unchecked",
  "single",
  "unanimous",
  "majority",
  "split",
  "conflicting",
];

/** Statuses by the number that stands for them in `path.status`. */
export const STATUSES: readonly PathStatus[] = ["reproducible", "disputed", "single", "unchecked"];

/**
 * Times are whole seconds since 1970, `_ms` milliseconds, `hour` and `day` whole ones since 1970.
 *
 * - `operator`: a number for each operator ever listened to. A pattern has the operator's voice at this position.
 * - `source`: the logs whose claims count, by their number in the claim store. Signed caches are logs, too.
 * - `absence`: spans in which an operator does not count. Open as long as `until_ms` is null.
 * - `system`: number 0 is unknown, and has no row.
 * - `path`: what is known of each path. `key` is that of its claims in the claim store, `pattern` what the operators that
 *   count say now; `first_seen` when the first claim came in, `changed` when the class last changed; `disputed` since when
 *   it is disputed, or was when it last was, `healed` when that dispute ended. `status` follows from `kind`. `version` is that of `progress` as the row was last
 *   written: whoever answers questions over all paths (`queries/`) holds their columns in memory and takes in what is newer.
 *   Rows go when a log is forgotten; then `progress.epoch` must change, as numbers may be given again.
 * - `cell`: paths by pattern, system and day first seen. Adds up to all paths.
 * - `growth`: claims by log and by hour in which this node first saw them.
 * - `turn`: paths by the hour of `disputed`, and by that of `healed`.
 * - `assessment`: the newest estimate as JSON, one row at most; see `assessment.ts`.
 * - `progress`: one row. `store` is the claim store's id, `seq` the place in its change feed. `cursor` is set while all
 *   claims are gone through again: keys up to it are done. `version` grows with every change. `epoch` is another one
 *   whenever rows of `path` went away, or all were thrown away.
 */
const SCHEMA = `
  CREATE TABLE operator (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE) STRICT;
  CREATE TABLE source (log INTEGER PRIMARY KEY, operator INTEGER NOT NULL, subscription TEXT NOT NULL) STRICT;
  CREATE TABLE absence (
    operator INTEGER NOT NULL, from_ms INTEGER NOT NULL, until_ms INTEGER, why TEXT NOT NULL, reason TEXT NOT NULL,
    PRIMARY KEY (operator, why, from_ms)
  ) STRICT, WITHOUT ROWID;
  CREATE TABLE system (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE) STRICT;
  CREATE TABLE pattern (id INTEGER PRIMARY KEY, text TEXT NOT NULL UNIQUE) STRICT;
  CREATE TABLE path (
    id INTEGER PRIMARY KEY,
    key BLOB NOT NULL, hash TEXT NOT NULL UNIQUE, name TEXT NOT NULL, package TEXT NOT NULL,
    system INTEGER NOT NULL, pattern INTEGER NOT NULL, kind INTEGER NOT NULL, status INTEGER NOT NULL,
    first_seen INTEGER NOT NULL, changed INTEGER NOT NULL, disputed INTEGER, healed INTEGER,
    version INTEGER NOT NULL
  ) STRICT;
  CREATE INDEX path_by_key ON path (key);
  CREATE INDEX path_by_version ON path (version);
  CREATE INDEX path_by_package ON path (package, pattern);
  CREATE TABLE cell (
    pattern INTEGER NOT NULL, system INTEGER NOT NULL, day INTEGER NOT NULL, paths INTEGER NOT NULL,
    PRIMARY KEY (pattern, system, day)
  ) STRICT, WITHOUT ROWID;
  CREATE TABLE growth (
    log INTEGER NOT NULL, hour INTEGER NOT NULL, claims INTEGER NOT NULL, PRIMARY KEY (log, hour)
  ) STRICT, WITHOUT ROWID;
  CREATE TABLE turn (
    hour INTEGER PRIMARY KEY, disputed INTEGER NOT NULL, healed INTEGER NOT NULL
  ) STRICT;
  CREATE TABLE assessment (id INTEGER PRIMARY KEY CHECK (id = 1), at_ms INTEGER NOT NULL, json TEXT NOT NULL) STRICT;
  CREATE TABLE progress (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    store TEXT NOT NULL, seq INTEGER NOT NULL, cursor BLOB, version INTEGER NOT NULL,
    epoch INTEGER NOT NULL DEFAULT (abs(random() / 4096))
  ) STRICT;
`;

/**
 * About how many of `claims` are not gone through yet, given `progress.cursor`: they are gone through in the order of their
 * keys, which are spread evenly.
 */
export function claimsLeft(cursor: Uint8Array | null, claims: number): number {
  if (cursor === null) return 0;
  const done = cursor.length === 0 ? 0 : Buffer.from(cursor).readUInt32BE() / 2 ** 32;
  return Math.ceil(claims * (1 - done));
}

/** Name of the file in the directory of the subscriptions. */
export const ANALYSIS_FILE = "analysis.db";

/**
 * Opens the database for its only writer. One that is missing, damaged or of another version is begun anew, without a row in
 * `progress`.
 * @throws TrustixError `STORAGE_FAILED`
 */
export function openAnalysis(path: string): DatabaseSync {
  try {
    return openForWriting(path);
  } catch (error) {
    try {
      if (!isDamage(error)) throw error;
      removeFiles(path);
      return openForWriting(path);
    } catch (cause) {
      throw new TrustixError("STORAGE_FAILED", `cannot open ${path}`, {
        hint: "Check that the directory exists, that this user may write to it, and that the disk has room.",
        cause,
      });
    }
  }
}

/** SQLITE_IOERR_READ, _SHORT_READ, _DATA and _CORRUPTFS: other failures are those of a full disk, say. */
const UNREADABLE: readonly number[] = [266, 522, 8202, 8458];

/** Whether an error comes from damage, of whichever database: SQLITE_CORRUPT, SQLITE_NOTADB, or what cannot be read. */
export function isDamage(error: unknown): boolean {
  if (!(error instanceof Error) || !("errcode" in error)) return false;
  const code = Number(error.errcode);
  return [11, 26].includes(code & 0xff) || UNREADABLE.includes(code);
}

/** Removes the database if it is damaged after all: its writer notices, or has failed, and the next one begins it anew. */
export function removeIfDamaged(path: string): void {
  try {
    using database = new DatabaseSync(path, { readOnly: true });
    if (database.prepare("PRAGMA quick_check(1)").get()?.quick_check === "ok") return;
  } catch {
    // As damaged as can be.
  }
  removeFiles(path);
}

function removeFiles(path: string): void {
  for (const suffix of ["", "-wal", "-shm"]) rmSync(path + suffix, { force: true });
}

/** Begins anew: throws away everything. Whoever reads sees all of it or nothing. */
export function resetAnalysis(database: DatabaseSync): void {
  database.exec("BEGIN IMMEDIATE");
  try {
    // Virtual tables first: they take tables of their own with them.
    const select = database.prepare(
      `SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'
       ORDER BY sql LIKE 'CREATE VIRTUAL%' DESC`,
    );
    for (const { name } of select.all()) database.exec(`DROP TABLE IF EXISTS "${name}"`);
    database.exec(`${SCHEMA} PRAGMA user_version = ${VERSION}; COMMIT`);
  } catch (error) {
    if (database.isTransaction) database.exec("ROLLBACK");
    throw error;
  }
}

/** Opens the database for reading; undefined as long as there is none of this version. */
export function openAnalysisReader(path: string): DatabaseSync | undefined {
  let database: DatabaseSync | undefined;
  try {
    database = new DatabaseSync(path, { readOnly: true, timeout: 1000 });
    if (versionOf(database) === VERSION) return database;
  } catch {
    // Not there yet, or about to be replaced.
  }
  if (database?.isOpen) database.close();
  return undefined;
}

function openForWriting(path: string): DatabaseSync {
  const database = new DatabaseSync(path, { timeout: 1000 });
  try {
    database.exec(`
      PRAGMA journal_mode = WAL;
      PRAGMA synchronous = NORMAL;
      PRAGMA cache_size = -64000;
      PRAGMA wal_autocheckpoint = 16000;
      PRAGMA journal_size_limit = 67108864;
    `);
    if (versionOf(database) !== VERSION) resetAnalysis(database);
    return database;
  } catch (error) {
    if (database.isOpen) database.close();
    throw error;
  }
}

function versionOf(database: DatabaseSync): number {
  return database.prepare("PRAGMA user_version").get()!.user_version as number;
}
