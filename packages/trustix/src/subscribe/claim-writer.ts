// The writing side of the claim store, which runs in a thread of its own: what waits for the disk, or sorts and inserts
// tens of thousands of rows, must not hold up the thread that answers.
//
// Logs are hostile. A statement that a log repeats is stored once; of different statements for one key, a few are kept,
// as two already say that the log contradicts itself. So the rows for a key are bounded. Builders that agree share the
// text of the statement.

import type { DatabaseSync, StatementSync } from "node:sqlite";
import { TrustixError } from "../errors.ts";
import { openClaimDatabase } from "./claim-database.ts";

/** Bytes of a map key that are stored. Whoever reads must check what a statement is about: keys may be made to share them. */
export const KEY_BYTES = 8;
/** Different statements kept for one key of one log. */
const MAX_STATEMENTS = 8;
/** Systems told apart; claims of any further one are of unknown system, */
const MAX_SYSTEMS = 255;
/** but for those that are in use: whatever names a log makes up, they have their place. */
const USUAL_SYSTEMS: readonly string[] = [
  "x86_64-linux",
  "aarch64-linux",
  "x86_64-darwin",
  "aarch64-darwin",
  "i686-linux",
  "armv6l-linux",
  "armv7l-linux",
  "riscv64-linux",
  "powerpc64le-linux",
  "loongarch64-linux",
  "x86_64-freebsd",
  "builtin",
];
/** Accepted checkpoints kept of each log. */
const MAX_CHECKPOINTS = 1000;
/** Keys in one row of the change feed. */
const FEED_KEYS = 1 << 16;
/** Root of the empty tree: the SHA-256 of nothing. */
const EMPTY_ROOT = "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=";

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
  /** One line, without LF. */
  readonly statement: string;
  /** Such as `x86_64-linux`; undefined when unknown. */
  readonly system?: string | undefined;
}

/** Claims as they go from thread to thread: a few large values instead of many small ones. */
export interface PackedClaims {
  /** `KEY_BYTES` of each. */
  readonly keys: Uint8Array;
  readonly indices: Float64Array;
  /** Joined by LF. */
  readonly statements: string;
  /** For each claim 0, or the place of its system in `systemNames`, from 1 on. */
  readonly systems: Uint8Array;
  readonly systemNames: readonly string[];
}

/** Consecutive entries of a log, read. */
export interface ClaimBatch {
  /** Index of the first entry: where reading stood. */
  readonly startIndex: number;
  /** Index of the entry behind the last. */
  readonly nextIndex: number;
  /** How many of the entries are no claims. */
  readonly unreadable: number;
  readonly seenAtMs: number;
  /** The claims, in parts that end where entry bundles do, or anywhere. */
  readonly parts: readonly PackedClaims[];
}

/** Packs at least one claim. */
export function packClaims(claims: readonly NewClaim[]): PackedClaims {
  const keys = new Uint8Array(KEY_BYTES * claims.length);
  for (const [i, { key }] of claims.entries()) keys.set(key.subarray(0, KEY_BYTES), KEY_BYTES * i);
  const names: string[] = [];
  const systems = Uint8Array.from(claims, ({ system }) => {
    if (system === undefined) return 0;
    const known = names.indexOf(system) + 1;
    if (known > 0) return known;
    return names.length < MAX_SYSTEMS ? names.push(system) : 0;
  });
  return {
    keys,
    indices: Float64Array.from(claims, ({ index }) => index),
    statements: claims.map(({ statement }) => statement).join("\n"),
    systems,
    systemNames: names,
  };
}

type Changes = Partial<Omit<LogState, "id">>;

/** Writes to the database. Each method is one transaction, and changes nothing if it throws. */
export class ClaimWriter implements Disposable {
  readonly #database: DatabaseSync;
  readonly #selectLog: StatementSync;
  readonly #selectShared: StatementSync;
  readonly #insertStatement: StatementSync;
  readonly #insertClaim: StatementSync;
  readonly #insertChange: StatementSync;
  /** Numbers of systems; read again when it is empty. */
  readonly #systems = new Map<string, number>();

  private constructor(database: DatabaseSync) {
    this.#database = database;
    this.#selectLog = database.prepare("SELECT * FROM log WHERE id = ?");
    // Long texts are read only where they may be the same: a log may have many claims on a key of long statements.
    this.#selectShared = database.prepare(
      `SELECT c.log, c.statement, CASE WHEN octet_length(s.text) = ?2 THEN s.text = ?3 ELSE 0 END
       FROM claim c JOIN statement s ON s.id = c.statement WHERE c.key = ?1`,
    );
    this.#selectShared.setReturnArrays(true);
    this.#insertStatement = database.prepare("INSERT INTO statement (text) VALUES (?)");
    this.#insertClaim = database.prepare(
      "INSERT INTO claim (key, log, claim, statement, seen, system) VALUES (?, ?, ?, ?, ?, ?)",
    );
    this.#insertChange = database.prepare("INSERT INTO feed (log, count, seen, keys) VALUES (?, ?, ?, ?)");
  }

  /** See `ClaimStore.open`. */
  static open(path: string): ClaimWriter {
    return new ClaimWriter(openClaimDatabase(path));
  }

  /** The state of a log, which begins empty. */
  log({ origin, key, protocol }: LogIdentity): LogState {
    const select = this.#database.prepare("SELECT * FROM log WHERE origin = ? AND key = ? AND protocol = ?");
    const insert = this.#database.prepare(
      `INSERT INTO log (origin, key, protocol, size, root, note, seen, next_index, claims, unreadable, surplus,
       statement_bytes) VALUES (?, ?, ?, 0, ?, '', 0, 0, 0, 0, 0, 0)`,
    );
    return this.#transaction(() => {
      const row = select.get(origin, key, protocol);
      if (row !== undefined) return stateOf(row);
      const { lastInsertRowid } = insert.run(origin, key, protocol, EMPTY_ROOT);
      return this.#state(Number(lastInsertRowid));
    });
  }

  /** Changes what is noted of a log. */
  update(log: number, changes: Pick<Changes, "head" | "rolledBackSinceMs" | "fault">): LogState {
    return this.#transaction(() => {
      if (changes.head !== undefined) this.#keepCheckpoint(log, changes.head);
      return this.#save(log, changes);
    });
  }

  /** Stores a batch with the place behind it. Throws `INVALID_ARGUMENT` when reading stands elsewhere. */
  append(log: number, batch: ClaimBatch): LogState {
    const sorted = unpackSorted(batch.parts);
    const seen = Math.floor(batch.seenAtMs / 1000);
    return this.#transaction(() => {
      const before = this.#state(log);
      if (before.nextIndex !== batch.startIndex) {
        throw new TrustixError(
          "INVALID_ARGUMENT",
          `log ${log} is read up to ${before.nextIndex}, not ${batch.startIndex}`,
        );
      }
      let { claims, surplus, statementBytes } = before;
      const keys = new Uint8Array(KEY_BYTES * sorted.length);
      for (const claim of sorted) {
        const stored = this.#insert(log, claim, seen);
        if (stored === "new") {
          keys.set(claim.key, KEY_BYTES * (claims - before.claims));
          claims++;
          statementBytes += claim.statement.length;
        } else if (stored === "surplus") surplus++;
      }
      const added = claims - before.claims;
      if (added > 0) this.#insertChange.run(log, added, seen, keys.subarray(0, KEY_BYTES * added));
      const unreadable = before.unreadable + batch.unreadable;
      return this.#save(log, { claims, surplus, statementBytes, unreadable, nextIndex: batch.nextIndex });
    });
  }

  /** Forgets a log's claims, head and faults: it begins empty again. */
  forget(log: number): LogState {
    return this.#transaction(() => {
      this.#feedForgotten(log);
      this.#database.prepare("DELETE FROM checkpoint WHERE log = ?").run(log);
      this.#database.prepare("DELETE FROM claim WHERE log = ?").run(log);
      this.#database.exec("DELETE FROM statement WHERE id NOT IN (SELECT statement FROM claim)");
      return this.#save(log, {
        head: { size: 0, root: new Uint8Array(Buffer.from(EMPTY_ROOT, "base64")), note: "", seenAtMs: 0 },
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

  /** Drops the part of the change feed up to a number: whoever follows has seen it. */
  trimFeed(seq: number): void {
    this.#database.prepare("DELETE FROM feed WHERE seq <= ?").run(seq);
  }

  [Symbol.dispose](): void {
    if (this.#database.isOpen) this.#database.close();
  }

  #insert(
    log: number,
    { key, index, statement: text, system }: NewClaim,
    seen: number,
  ): "new" | "repeated" | "surplus" {
    let own = 0;
    let statement: number | bigint | undefined;
    const rows = this.#selectShared.all(key, Buffer.byteLength(text), text) as unknown as number[][];
    for (const [ofLog, ofStatement, isSame] of rows) {
      if (isSame === 1) statement = ofStatement;
      if (ofLog !== log) continue;
      if (isSame === 1) return "repeated";
      own++;
    }
    if (own >= MAX_STATEMENTS) return "surplus";
    statement ??= this.#insertStatement.run(text).lastInsertRowid;
    this.#insertClaim.run(key, log, index, statement, seen, this.#systemNumber(system));
    return "new";
  }

  #systemNumber(name: string | undefined): number {
    if (name === undefined) return 0;
    if (this.#systems.size === 0) {
      for (const row of this.#database.prepare("SELECT id, name FROM system").all())
        this.#systems.set(row.name as string, row.id as number);
    }
    const known = this.#systems.get(name);
    if (known !== undefined) return known;
    if (this.#systems.size >= MAX_SYSTEMS && !USUAL_SYSTEMS.includes(name)) return 0;
    const { lastInsertRowid } = this.#database.prepare("INSERT INTO system (name) VALUES (?)").run(name);
    this.#systems.set(name, Number(lastInsertRowid));
    return Number(lastInsertRowid);
  }

  #keepCheckpoint(log: number, { size, root, note, seenAtMs }: StoredHead): void {
    this.#database
      .prepare("INSERT OR REPLACE INTO checkpoint (log, size, root, note, seen) VALUES (?, ?, ?, ?, ?)")
      .run(log, size, Buffer.from(root).toString("base64"), note, seenAtMs);
    this.#database
      .prepare(
        `DELETE FROM checkpoint WHERE log = ?1 AND size <=
         (SELECT size FROM checkpoint WHERE log = ?1 ORDER BY size DESC LIMIT 1 OFFSET ?2)`,
      )
      .run(log, MAX_CHECKPOINTS);
  }

  /** What a log claimed, for whoever follows: its first row says how many claims are gone. */
  #feedForgotten(log: number): void {
    let count = -this.#state(log).claims;
    if (count === 0) return;
    const select = this.#database.prepare(
      "SELECT DISTINCT key FROM claim WHERE log = ? AND key > ? ORDER BY key LIMIT ?",
    );
    for (let after = new Uint8Array(0); ; count = 0) {
      const keys = select.all(log, after, FEED_KEYS).map((row) => row.key as Uint8Array<ArrayBuffer>);
      const last = keys.at(-1);
      if (last === undefined) return;
      this.#insertChange.run(log, count, 0, Buffer.concat(keys));
      after = last;
    }
  }

  #state(log: number): LogState {
    return stateOf(this.#selectLog.get(log)!);
  }

  #save(log: number, changes: Changes): LogState {
    const state: LogState = { ...this.#state(log), ...changes };
    const { head } = state;
    this.#database
      .prepare(
        `UPDATE log SET size = ?, root = ?, note = ?, seen = ?, next_index = ?, claims = ?, unreadable = ?, surplus = ?,
         statement_bytes = ?, rolled_back = ?, fault = ? WHERE id = ?`,
      )
      .run(
        head.size,
        Buffer.from(head.root).toString("base64"),
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

  #transaction<T>(work: () => T): T {
    this.#database.exec("BEGIN IMMEDIATE");
    try {
      const result = work();
      this.#database.exec("COMMIT");
      return result;
    } catch (error) {
      if (this.#database.isTransaction) this.#database.exec("ROLLBACK");
      this.#systems.clear();
      throw error;
    }
  }
}

/** In order of the key, pages of the index are touched once each instead of once for every claim. */
function unpackSorted(parts: readonly PackedClaims[]): NewClaim[] {
  const ranked = parts.flatMap(({ keys, indices, statements, systems, systemNames }) => {
    const view = new DataView(keys.buffer, keys.byteOffset, keys.length);
    return statements.split("\n").map((statement, i) => ({
      key: keys.subarray(KEY_BYTES * i, KEY_BYTES * (i + 1)),
      index: indices[i]!,
      statement,
      system: systemNames[systems[i]! - 1],
      rank: view.getUint32(KEY_BYTES * i),
    }));
  });
  return ranked.sort((a, b) => a.rank - b.rank || a.index - b.index);
}

function stateOf(row: Record<string, unknown>): LogState {
  return {
    id: row.id as number,
    head: {
      size: row.size as number,
      root: new Uint8Array(Buffer.from(row.root as string, "base64")),
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
