// What the numbers of the analysis database stand for.
import type { DatabaseSync } from "node:sqlite";
import { type Classification, classify, type PathStatus, type Pattern, statusOf } from "../classify.ts";

/** A pattern, and what it says. */
export interface KnownPattern extends Classification {
  readonly text: Pattern;
  readonly status: PathStatus;
}

/** Names of operators, systems and patterns by their numbers, which never change their meaning. */
export class Catalogue {
  readonly #operators: (string | undefined)[] = [];
  readonly #systems: (string | undefined)[] = [];
  readonly #patterns: (KnownPattern | undefined)[] = [];

  /** Reads what is new. */
  read(database: DatabaseSync): void {
    const add = (table: "operator" | "system" | "pattern", column: "name" | "text", known: unknown[]) =>
      database.prepare(`SELECT id, ${column} AS value FROM ${table} WHERE id >= ?`).all(known.length);
    for (const { id, value } of add("operator", "name", this.#operators)) {
      this.#operators[id as number] = value as string;
    }
    for (const { id, value } of add("system", "name", this.#systems)) {
      this.#systems[id as number] = value as string;
    }
    for (const { id, value } of add("pattern", "text", this.#patterns)) {
      const text = value as string;
      const classification = classify(text);
      this.#patterns[id as number] = { text, status: statusOf(classification.kind), ...classification };
    }
  }

  /** The number of operators, of which the last may have no claims. */
  get operators(): number {
    return this.#operators.length;
  }

  operator(id: number): string {
    return this.#operators[id] ?? `operator ${id}`;
  }

  /** Its number; -1 when there is none of that name. */
  operatorNamed(name: string): number {
    return this.#operators.indexOf(name);
  }

  /** Undefined for 0: unknown. */
  system(id: number): string | undefined {
    return this.#systems[id];
  }

  systemNamed(name: string): number {
    return this.#systems.indexOf(name);
  }

  /** Number of patterns and one more: numbers begin at 1. */
  get patternsEnd(): number {
    return this.#patterns.length;
  }

  pattern(id: number): KnownPattern | undefined {
    return this.#patterns[id];
  }
}
