// What the subscribed logs say: one SQLite database for the node, in which every claim stands that was proven to be in
// a log, and how far each log has been read.
//
// The logs are the truth, and this can always be made from them again. Claims and the place behind them are written in
// one transaction, so that after a crash reading goes on exactly where it was.
//
// Logs are hostile. A statement that a log repeats is stored once; of different statements for one key, a few are kept,
// as two already say that the log contradicts itself. So the rows for a key are bounded. Builders that agree share the
// text of the statement.

import { DatabaseSync, type StatementSync } from "node:sqlite";
import { setImmediate } from "node:timers/promises";
import { decodeBase64Exact, emptyRoot, encodeBase64 } from "@trustix/tlog";
import { TrustixError } from "../errors.ts";
import { isDatabaseBusy } from "../store/state-lock.ts";

/** Bytes of a map key that are stored. Whoever reads must check what a statement is about: keys may be made to share them. */
const KEY_BYTES = 8;
/** Different statements kept for one key of one log. */
const MAX_STATEMENTS = 8;
/** Rows written between two turns of the event loop: about two milliseconds. */
const SLICE = 256;
/** Changes with the meaning of the rows. */
const VERSION = 1;

/** What a log is known by. Another key is another log. */
export interface LogIdentity {
  readonly origin: string;
  /** The vkey that checkpoints are signed by. */
  readonly key: string;
  /** Name of the claim protocol. */
  readonly protocol: string;
}

/** The newest checkpoint that was accepted. */
export interface StoredHead {
  readonly size: number;
  readonly root: Uint8Array;
  /** The signed note; empty for the empty tree that every log begins with. */
  readonly note: string;
  /** When it was first seen. */
  readonly seenAtMs: number;
}

/** Why a log does not count any more. */
export interface LogFault {
  readonly kind: "forked" | "rolled-back";
  readonly reason: string;
  /** The file of evidence. */
  readonly evidence: string;
  readonly atMs: number;
}

/** Where reading a log stands. */
export interface LogState {
  /** The log's number in this database. */
  readonly id: number;
  readonly head: StoredHead;
  /** Index of the first entry that has not been read. */
  readonly nextIndex: number;
  /** Claims stored. */
  readonly claims: number;
  /** Entries read that are no claims of the log's protocol. */
  readonly unreadable: number;
  /** Claims that were not stored, because there are too many statements for one key. */
  readonly surplus: number;
  /** Bytes of the statements stored, shared ones too. */
  readonly statementBytes: number;
  /** Since when the log has shown a smaller tree than the head. */
  readonly rolledBackSinceMs: number | undefined;
  readonly fault: LogFault | undefined;
}

/** A claim to be stored. */
export interface NewClaim {
  /** Map key, 32 bytes. */
  readonly key: Uint8Array;
  readonly index: number;
  readonly statement: string;
}

/** Consecutive entries of a log, read. */
export interface ClaimBatch {
  readonly claims: readonly NewClaim[];
  /** How many of the entries are no claims. */
  readonly unreadable: number;
  /** Index of the entry behind the last. */
  readonly nextIndex: number;
  readonly seenAtMs: number;
}

/** A claim found. */
export interface StoredClaim {
  /** Number of the log. */
  readonly log: number;
  readonly index: number;
  readonly statement: string;
  readonly seenAtMs: number;
}

type Changes = Partial<Omit<LogState, "id">>;

const SCHEMA = `
  CREATE TABLE log (
    id INTEGER PRIMARY KEY,
    origin TEXT NOT NULL, key TEXT NOT NULL, protocol TEXT NOT NULL,
    size INTEGER NOT NULL, root TEXT NOT NULL, note TEXT NOT NULL, seen INTEGER NOT NULL,
    next_index INTEGER NOT NULL, claims INTEGER NOT NULL, unreadable INTEGER NOT NULL, surplus INTEGER NOT NULL,
    statement_bytes INTEGER NOT NULL, rolled_back INTEGER, fault TEXT,
    UNIQUE (origin, key, protocol)
  ) STRICT;
  CREATE TABLE statement (id INTEGER PRIMARY KEY, text TEXT NOT NULL) STRICT;
  CREATE TABLE claim (
    key BLOB NOT NULL, log INTEGER NOT NULL, claim INTEGER NOT NULL, statement INTEGER NOT NULL, seen INTEGER NOT NULL,
    PRIMARY KEY (key, log, claim)
  ) STRICT, WITHOUT ROWID;
`;

/** The claims of all subscribed logs. */
export class ClaimStore implements Disposable {
  readonly #writer: DatabaseSync;
  /** Apart from the writer, so that nothing is answered from a transaction that is still open. */
  readonly #reader: DatabaseSync;
  readonly #select: StatementSync;
  readonly #selectShared: StatementSync;
  readonly #insertStatement: StatementSync;
  readonly #insertClaim: StatementSync;
  readonly #states = new Map<number, LogState>();
  /** The end of the queue of transactions. */
  #lastWrite: Promise<void> = Promise.resolve();

  private constructor(writer: DatabaseSync, reader: DatabaseSync) {
    this.#writer = writer;
    this.#reader = reader;
    this.#select = reader.prepare(
      `SELECT c.log, c.claim, c.seen, s.text FROM claim c JOIN statement s ON s.id = c.statement
       WHERE c.key = ? ORDER BY c.log, c.claim`,
    );
    this.#selectShared = writer.prepare(
      "SELECT c.log, c.statement, s.text FROM claim c JOIN statement s ON s.id = c.statement WHERE c.key = ?",
    );
    this.#insertStatement = writer.prepare("INSERT INTO statement (text) VALUES (?)");
    this.#insertClaim = writer.prepare(
      "INSERT INTO claim (key, log, claim, statement, seen) VALUES (?, ?, ?, ?, ?)",
    );
  }

  /**
   * Opens the database at `path`, or starts an empty one when there is none.
   *
   * Throws `STATE_LOCKED` when another process writes to it, `STATE_CORRUPT` when it is damaged or of another version,
   * `STORAGE_FAILED` when it cannot be created.
   */
  static open(path: string): ClaimStore {
    let writer: DatabaseSync | undefined;
    try {
      writer = openWriter(path);
      const reader = new DatabaseSync(path, { readOnly: true, timeout: 1000 });
      reader.exec("PRAGMA cache_size = -32000; PRAGMA mmap_size = 1073741824");
      return new ClaimStore(writer, reader);
    } catch (cause) {
      if (writer?.isOpen) writer.close();
      throw openError(path, cause);
    }
  }

  /** The state of a log, which begins empty. */
  async log(identity: LogIdentity): Promise<LogState> {
    const { origin, key, protocol } = identity;
    const select = this.#writer.prepare("SELECT * FROM log WHERE origin = ? AND key = ? AND protocol = ?");
    let row = select.get(origin, key, protocol);
    if (row === undefined) {
      await this.#write(() => {
        this.#writer
          .prepare(
            `INSERT INTO log (origin, key, protocol, size, root, note, seen, next_index, claims, unreadable, surplus,
             statement_bytes) VALUES (?, ?, ?, 0, ?, '', 0, 0, 0, 0, 0, 0)`,
          )
          .run(origin, key, protocol, encodeBase64(emptyRoot()));
      });
      row = select.get(origin, key, protocol)!;
    }
    const state = stateOf(row);
    this.#states.set(state.id, state);
    return state;
  }

  /**
   * All claims for a map key (32 bytes), by log and index; a few for each log. Claims about another key may be among them:
   * check what the statements are about.
   */
  claims(key: Uint8Array): StoredClaim[] {
    return this.#select.all(key.subarray(0, KEY_BYTES)).map((row) => ({
      log: row.log as number,
      index: row.claim as number,
      statement: row.text as string,
      seenAtMs: (row.seen as number) * 1000,
    }));
  }

  /** Makes `head` the one that every later checkpoint must extend. It is the end of any rollback. */
  saveHead(log: number, head: StoredHead): Promise<LogState> {
    return this.#update(log, { head, rolledBackSinceMs: undefined });
  }

  /** Notes since when the log shows a smaller tree, or that it does not any more. */
  saveRollback(log: number, sinceMs: number | undefined): Promise<LogState> {
    return this.#update(log, { rolledBackSinceMs: sinceMs });
  }

  /** Notes that a log does not count, or, with `undefined`, that it counts again. */
  saveFault(log: number, fault: LogFault | undefined): Promise<LogState> {
    return this.#update(log, { fault, rolledBackSinceMs: undefined });
  }

  /**
   * Stores a batch, with the place behind it, in one transaction. Works in slices of a few milliseconds; transactions
   * wait for each other. After it throws nothing has changed.
   */
  async append(log: number, batch: ClaimBatch): Promise<LogState> {
    return this.#transaction(async () => {
      const before = this.#state(log);
      let { claims, surplus, statementBytes } = before;
      // In order of the key, pages of the index are touched once each instead of once for every claim.
      const sorted = batch.claims
        .map((claim) => ({ ...claim, rank: rankOf(claim.key) }))
        .sort((a, b) => a.rank - b.rank || a.index - b.index);
      for (let start = 0; start < sorted.length; start += SLICE) {
        for (const claim of sorted.slice(start, start + SLICE)) {
          const stored = this.#insert(log, claim, batch.seenAtMs);
          if (stored === "new") {
            claims++;
            statementBytes += claim.statement.length;
          } else if (stored === "surplus") surplus++;
        }
        await setImmediate();
      }
      return this.#save(log, {
        claims,
        surplus,
        statementBytes,
        unreadable: before.unreadable + batch.unreadable,
        nextIndex: batch.nextIndex,
      });
    });
  }

  /** Forgets a log's claims, head and faults: it begins empty again. */
  async forget(log: number): Promise<LogState> {
    return this.#transaction(async () => {
      this.#writer.prepare("DELETE FROM claim WHERE log = ?").run(log);
      this.#writer.exec("DELETE FROM statement WHERE id NOT IN (SELECT statement FROM claim)");
      return this.#save(log, {
        head: { size: 0, root: emptyRoot(), note: "", seenAtMs: 0 },
        nextIndex: 0,
        claims: 0,
        unreadable: 0,
        surplus: 0,
        statementBytes: 0,
        rolledBackSinceMs: undefined,
        fault: undefined,
      });
    });
  }

  /** Waits for what is being written, and closes the database. */
  async close(): Promise<void> {
    await this.#lastWrite;
    this[Symbol.dispose]();
  }

  [Symbol.dispose](): void {
    if (this.#reader.isOpen) this.#reader.close();
    if (this.#writer.isOpen) this.#writer.close();
  }

  #insert(log: number, claim: NewClaim, seenAtMs: number): "new" | "repeated" | "surplus" {
    const key = claim.key.subarray(0, KEY_BYTES);
    let own = 0;
    let statement: number | bigint | undefined;
    for (const row of this.#selectShared.iterate(key)) {
      const isSame = row.text === claim.statement;
      if (isSame) statement = row.statement as number;
      if (row.log !== log) continue;
      if (isSame) return "repeated";
      own++;
    }
    if (own >= MAX_STATEMENTS) return "surplus";
    statement ??= this.#insertStatement.run(claim.statement).lastInsertRowid;
    this.#insertClaim.run(key, log, claim.index, statement, Math.floor(seenAtMs / 1000));
    return "new";
  }

  #state(log: number): LogState {
    const state = this.#states.get(log);
    if (state === undefined) throw new TrustixError("INTERNAL", `log ${log} is not open`);
    return state;
  }

  #update(log: number, changes: Changes): Promise<LogState> {
    return this.#transaction(async () => this.#save(log, changes));
  }

  /** Writes a log's row; what is in memory follows when the transaction is done. */
  #save(log: number, changes: Changes): LogState {
    const state: LogState = { ...this.#state(log), ...changes };
    const { head } = state;
    this.#writer
      .prepare(
        `UPDATE log SET size = ?, root = ?, note = ?, seen = ?, next_index = ?, claims = ?, unreadable = ?, surplus = ?,
         statement_bytes = ?, rolled_back = ?, fault = ? WHERE id = ?`,
      )
      .run(
        head.size,
        encodeBase64(head.root),
        head.note,
        head.seenAtMs,
        state.nextIndex,
        state.claims,
        state.unreadable,
        state.surplus,
        state.statementBytes,
        state.rolledBackSinceMs ?? null,
        state.fault === undefined ? null : JSON.stringify(state.fault),
        log,
      );
    return state;
  }

  async #transaction(work: () => Promise<LogState>): Promise<LogState> {
    let state: LogState | undefined;
    await this.#write(async () => {
      state = await work();
    });
    this.#states.set(state!.id, state!);
    return state!;
  }

  /** One transaction at a time. */
  #write(work: () => void | Promise<void>): Promise<void> {
    const run = this.#lastWrite.then(async () => {
      if (!this.#writer.isOpen) throw new TrustixError("CLOSED", "the claim store is closed");
      this.#writer.exec("BEGIN");
      try {
        await work();
        this.#writer.exec("COMMIT");
      } catch (error) {
        if (this.#writer.isOpen && this.#writer.isTransaction) this.#writer.exec("ROLLBACK");
        throw error;
      }
    });
    this.#lastWrite = run.catch(() => {});
    return run;
  }
}

/** Nearly the order of keys, as a number. */
function rankOf(key: Uint8Array): number {
  return Buffer.from(key.buffer, key.byteOffset, 6).readUIntBE(0, 6);
}

function stateOf(row: Record<string, unknown>): LogState {
  return {
    id: row.id as number,
    head: {
      size: row.size as number,
      root: decodeBase64Exact(row.root as string, 32),
      note: row.note as string,
      seenAtMs: row.seen as number,
    },
    nextIndex: row.next_index as number,
    claims: row.claims as number,
    unreadable: row.unreadable as number,
    surplus: row.surplus as number,
    statementBytes: row.statement_bytes as number,
    rolledBackSinceMs: (row.rolled_back as number | null) ?? undefined,
    fault: row.fault === null ? undefined : (JSON.parse(row.fault as string) as LogFault),
  };
}

function openWriter(path: string): DatabaseSync {
  const database = new DatabaseSync(path, { timeout: 0 });
  try {
    database.exec(`
      PRAGMA journal_mode = WAL;
      PRAGMA synchronous = NORMAL;
      PRAGMA cache_size = -64000;
      PRAGMA wal_autocheckpoint = 16000;
      PRAGMA journal_size_limit = 67108864;
      BEGIN IMMEDIATE;
    `);
    const version = database.prepare("PRAGMA user_version").get()!.user_version;
    if (version !== 0 && version !== VERSION) {
      throw new TrustixError("STATE_CORRUPT", `${path} is of version ${version}, not ${VERSION}`, {
        hint: "Use the version of Trustix that wrote it, or remove it to read all logs again from their beginning.",
      });
    }
    if (version === 0) database.exec(`${SCHEMA} PRAGMA user_version = ${VERSION};`);
    database.exec("COMMIT");
    return database;
  } catch (error) {
    if (database.isOpen) database.close();
    throw error;
  }
}

function openError(path: string, cause: unknown): TrustixError {
  if (cause instanceof TrustixError) return cause;
  if (isDatabaseBusy(cause)) {
    return new TrustixError("STATE_LOCKED", `another process is writing to ${path}`, {
      hint: "Stop that process, or give this one its own state directory.",
      cause,
    });
  }
  // SQLITE_CORRUPT and SQLITE_NOTADB. What was seen of the logs is in there, so it is never thrown away silently.
  const isDamaged =
    cause instanceof Error && "errcode" in cause && (cause.errcode === 11 || cause.errcode === 26);
  if (isDamaged) {
    return new TrustixError("STATE_CORRUPT", `${path} is damaged`, {
      hint: "Check the disk. Remove the file to read all logs again from their beginning; rollbacks and forks since then go unnoticed.",
      cause,
    });
  }
  return new TrustixError("STORAGE_FAILED", `cannot open ${path}`, {
    hint: "Check that the directory exists, that this user may write to it, and that the disk has room.",
    cause,
  });
}
