// The counted tables, kept in step with the rows of paths: what a change adds and takes is collected, and written once.

import type { DatabaseSync, StatementSync } from "node:sqlite";

/** A row of `path` as far as it is counted. Pattern and system by number, times in seconds since 1970. */
export interface CountedRow {
  readonly pattern: number;
  readonly system: number;
  readonly firstSeen: number;
  readonly disputed: number | null;
  readonly healed: number | null;
}

const HOUR = 3600;
const DAY = 24 * HOUR;

/** Changes of counts that have not been written yet. */
export class Counters {
  readonly #upsertCell: StatementSync;
  readonly #upsertGrowth: StatementSync;
  readonly #upsertTurn: StatementSync;
  readonly #database: DatabaseSync;
  readonly #cells = new Map<string, [pattern: number, system: number, day: number, paths: number]>();
  readonly #growth = new Map<string, [log: number, hour: number, claims: number]>();
  readonly #turns = new Map<number, [disputed: number, healed: number]>();

  constructor(database: DatabaseSync) {
    this.#database = database;
    this.#upsertCell = database.prepare(
      `INSERT INTO cell (pattern, system, day, paths) VALUES (?, ?, ?, ?)
       ON CONFLICT DO UPDATE SET paths = paths + excluded.paths`,
    );
    this.#upsertGrowth = database.prepare(
      `INSERT INTO growth (log, hour, claims) VALUES (?, ?, ?)
       ON CONFLICT DO UPDATE SET claims = claims + excluded.claims`,
    );
    this.#upsertTurn = database.prepare(
      `INSERT INTO turn (hour, disputed, healed) VALUES (?, ?, ?)
       ON CONFLICT DO UPDATE SET disputed = disputed + excluded.disputed, healed = healed + excluded.healed`,
    );
  }

  /** Counts a path, or with -1 takes it back. */
  path({ pattern, system, firstSeen, disputed, healed }: CountedRow, sign: 1 | -1): void {
    const day = Math.floor(firstSeen / DAY);
    const key = `${pattern} ${system} ${day}`;
    const cell = this.#cells.get(key);
    if (cell === undefined) this.#cells.set(key, [pattern, system, day, sign]);
    else cell[3] += sign;
    if (disputed !== null) this.#turn(disputed)[0] += sign;
    if (healed !== null) this.#turn(healed)[1] += sign;
  }

  /** Counts claims of a log by the time they were first seen. */
  claims(log: number, seen: number, claims: number): void {
    const hour = Math.floor(seen / HOUR);
    const key = `${log} ${hour}`;
    const growth = this.#growth.get(key);
    if (growth === undefined) this.#growth.set(key, [log, hour, claims]);
    else growth[2] += claims;
  }

  /** Takes back all claims of a log. */
  forget(log: number): void {
    for (const [key, growth] of this.#growth) if (growth[0] === log) this.#growth.delete(key);
    this.#database.prepare("DELETE FROM growth WHERE log = ?").run(log);
  }

  /** Writes what was collected, as a part of the transaction that is open. */
  flush(): void {
    for (const cell of this.#cells.values()) if (cell[3] !== 0) this.#upsertCell.run(...cell);
    for (const growth of this.#growth.values()) this.#upsertGrowth.run(...growth);
    for (const [hour, [disputed, healed]] of this.#turns) {
      if (disputed !== 0 || healed !== 0) this.#upsertTurn.run(hour, disputed, healed);
    }
    if (this.#cells.size > 0) this.#database.exec("DELETE FROM cell WHERE paths = 0");
    if (this.#turns.size > 0) this.#database.exec("DELETE FROM turn WHERE disputed = 0 AND healed = 0");
    this.clear();
  }

  /** Drops what was collected. */
  clear(): void {
    this.#cells.clear();
    this.#growth.clear();
    this.#turns.clear();
  }

  #turn(seconds: number): [disputed: number, healed: number] {
    const hour = Math.floor(seconds / HOUR);
    const turn = this.#turns.get(hour) ?? [0, 0];
    this.#turns.set(hour, turn);
    return turn;
  }
}
