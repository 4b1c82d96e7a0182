// Which claims a log has about a key: for finding a statement that is logged already, and for looking keys up.
//
// The log's files are the truth and this can always be made from them again. Claims below `cursor` are in SQLite, the
// newer ones in memory only. They move over in large batches sorted by key, because sorted insertion touches each page of
// the tree once, and random insertion would read and write a page for every claim. The cursor moves in the same
// transaction. The database is held exclusively, so that two processes can never write one log.
//
// A row is 48 bits of the key and 128 of a digest over key and statement: what it finds by key may, rarely, be a claim
// about another one, and the caller reads the entry to be sure; what it finds by digest is certain.

import { hash } from "node:crypto";
import { rmSync } from "node:fs";
import { DatabaseSync, type StatementSync } from "node:sqlite";
import { setImmediate } from "node:timers/promises";
import { TrustixError } from "../errors.ts";
import { isDatabaseBusy } from "../store/state-lock.ts";

/** What the index knows a claim by. */
export interface ClaimId {
  /** The first 48 bits of the key. */
  readonly key: number;
  /** 16 bytes, one a character: the first half of SHA-256 over key and statement. */
  readonly digest: string;
}

/** Claims move into the database when this many are in memory. */
const BATCH = 16_384;
/** Rows inserted between two turns of the event loop: about two milliseconds. */
const SLICE = 512;
/** Changes with the meaning of the rows; a database of another version is made again. */
const VERSION = 1;

/** The id of a claim. `key` is the 32-byte map key of what the statement is about. */
export function claimId(key: Uint8Array, statement: string): ClaimId {
  const bytes = Buffer.allocUnsafe(key.length + Buffer.byteLength(statement));
  bytes.set(key, 0);
  bytes.write(statement, key.length);
  return { key: shortKey(key), digest: hash("sha256", bytes, "binary").slice(0, 16) };
}

function shortKey(key: Uint8Array): number {
  return Buffer.from(key.buffer, key.byteOffset, key.length).readUIntBE(0, 6);
}

interface RecentClaim extends ClaimId {
  readonly index: number;
  /** An older claim with the same short key. */
  readonly next: RecentClaim | undefined;
}

type Recent = Map<number, RecentClaim>;

function* withKey(recent: Recent, key: number): Generator<RecentClaim, void, undefined> {
  for (let claim = recent.get(key); claim; claim = claim.next) yield claim;
}

/** The index of one log. */
export class ClaimIndex implements Disposable {
  readonly #path: string;
  readonly #database: DatabaseSync;
  readonly #insert: StatementSync;
  readonly #select: StatementSync;
  readonly #selectOne: StatementSync;
  readonly #setCursor: StatementSync;
  #cursor: number;
  /** Claims on their way into the database: from `#cursor` up to `#movingEnd`. */
  #moving: Recent = new Map();
  #movingEnd: number;
  #recent: Recent = new Map();
  #recentCount = 0;
  #move: Promise<void> | undefined;

  private constructor(path: string, database: DatabaseSync, cursor: number) {
    this.#path = path;
    this.#database = database;
    this.#insert = database.prepare("INSERT INTO claim (key, claim, digest) VALUES (?, ?, ?)");
    this.#select = database.prepare(
      "SELECT claim, digest FROM claim WHERE key = ? AND claim < ? ORDER BY claim",
    );
    this.#selectOne = database.prepare("SELECT 1 FROM claim WHERE key = ? AND claim < ? LIMIT 1");
    this.#setCursor = database.prepare("UPDATE state SET cursor = ?");
    this.#cursor = cursor;
    this.#movingEnd = cursor;
  }

  /**
   * Opens the index at `path`, or starts an empty one when there is none, or when it is another log's or damaged. The
   * claims from `cursor` on are to be added then.
   *
   * Throws `STATE_LOCKED` when another process has it open, `STORAGE_FAILED` when it cannot be created.
   */
  static open(path: string, logId: Uint8Array): ClaimIndex {
    for (let attempt = 1; ; attempt++) {
      let database: DatabaseSync | undefined;
      try {
        database = new DatabaseSync(path, { timeout: 0 });
        return new ClaimIndex(path, database, prepareDatabase(database, Buffer.from(logId).toString("hex")));
      } catch (cause) {
        if (database?.isOpen) database.close();
        if (isDatabaseBusy(cause)) {
          throw new TrustixError("STATE_LOCKED", `another process is writing this log: it holds ${path}`, {
            hint: "Stop that process, or give this one its own state directory.",
            cause,
          });
        }
        if (attempt > 1) {
          throw new TrustixError("STORAGE_FAILED", `cannot create the index ${path}`, {
            hint: "Check that the directory exists, that this user may write to it, and that the disk has room.",
            cause,
          });
        }
      }
      for (const suffix of ["", "-wal", "-shm"]) rmSync(path + suffix, { force: true });
    }
  }

  /** Claims below this index are in the database. */
  get cursor(): number {
    return this.#cursor;
  }

  /** How many claims are known; the next to be added has this index. */
  get size(): number {
    return this.#movingEnd + this.#recentCount;
  }

  /**
   * The index of the claim with this key and statement, the first if there are several.
   *
   * Throws `STATE_CORRUPT`.
   */
  find(id: ClaimId): number | undefined {
    const stored = this.#read(() => {
      for (const row of this.#select.iterate(id.key, this.#cursor)) {
        if (Buffer.from(row.digest as Uint8Array).toString("latin1") === id.digest)
          return row.claim as number;
      }
      return undefined;
    });
    if (stored !== undefined) return stored;
    let found: number | undefined;
    for (const recent of [this.#recent, this.#moving]) {
      for (const claim of withKey(recent, id.key)) if (claim.digest === id.digest) found = claim.index;
    }
    return found;
  }

  /** Whether there are {@link candidates}. Throws `STATE_CORRUPT`. */
  has(key: Uint8Array): boolean {
    const short = shortKey(key);
    if (this.#recent.has(short) || this.#moving.has(short)) return true;
    return this.#read(() => this.#selectOne.get(short, this.#cursor)) !== undefined;
  }

  /**
   * Indices of the claims that may be about this key, ascending: all that are, and rarely one that is not.
   *
   * Throws `STATE_CORRUPT`.
   */
  candidates(key: Uint8Array): number[] {
    const short = shortKey(key);
    const rows = this.#read(() => this.#select.all(short, this.#cursor));
    const indices = rows.map((row) => row.claim as number);
    for (const recent of [this.#moving, this.#recent]) {
      indices.push(...[...withKey(recent, short)].reverse().map((claim) => claim.index));
    }
    return indices;
  }

  /** Adds the next claim of the log. */
  add(id: ClaimId): void {
    this.#recent.set(id.key, { ...id, index: this.size, next: this.#recent.get(id.key) });
    this.#recentCount++;
  }

  /** Forgets all claims. */
  clear(): void {
    this.#database.exec("BEGIN; DELETE FROM claim; UPDATE state SET cursor = 0; COMMIT");
    this.#cursor = 0;
    this.#movingEnd = 0;
    this.#recent.clear();
    this.#recentCount = 0;
  }

  /** How many claims are in memory only. */
  get backlog(): number {
    return this.size - this.#cursor;
  }

  /**
   * Moves claims into the database once there are enough of them, all below `published`: only what a published checkpoint
   * covers may outlive a crash. Works in slices of a few milliseconds. After it throws nothing is lost, and the next call
   * tries again.
   */
  settle(published: number): Promise<void> {
    if (this.#movingEnd === this.#cursor && this.#recentCount >= BATCH) this.#startMoving();
    if (this.#movingEnd === this.#cursor || this.#movingEnd > published)
      return this.#move ?? Promise.resolve();
    this.#move ??= this.#moveIntoDatabase().finally(() => {
      this.#move = undefined;
    });
    return this.#move;
  }

  /** Moves all claims into the database, so that the next start need not read them again. All must be published. */
  async flush(): Promise<void> {
    while (this.backlog > 0) {
      if (this.#movingEnd === this.#cursor) this.#startMoving();
      await this.settle(this.size);
    }
  }

  [Symbol.dispose](): void {
    if (this.#database.isOpen) this.#database.close();
  }

  #read<T>(query: () => T): T {
    try {
      return query();
    } catch (cause) {
      throw new TrustixError("STATE_CORRUPT", `the index ${this.#path} cannot be read`, {
        hint: "Stop the daemon, delete the file, and start again: the index is made anew from the log. Check the disk.",
        cause,
      });
    }
  }

  #startMoving(): void {
    this.#movingEnd = this.size;
    this.#moving = this.#recent;
    this.#recent = new Map();
    this.#recentCount = 0;
  }

  async #moveIntoDatabase(): Promise<void> {
    const rows: RecentClaim[] = [];
    for (const key of [...this.#moving.keys()].sort((a, b) => a - b))
      rows.push(...withKey(this.#moving, key));
    this.#database.exec("BEGIN");
    try {
      for (let start = 0; start < rows.length; start += SLICE) {
        for (const row of rows.slice(start, start + SLICE)) {
          this.#insert.run(row.key, row.index, Buffer.from(row.digest, "latin1"));
        }
        await setImmediate();
      }
      this.#setCursor.run(this.#movingEnd);
      this.#database.exec("COMMIT");
    } catch (error) {
      if (this.#database.isOpen && this.#database.isTransaction) this.#database.exec("ROLLBACK");
      throw error;
    }
    this.#moving = new Map();
    this.#cursor = this.#movingEnd;
  }
}

/** Brings a new or existing database into shape and returns its cursor. Throws when it cannot be used. */
function prepareDatabase(database: DatabaseSync, log: string): number {
  database.exec(`
    PRAGMA locking_mode = EXCLUSIVE;
    PRAGMA journal_mode = WAL;
    PRAGMA synchronous = NORMAL;
    PRAGMA cache_size = -8000;
    PRAGMA wal_autocheckpoint = 2000;
    PRAGMA journal_size_limit = 4194304;
    BEGIN IMMEDIATE;
    CREATE TABLE IF NOT EXISTS state (version INTEGER NOT NULL, log TEXT NOT NULL, cursor INTEGER NOT NULL) STRICT;
    CREATE TABLE IF NOT EXISTS claim (
      key INTEGER NOT NULL, claim INTEGER NOT NULL, digest BLOB NOT NULL,
      PRIMARY KEY (key, claim)
    ) STRICT, WITHOUT ROWID;
  `);
  const state = database.prepare("SELECT version, log, cursor FROM state").get();
  if (!state) {
    database.prepare("INSERT INTO state (version, log, cursor) VALUES (?, ?, 0)").run(VERSION, log);
  } else if (state.version !== VERSION || state.log !== log) {
    throw new Error("the index has another version or is of another log");
  }
  database.exec("COMMIT");
  return (state?.cursor as number | undefined) ?? 0;
}
