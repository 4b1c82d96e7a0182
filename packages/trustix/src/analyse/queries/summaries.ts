// Paths as lists show them.
import type { DatabaseSync, StatementSync } from "node:sqlite";
import type { PathSummaryJson } from "../../http/insight-schema.ts";
import type { Catalogue } from "./catalogue.ts";

/** ISO 8601 of seconds since 1970. */
export function timeOf(seconds: number): string {
  return new Date(seconds * 1000).toISOString();
}

/** Reads paths of the analysis database by number. */
export class Summaries {
  readonly #select: StatementSync;
  readonly #storeDir: string;

  constructor(database: DatabaseSync, storeDir: string) {
    this.#select = database.prepare(
      "SELECT hash, name, system, pattern, first_seen, changed FROM path WHERE id = ?",
    );
    this.#storeDir = storeDir;
  }

  /** The paths of these numbers, without those that are gone. */
  of(ids: readonly number[], catalogue: Catalogue): PathSummaryJson[] {
    return ids.flatMap((id) => {
      const row = this.#select.get(id);
      const pattern = row && catalogue.pattern(row.pattern as number);
      if (row === undefined || pattern === undefined) return [];
      const [hashPart, name] = [row.hash as string, row.name as string];
      return [
        {
          hashPart,
          name,
          storePath: `${this.#storeDir}/${hashPart}-${name}`,
          system: catalogue.system(row.system as number) ?? null,
          kind: pattern.kind,
          status: pattern.status,
          agreeing: pattern.agreeing.map((operator) => catalogue.operator(operator)),
          outliers: pattern.outliers.map((operator) => catalogue.operator(operator)),
          firstSeen: timeOf(row.first_seen as number),
          changed: timeOf(row.changed as number),
        },
      ];
    });
  }
}
