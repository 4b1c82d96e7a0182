// Numbers for texts that many rows share: systems and patterns, each in a table of its own.

import type { DatabaseSync } from "node:sqlite";

/** The numbers of one table `(id, column)`. */
export class Names {
  readonly #database: DatabaseSync;
  readonly #table: string;
  readonly #column: string;
  readonly #ids = new Map<string, number>();
  #isLoaded = false;

  constructor(database: DatabaseSync, table: "system" | "pattern", column: "name" | "text") {
    this.#database = database;
    this.#table = table;
    this.#column = column;
  }

  /** The number of a text, which gets one when it has none, as a part of the transaction that is open. */
  id(text: string): number {
    if (!this.#isLoaded) this.#load();
    const known = this.#ids.get(text);
    if (known !== undefined) return known;
    const { lastInsertRowid } = this.#database
      .prepare(`INSERT INTO ${this.#table} (${this.#column}) VALUES (?)`)
      .run(text);
    this.#ids.set(text, Number(lastInsertRowid));
    return Number(lastInsertRowid);
  }

  /** Forgets what it knows, as after a transaction that was rolled back. */
  clear(): void {
    this.#ids.clear();
    this.#isLoaded = false;
  }

  #load(): void {
    const rows = this.#database.prepare(`SELECT id, ${this.#column} AS text FROM ${this.#table}`).all();
    for (const { id, text } of rows) this.#ids.set(text as string, id as number);
    this.#isLoaded = true;
  }
}
