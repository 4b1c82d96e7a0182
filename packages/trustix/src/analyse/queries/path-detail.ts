// All that is known of one path: what was stated and by whom, how its class changed, and what else the package has.
import type { DatabaseSync, StatementSync } from "node:sqlite";
import { TrustixError } from "../../errors.ts";
import type { PathDetailJson } from "../../http/insight-schema.ts";
import { foldClaim, historyOf, type PathState } from "../path-state.ts";
import type { Catalogue } from "./catalogue.ts";
import { type Summaries, timeOf } from "./summaries.ts";

const MAX_RELATED = 50;
/** Paths of the package that the newest are found among: a log may have made up a million. */
const MAX_COMPARED = 10_000;

/** A claim as the claim store has it. */
export interface ClaimText {
  readonly log: number;
  readonly index: number;
  readonly statement: string;
  readonly seenAtMs: number;
}

/** Where claims are read from. */
export interface ClaimTexts {
  /** All claims for a key as it is stored; some may be about other paths. */
  claims(key: Uint8Array): readonly ClaimText[];
}

/** What path detail works with. */
export interface PathDetailsParts {
  readonly database: DatabaseSync;
  readonly claims: ClaimTexts;
  readonly summaries: Summaries;
  /** Names of subscriptions to signed caches: what they say has no place in a log. */
  readonly signed: ReadonlySet<string>;
}

/** A log whose claims count. */
interface Source {
  readonly operator: number;
  readonly subscription: string;
}

/** Reads single paths. */
export class PathDetails {
  readonly #parts: PathDetailsParts;
  readonly #select: StatementSync;
  readonly #related: StatementSync;

  constructor(parts: PathDetailsParts) {
    const { database } = parts;
    this.#parts = parts;
    this.#select = database.prepare("SELECT id, key, package, disputed, healed FROM path WHERE hash = ?");
    this.#related = database.prepare(
      `SELECT id FROM (SELECT id FROM path WHERE package = ? LIMIT ${MAX_COMPARED})
       ORDER BY id DESC LIMIT ${MAX_RELATED + 1}`,
    );
  }

  /** The path, but for what the estimate says. @throws TrustixError `NOT_FOUND` when nobody has a claim on it */
  read(hashPart: string, catalogue: Catalogue): Omit<PathDetailJson, "reproducibility"> {
    const { summaries } = this.#parts;
    const row = this.#select.get(hashPart);
    const [summary] = row === undefined ? [] : summaries.of([row.id as number], catalogue);
    if (row === undefined || summary === undefined) {
      throw new TrustixError("NOT_FOUND", `no log that this node listens to has a claim on ${hashPart}`);
    }
    const sources = this.#sources();
    const claims = this.#parts.claims
      .claims(row.key as Uint8Array)
      .filter(({ log, statement }) => sources.has(log) && isAbout(statement, hashPart));
    const related = this.#related
      .all(row.package as string)
      .map(({ id }) => id as number)
      .filter((id) => id !== row.id);
    return {
      ...summary,
      package: row.package as string,
      history: this.#history(claims, sources, row),
      statements: this.#statements(claims, sources, catalogue),
      related: summaries.of(related.slice(0, MAX_RELATED), catalogue),
    };
  }

  #sources(): Map<number, Source> {
    const rows = this.#parts.database.prepare("SELECT log, operator, subscription FROM source").all();
    return new Map(
      rows.map((row) => [
        row.log as number,
        { operator: row.operator as number, subscription: row.subscription as string },
      ]),
    );
  }

  #history(
    claims: readonly ClaimText[],
    sources: ReadonlyMap<number, Source>,
    row: Readonly<Record<string, unknown>>,
  ): PathDetailJson["history"] {
    const numbers = [...new Set(claims.map(({ statement }) => statement))];
    let state: PathState = [];
    for (const { log, index, statement, seenAtMs } of claims) {
      const { operator } = sources.get(log)!;
      state = foldClaim(state, { operator, statement: numbers.indexOf(statement), seenAtMs, index });
    }
    const absences = this.#parts.database
      .prepare("SELECT operator, from_ms, until_ms FROM absence")
      .all()
      .map((each) => ({
        operator: each.operator as number,
        fromMs: each.from_ms as number,
        untilMs: (each.until_ms as number | null) ?? undefined,
      }))
      .filter(({ operator }) => state.some((claim) => claim.operator === operator));
    const timeOrNull = (seconds: unknown): string | null =>
      seconds === null ? null : timeOf(seconds as number);
    return {
      changes: historyOf(state, absences).changes.map(({ atMs, kind }) => ({
        at: new Date(atMs).toISOString(),
        kind,
      })),
      disputed: timeOrNull(row.disputed),
      healed: timeOrNull(row.healed),
    };
  }

  #statements(
    claims: readonly ClaimText[],
    sources: ReadonlyMap<number, Source>,
    catalogue: Catalogue,
  ): PathDetailJson["statements"] {
    return Array.from(
      Map.groupBy(claims, ({ statement }) => statement),
      ([statement, same]) => {
        const [, , narHash = "", narSize = "", references = ""] = statement.split(";");
        return {
          statement,
          narHash,
          narSize: Number(narSize),
          references: references === "" ? [] : references.split(","),
          claims: same.map(({ log, index, seenAtMs }) => {
            const { operator, subscription } = sources.get(log)!;
            return {
              operator: catalogue.operator(operator),
              subscription,
              index: this.#parts.signed.has(subscription) ? null : index,
              seen: new Date(seenAtMs).toISOString(),
            };
          }),
        };
      },
    ).sort((a, b) => operatorsOf(b) - operatorsOf(a));
  }
}

function operatorsOf({ claims }: PathDetailJson["statements"][number]): number {
  return new Set(claims.map(({ operator }) => operator)).size;
}

/** Whether a statement is about a path, and not about another one whose key begins alike. */
function isAbout(statement: string, hashPart: string): boolean {
  const path = statement.split(";", 2)[1] ?? "";
  return path.slice(path.lastIndexOf("/") + 1).startsWith(`${hashPart}-`);
}
