// The newest assessment, read once and remembered until there is another.
import type { DatabaseSync, StatementSync } from "node:sqlite";
import { type Assessment, readAssessment, reproducibilityKey } from "../assessment.ts";
import { Contexts } from "../context.ts";
import type { Catalogue } from "./catalogue.ts";

/** Answers what the estimate says. */
export class Assessments {
  readonly #database: DatabaseSync;
  readonly #time: StatementSync;
  readonly #ofPath: StatementSync;
  readonly #ofPackage: StatementSync;
  readonly #contexts = new Contexts();
  #known: Assessment | undefined;
  #toldMs: number | undefined;

  constructor(database: DatabaseSync) {
    this.#database = database;
    this.#time = database.prepare("SELECT at_ms FROM assessment");
    this.#ofPath = database.prepare("SELECT package, pattern FROM path WHERE hash = ?");
    // From one pattern of the package to the next: it may have a million paths. Contexts tell one from several, and no more.
    this.#ofPackage = database.prepare(
      `WITH RECURSIVE own (pattern) AS (
         SELECT min(pattern) FROM path WHERE package = ?1
         UNION ALL
         SELECT (SELECT min(p.pattern) FROM path p WHERE p.package = ?1 AND p.pattern > own.pattern)
         FROM own WHERE own.pattern IS NOT NULL
       )
       SELECT pattern,
         (SELECT count(*) FROM (SELECT 1 FROM path p WHERE p.package = ?1 AND p.pattern = own.pattern LIMIT 2)) AS paths
       FROM own WHERE pattern IS NOT NULL`,
    );
  }

  /** Whether there is another than when this was last called. */
  isNew(): boolean {
    const atMs = this.newest()?.atMs;
    const isNew = atMs !== this.#toldMs;
    this.#toldMs = atMs;
    return isNew;
  }

  /** Undefined before there is one. */
  newest(): Assessment | undefined {
    const atMs = this.#time.get()?.at_ms;
    if (atMs !== this.#known?.atMs) this.#known = readAssessment(this.#database);
    return this.#known;
  }

  /** Probability that a path is reproducible; null when nothing is known of that. */
  reproducibility(hashPart: string, catalogue: Catalogue): number | null {
    const assessment = this.newest();
    const path = assessment && this.#ofPath.get(hashPart);
    if (assessment === undefined || path === undefined) return null;
    const rows = this.#ofPackage.all(path.package as string);
    const patterns = rows.map(
      ({ pattern, paths }) => [catalogue.pattern(pattern as number)?.text ?? "", paths as number] as const,
    );
    const at = rows.findIndex(({ pattern }) => pattern === path.pattern);
    const context = this.#contexts.of(patterns)[at];
    const pattern = patterns[at]?.[0];
    if (pattern === undefined) return null;
    return assessment.reproducibility[reproducibilityKey(pattern, context)] ?? null;
  }
}
