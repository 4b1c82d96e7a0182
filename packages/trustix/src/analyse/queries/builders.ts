// How each builder fares, and who agrees with whom.
import type { DatabaseSync } from "node:sqlite";
import type { BuilderJson, BuildersJson } from "../../http/insight-schema.ts";
import type { Assessment } from "../assessment.ts";
import { agreementMatrix } from "../report.ts";
import type { NamedCounts } from "./counts.ts";
import type { PathTables } from "./path-index.ts";

/** Why an operator does not count. */
interface Quarantine {
  readonly since: string;
  readonly reason: string;
}

/** Operators in quarantine, by name. */
export function quarantined(database: DatabaseSync): Map<string, Quarantine> {
  const rows = database
    .prepare(
      `SELECT o.name, a.from_ms, a.reason FROM absence a JOIN operator o ON o.id = a.operator
       WHERE a.why = 'quarantined' AND a.until_ms IS NULL`,
    )
    .all();
  return new Map(
    rows.map((row) => [
      row.name as string,
      { since: new Date(row.from_ms as number).toISOString(), reason: row.reason as string },
    ]),
  );
}

/** Names of those whom the assessment calls suspect, the most suspect first. */
export function suspectsOf(assessment: Assessment | undefined): string[] {
  return (assessment?.builders ?? [])
    .filter(({ verdict }) => verdict === "suspect")
    .sort((a, b) => b.suspicion - a.suspicion)
    .map(({ operator }) => operator);
}

/** What the answer is made of. */
export interface BuildersParts {
  readonly version: number;
  readonly tables: PathTables;
  readonly counts: NamedCounts;
  readonly assessment: Assessment | undefined;
  readonly quarantined: ReadonlyMap<string, Quarantine>;
  /** The operators of the configuration, in its order. */
  readonly operators: readonly string[];
  readonly subscriptions: readonly { readonly name: string; readonly operator: string }[];
}

const NOTHING = {
  paths: 0,
  reproducible: 0,
  disputed: 0,
  single: 0,
  unchecked: 0,
  outlier: 0,
  alone: 0,
  torn: 0,
};

/** All builders: those of the configuration, then others that still have claims. */
export function buildersOf(parts: BuildersParts): BuildersJson {
  const { version, tables, counts, assessment, operators } = parts;
  const known = new Map(counts.operators.map((each) => [each.operator, each]));
  const names = [...new Set([...operators, ...known.keys()])];
  return {
    version,
    builders: names.map((operator) => builder(operator, known.get(operator), parts)),
    matrix: matrixOf(names, tables),
    suspicions: [...(assessment?.suspicions ?? [])],
    estimatedAt: assessment === undefined ? null : new Date(assessment.atMs).toISOString(),
  };
}

function builder(
  operator: string,
  own: NamedCounts["operators"][number] | undefined,
  { assessment, quarantined, subscriptions }: BuildersParts,
): BuilderJson {
  const { operator: _, outlier, alone, torn, ...counts } = own ?? { operator, ...NOTHING };
  const assessed = assessment?.builders.find((each) => each.operator === operator);
  return {
    operator,
    subscriptions: subscriptions.filter((each) => each.operator === operator).map(({ name }) => name),
    counts,
    outlier,
    alone,
    torn,
    assessment: assessed === undefined ? null : withoutOperator(assessed),
    quarantine: quarantined.get(operator) ?? null,
  };
}

function withoutOperator({
  operator: _,
  ...assessment
}: Assessment["builders"][number]): NonNullable<BuilderJson["assessment"]> {
  return assessment;
}

function matrixOf(names: readonly string[], { columns, catalogue }: PathTables): BuildersJson["matrix"] {
  const paths = new Map<number, number>();
  for (const { pattern, paths: more } of columns.totals()) {
    paths.set(pattern, (paths.get(pattern) ?? 0) + more);
  }
  const patterns = Array.from(paths, ([id, count]) => [catalogue.pattern(id)?.text ?? "", count] as const);
  const { operators, shared, agreed } = agreementMatrix(patterns, catalogue.operators);
  const numbers = names.map((name) => catalogue.operatorNamed(name));
  const rows = (values: Float64Array): number[][] =>
    numbers.map((row) =>
      numbers.map((column) => (row < 0 || column < 0 ? 0 : values[row * operators + column]!)),
    );
  return { shared: rows(shared), agreed: rows(agreed) };
}
