// The table of paths: rows are replaced by what was worked out anew, and the counts follow.

import { randomInt } from "node:crypto";
import type { DatabaseSync, SQLOutputValue, StatementSync } from "node:sqlite";
import { type CountedRow, Counters } from "./counters.ts";
import { Names } from "./names.ts";
import type { PathRow } from "./path-row.ts";

const COLUMNS = "name, package, system, pattern, kind, status, first_seen, changed, disputed, healed";

/** Writes as a part of the transaction that is open. */
export class PathTable {
  readonly counters: Counters;
  readonly #database: DatabaseSync;
  readonly #systems: Names;
  readonly #patterns: Names;
  readonly #select: StatementSync;
  readonly #insert: StatementSync;
  readonly #update: StatementSync;
  readonly #delete: StatementSync;

  constructor(database: DatabaseSync) {
    this.#database = database;
    this.counters = new Counters(database);
    this.#systems = new Names(database, "system", "name");
    this.#patterns = new Names(database, "pattern", "text");
    this.#select = database.prepare(`SELECT id, hash, ${COLUMNS} FROM path WHERE key = ? ORDER BY hash`);
    this.#select.setReturnArrays(true);
    this.#insert = database.prepare(
      `INSERT INTO path (${COLUMNS}, version, key, hash) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
    );
    this.#update = database.prepare(
      `UPDATE path SET (${COLUMNS}, version) = (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) WHERE id = ?`,
    );
    this.#delete = database.prepare("DELETE FROM path WHERE id = ?");
  }

  /** Makes `rows` those of a key; what changes is of `version`. Returns whether anything did. */
  replace(key: Uint8Array, rows: readonly PathRow[], version: number): boolean {
    const before = this.#select.all(key) as unknown as SQLOutputValue[][];
    let isChanged = false;
    for (const row of rows) {
      const values = this.#values(row);
      const old = before.find((each) => each[1] === row.hash);
      if (old === undefined) this.#insert.run(...values, version, key, row.hash);
      else if (values.some((value, i) => value !== old[i + 2])) {
        this.#update.run(...values, version, old[0] as number);
        this.counters.path(counted(old.slice(2)), -1);
      } else continue;
      this.counters.path(counted(values), 1);
      isChanged = true;
    }
    for (const old of before) {
      if (rows.some(({ hash }) => hash === old[1])) continue;
      this.#delete.run(old[0] as number);
      this.counters.path(counted(old.slice(2)), -1);
      this.#database.prepare("UPDATE progress SET epoch = ?").run(randomInt(2 ** 47));
      isChanged = true;
    }
    return isChanged;
  }

  /** Drops what is not written yet, as after a transaction that was rolled back. */
  clear(): void {
    this.counters.clear();
    this.#systems.clear();
    this.#patterns.clear();
  }

  #values(row: PathRow): (string | number | null)[] {
    return [
      row.name,
      row.package,
      row.system === undefined ? 0 : this.#systems.id(row.system),
      this.#patterns.id(row.pattern),
      row.kind,
      row.status,
      row.firstSeen,
      row.changed,
      row.disputed,
      row.healed,
    ];
  }
}

function counted(values: readonly SQLOutputValue[]): CountedRow {
  return {
    system: values[2] as number,
    pattern: values[3] as number,
    firstSeen: values[6] as number,
    disputed: values[8] as number | null,
    healed: values[9] as number | null,
  };
}
