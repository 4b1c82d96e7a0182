// Whose claims count: logs belong to operators, who come and go. Operators keep their number for ever.

import type { DatabaseSync } from "node:sqlite";
import { TrustixError } from "../errors.ts";
import type { ClaimSource } from "./claim-source.ts";
import { MAX_OPERATORS } from "./classify.ts";
import type { Absence } from "./path-state.ts";

/** A log, by its number in the claim store, and whose word it is. */
export interface SourceLog {
  readonly log: number;
  readonly operator: string;
  /** Name of the subscription. */
  readonly subscription: string;
}

/** An operator that does not count for the time being. */
export interface Quarantined {
  readonly operator: string;
  readonly reason: string;
}

/** Operators and logs as they are stored. Writes as a part of the transaction that is open. */
export class Sources {
  readonly #database: DatabaseSync;

  constructor(database: DatabaseSync) {
    this.#database = database;
  }

  /** Operators by log. */
  operators(): Map<number, number> {
    const rows = this.#database.prepare("SELECT log, operator FROM source").all();
    return new Map(rows.map((row) => [row.log as number, row.operator as number]));
  }

  /** Names by number. */
  names(): string[] {
    const names: string[] = [];
    for (const { id, name } of this.#database.prepare("SELECT id, name FROM operator").all())
      names[id as number] = name as string;
    return names;
  }

  /** Names of the operators that do not count now. */
  away(): Set<string> {
    const select =
      "SELECT o.name FROM absence a JOIN operator o ON o.id = a.operator WHERE a.until_ms IS NULL";
    return new Set(
      this.#database
        .prepare(select)
        .all()
        .map(({ name }) => name as string),
    );
  }

  /** The spans in which operators do not count. */
  absences(): Absence[] {
    return this.#database
      .prepare("SELECT operator, from_ms, until_ms FROM absence")
      .all()
      .map((row) => ({
        operator: row.operator as number,
        fromMs: row.from_ms as number,
        untilMs: (row.until_ms as number | null) ?? undefined,
      }));
  }

  /**
   * Makes `logs` those that are listened to. An operator that has none left is absent from now on, and what it claimed stays
   * known; it is back as soon as it has one. Of an operator that is there, logs that are not listened to any more do not count.
   * Returns whether all paths must be worked out again.
   * @throws TrustixError `INVALID_ARGUMENT` when there are too many operators to tell apart
   */
  listenTo(logs: readonly SourceLog[], claims: Pick<ClaimSource, "claimsOf">, nowMs: number): boolean {
    const numbers = this.#number(new Set(logs.map(({ operator }) => operator)));
    const stored = this.operators();
    const present = new Set(numbers.values());
    let isStale = false;
    for (const [log, operator] of stored) {
      if (logs.some((each) => each.log === log) || !present.has(operator)) continue;
      this.#database.prepare("DELETE FROM source WHERE log = ?").run(log);
      isStale = true;
    }
    const insert = this.#database.prepare(
      "INSERT OR REPLACE INTO source (log, operator, subscription) VALUES (?, ?, ?)",
    );
    for (const { log, operator, subscription } of logs) {
      const number = numbers.get(operator)!;
      insert.run(log, number, subscription);
      if (stored.get(log) !== number && (stored.has(log) || claims.claimsOf(log) > 0)) isStale = true;
    }
    const away = new Map<number, string>();
    for (const operator of this.operators().values()) if (!present.has(operator)) away.set(operator, "");
    return this.#setAbsent("unsubscribed", away, nowMs) || isStale;
  }

  /** Makes these the operators in quarantine. Returns whether paths must be worked out again. */
  quarantine(list: readonly Quarantined[], nowMs: number): boolean {
    const names = this.names();
    const away = new Map<number, string>();
    for (const { operator, reason } of list) {
      const number = names.indexOf(operator);
      if (number >= 0) away.set(number, reason);
    }
    return this.#setAbsent("quarantined", away, nowMs);
  }

  #number(operators: ReadonlySet<string>): Map<string, number> {
    const names = this.names();
    const numbers = new Map<string, number>();
    for (const name of operators) {
      const known = names.indexOf(name);
      const number = known < 0 ? names.push(name) - 1 : known;
      if (number >= MAX_OPERATORS) {
        const text = `there were more than ${MAX_OPERATORS} operators in the course of time`;
        throw new TrustixError("INVALID_ARGUMENT", text, {
          hint: "Remove analysis.db while the node is stopped: it is made again with the operators that there are now.",
        });
      }
      if (known < 0)
        this.#database.prepare("INSERT INTO operator (id, name) VALUES (?, ?)").run(number, name);
      numbers.set(name, number);
    }
    return numbers;
  }

  #setAbsent(why: string, away: ReadonlyMap<number, string>, nowMs: number): boolean {
    const open = this.#database
      .prepare("SELECT operator FROM absence WHERE why = ? AND until_ms IS NULL")
      .all(why)
      .map((row) => row.operator as number);
    const back = open.filter((operator) => !away.has(operator));
    const gone = [...away].filter(([operator]) => !open.includes(operator));
    for (const operator of back) {
      this.#database
        .prepare("UPDATE absence SET until_ms = ? WHERE operator = ? AND why = ? AND until_ms IS NULL")
        .run(nowMs, operator, why);
    }
    for (const [operator, reason] of gone) {
      this.#database
        .prepare("INSERT OR REPLACE INTO absence VALUES (?, ?, NULL, ?, ?)")
        .run(operator, nowMs, why, reason);
    }
    return back.length > 0 || gone.length > 0;
  }
}
