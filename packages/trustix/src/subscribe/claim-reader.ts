// Reads the claim store: from any thread, beside its only writer, and never from a transaction that is still open.

import { DatabaseSync, type SQLOutputValue, type StatementSync } from "node:sqlite";
import { KEY_BYTES } from "./claim-writer.ts";

/** A claim found. */
export interface StoredClaim {
  /** Number of the log. */
  readonly log: number;
  readonly index: number;
  readonly statement: string;
  readonly seenAtMs: number;
  /** Such as `x86_64-linux`; undefined when unknown. */
  readonly system: string | undefined;
}

/** What counting needs of a claim. Only protocols `nix` and `signed` have such. */
export interface ClaimFacts {
  readonly log: number;
  readonly index: number;
  /** Seconds since 1970. */
  readonly seen: number;
  /** The same number for the same text, among the claims of a key. */
  readonly statement: number;
  /** Number of the system; 0 is unknown. */
  readonly system: number;
  /** The store path that it is about. */
  readonly path: string;
}

/** A part of the change feed. */
export interface FeedRow {
  /** Place in the feed, ascending. */
  readonly seq: number;
  readonly log: number;
  /** Claims that were added; negative when so many were forgotten, and the log began anew. */
  readonly count: number;
  /** Seconds since 1970. */
  readonly seen: number;
  /** `KEY_BYTES` of each claim's key, one after another. */
  readonly keys: Uint8Array;
}

/** A checkpoint that was accepted. */
export interface StoredCheckpoint {
  readonly size: number;
  /** Base64. */
  readonly root: string;
  readonly note: string;
  readonly seenAtMs: number;
}

/** See the head of this file. */
export class ClaimReader implements Disposable {
  readonly #database: DatabaseSync;
  readonly #select: StatementSync;
  readonly #selectFacts: StatementSync;
  readonly #selectPage: StatementSync;
  readonly #selectFeed: StatementSync;
  #systems: ReadonlyMap<number, string> = new Map();

  /** Opens a store that a `ClaimStore` has at `path`. Throws as `DatabaseSync` does. */
  constructor(path: string) {
    const database = new DatabaseSync(path, { readOnly: true, timeout: 1000 });
    this.#database = database;
    database.exec("PRAGMA cache_size = -32000");
    this.#select = database.prepare(
      `SELECT c.log, c.claim, c.seen, c.system, s.text FROM claim c JOIN statement s ON s.id = c.statement
       WHERE c.key = ? ORDER BY c.log, c.claim`,
    );
    // Of a statement `1;<path>;…` only the path: references are long.
    const facts = `c.log, c.claim, c.seen, c.statement, c.system,
      substr(s.text, 3, instr(substr(s.text, 3, 300), ';') - 1)`;
    this.#selectFacts = database.prepare(
      `SELECT ${facts} FROM claim c JOIN statement s ON s.id = c.statement WHERE c.key = ? ORDER BY c.log, c.claim`,
    );
    this.#selectFacts.setReturnArrays(true);
    this.#selectPage = database.prepare("SELECT DISTINCT key FROM claim WHERE key > ? ORDER BY key LIMIT ?");
    this.#selectPage.setReturnArrays(true);
    this.#selectFeed = database.prepare("SELECT * FROM feed WHERE seq > ? ORDER BY seq LIMIT 1");
  }

  /** No other store has it. */
  get id(): string {
    return this.#database.prepare("SELECT id FROM identity").get()!.id as string;
  }

  /** See `ClaimStore.claims`. */
  claims(key: Uint8Array): StoredClaim[] {
    return this.#select.all(key.subarray(0, KEY_BYTES)).map((row) => this.#storedClaim(row));
  }

  /** What counting needs of the claims for a key as it is stored, by log and index. */
  facts(key: Uint8Array): ClaimFacts[] {
    const rows = this.#selectFacts.all(key) as unknown as SQLOutputValue[][];
    return rows.map((row) => ({
      log: row[0] as number,
      index: row[1] as number,
      seen: row[2] as number,
      statement: row[3] as number,
      system: row[4] as number,
      path: row[5] as string,
    }));
  }

  /** Keys of claims, as they are stored, in order; those behind `after`, up to a number. */
  keys(after: Uint8Array, limit: number): Uint8Array[] {
    const rows = this.#selectPage.all(after, limit) as unknown as SQLOutputValue[][];
    return rows.map(([key]) => key as Uint8Array);
  }

  /** See `ClaimStore.pages`. */
  *pages(keys: number): Generator<StoredClaim[]> {
    const select = this.#database.prepare(
      `SELECT c.key, c.log, c.claim, c.seen, c.system, s.text FROM claim c JOIN statement s ON s.id = c.statement
       WHERE c.key IN (SELECT DISTINCT key FROM claim WHERE key > ? ORDER BY key LIMIT ?)
       ORDER BY c.key, c.log, c.claim`,
    );
    for (let after = new Uint8Array(0); ; ) {
      const rows = select.all(after, keys);
      const last = rows.at(-1);
      if (last === undefined) return;
      yield rows.map((row) => this.#storedClaim(row));
      after = last.key as Uint8Array<ArrayBuffer>;
    }
  }

  /** See `ClaimStore.named`. */
  named(storeDir: string, name: string, limit: number): string[] {
    const start = `1;${storeDir}/`;
    const at = start.length + 34;
    return this.#database
      .prepare(
        `SELECT DISTINCT text FROM statement WHERE substr(text, 1, ?) = ? AND substr(text, ?, ?) = ?
         AND (substr(text, ?, 1) = ';' OR substr(text, ?, 2) GLOB '-[0-9]') LIMIT ?`,
      )
      .all(start.length, start, at, name.length, name, at + name.length, at + name.length, limit)
      .map((row) => row.text as string);
  }

  /** Accepted checkpoints of a log, newest first, up to a number. */
  checkpoints(log: number, limit: number): StoredCheckpoint[] {
    return this.#database
      .prepare("SELECT size, root, note, seen FROM checkpoint WHERE log = ? ORDER BY size DESC LIMIT ?")
      .all(log, limit)
      .map(({ size, root, note, seen }) => ({
        size: size as number,
        root: root as string,
        note: note as string,
        seenAtMs: seen as number,
      }));
  }

  /** The first change behind `after`; undefined when there is none. */
  change(after: number): FeedRow | undefined {
    const row = this.#selectFeed.get(after);
    return row && { ...(row as unknown as FeedRow) };
  }

  /** Number of the newest change ever, and of the oldest that is still there; equal numbers plus one mean that there is none. */
  feedSpan(): { readonly oldest: number; readonly newest: number } {
    const newest =
      this.#database.prepare("SELECT seq FROM sqlite_sequence WHERE name = 'feed'").get()?.seq ?? 0;
    const oldest = this.#database.prepare("SELECT min(seq) AS seq FROM feed").get()!.seq;
    return { newest: newest as number, oldest: (oldest ?? (newest as number) + 1) as number };
  }

  /** Claims that were added or forgotten in the changes behind `after`. */
  changedSince(after: number): number {
    const select = "SELECT coalesce(sum(abs(count)), 0) AS count FROM feed WHERE seq > ?";
    return this.#database.prepare(select).get(after)!.count as number;
  }

  /** Claims of each log by the hour since 1970 in which they were first seen. Reads all. */
  growth(): { readonly log: number; readonly hour: number; readonly claims: number }[] {
    const select = "SELECT log, seen / 3600 AS hour, count(*) AS claims FROM claim GROUP BY 1, 2";
    return this.#database.prepare(select).all() as never;
  }

  /** Claims stored of a log. */
  claimsOf(log: number): number {
    return (this.#database.prepare("SELECT claims FROM log WHERE id = ?").get(log)?.claims ?? 0) as number;
  }

  /** Name of a system by its number; undefined for 0. */
  system(id: number): string | undefined {
    if (id === 0) return undefined;
    if (!this.#systems.has(id)) {
      const rows = this.#database.prepare("SELECT id, name FROM system").all();
      this.#systems = new Map(rows.map((row) => [row.id as number, row.name as string]));
    }
    return this.#systems.get(id);
  }

  /** Runs `work` over one state of the store. Keep it short: the store grows as long as it runs. */
  snapshot<T>(work: () => T): T {
    this.#database.exec("BEGIN");
    try {
      return work();
    } finally {
      this.#database.exec("COMMIT");
    }
  }

  [Symbol.dispose](): void {
    if (this.#database.isOpen) this.#database.close();
  }

  #storedClaim(row: Record<string, SQLOutputValue>): StoredClaim {
    return {
      log: row.log as number,
      index: row.claim as number,
      statement: row.text as string,
      seenAtMs: (row.seen as number) * 1000,
      system: this.system(row.system as number),
    };
  }
}
