// Search finds what a look at every path finds, in the same order, a page at a time, while paths come, change and go.

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { DatabaseSync } from "node:sqlite";
import fc from "fast-check";
import { afterEach, beforeEach, expect, it } from "vitest";
import type { PathsQuery } from "../../http/insight-schema.ts";
import { KINDS, openAnalysis, openAnalysisReader, STATUSES } from "../analysis-database.ts";
import { classify, statusOf } from "../classify.ts";
import { PathTable } from "../path-table.ts";
import { Pace } from "./pace.ts";
import { PathIndex } from "./path-index.ts";
import { PathSearch } from "./path-search.ts";
import { Summaries } from "./summaries.ts";

let root: string;
let path: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "search-"));
  path = join(root, "analysis.db");
});
afterEach(() => rmSync(root, { recursive: true }));

const OPERATORS = ["alice", "bob", "chuck"];
const SYSTEMS = [undefined, "x86_64-linux", "aarch64-linux"];
const PATTERNS = ["", "a", ".a", "aa", "ab", "aab", "abc", "!a", "aaa", "a.b"];
const ALPHABET = "0123456789abcdfghijklmnpqrsvwxyz";

interface Path {
  readonly hash: string;
  readonly name: string;
  readonly system: string | undefined;
  readonly pattern: string;
  readonly changed: number;
}

const letters = fc.constantFrom("a", "b", "A", "-", "1", ".");
const pathArbitrary: fc.Arbitrary<Path> = fc.record({
  // Few, so that paths are written again.
  hash: fc.tuple(fc.nat(3), fc.nat(11)).map(([a, b]) => `${ALPHABET[a]}ab${ALPHABET[b]}`.padEnd(32, "0")),
  name: fc.oneof(
    fc.string({ unit: letters, minLength: 1, maxLength: 5 }),
    fc.string({ unit: fc.constantFrom("a", "a", "b"), minLength: 5, maxLength: 9 }),
  ),
  system: fc.constantFrom(...SYSTEMS),
  pattern: fc.constantFrom(...PATTERNS),
  changed: fc.nat(5),
});

const actions = fc.array(
  fc.oneof(
    { weight: 10, arbitrary: fc.array(pathArbitrary, { minLength: 1, maxLength: 12 }) },
    { weight: 3, arbitrary: fc.constant("refresh" as const) },
    { weight: 1, arbitrary: fc.constant("forget" as const) },
  ),
  { maxLength: 12 },
);

const queries: fc.Arbitrary<PathsQuery> = fc
  .record(
    {
      q: fc.oneof(
        fc.string({ unit: letters, maxLength: 3 }),
        fc.string({ unit: fc.constantFrom("a", "b"), minLength: 4, maxLength: 5 }),
        fc.constantFrom("0ab", "1ab0", "ab", "z", "_", "ä", "%", `/nix/store/${"0ab0".padEnd(32, "0")}-a`),
      ),
      status: fc.constantFrom("reproducible", "disputed", "single", "unchecked"),
      kind: fc.constantFrom("majority", "split", "unanimous"),
      system: fc.constantFrom("x86_64-linux", "aarch64-linux", "riscv64-linux"),
      operator: fc.constantFrom("alice", "chuck", "nobody"),
      sort: fc.constantFrom("name", "changed"),
      limit: fc.integer({ min: 1, max: 7 }),
    },
    { requiredKeys: ["sort", "limit"] },
  )
  .chain((query) =>
    query.operator === undefined
      ? fc.constant(query as PathsQuery)
      : fc.constantFrom(undefined, "true", "false").map((outlier) => ({ ...query, outlier }) as PathsQuery),
  );

function key(hash: string): Uint8Array {
  return Buffer.from(hash.slice(0, 8));
}

function write(database: DatabaseSync, paths: readonly Path[], version: number): void {
  const table = new PathTable(database);
  database.exec("BEGIN");
  for (const { hash, name, system, pattern, changed } of paths) {
    const { kind } = classify(pattern);
    const status = STATUSES.indexOf(statusOf(kind));
    const row = { hash, name, package: name, system, pattern, kind: KINDS.indexOf(kind), status };
    table.replace(key(hash), [{ ...row, firstSeen: 7, changed, disputed: null, healed: null }], version);
  }
  table.counters.flush();
  database.prepare("UPDATE progress SET version = ?").run(version);
  database.exec("COMMIT");
}

function forget(database: DatabaseSync, hash: string, version: number): void {
  const table = new PathTable(database);
  database.exec("BEGIN");
  table.replace(key(hash), [], version);
  table.counters.flush();
  database.prepare("UPDATE progress SET version = ?").run(version);
  database.exec("COMMIT");
}

/** What a look at every path finds. Of equal ones the order is that in which they were first written. */
function expected(paths: readonly Path[], query: PathsQuery): string[] {
  const q = (query.q ?? "").toLowerCase();
  const whole = /^\/nix\/store\/(.{32})-/.exec(q)?.[1];
  const rank = ({ hash, name }: Path): number => {
    const lower = name.toLowerCase();
    if (whole === undefined && lower.startsWith(q)) return 0;
    if (whole === undefined && lower.includes(q)) return 1;
    const isHash =
      whole === hash || (query.q !== undefined && query.q.length >= 3 && hash.startsWith(query.q));
    return isHash ? 2 : 3;
  };
  const passes = (path: Path): boolean => {
    const { kind, agreeing, outliers } = classify(path.pattern);
    if (rank(path) === 3) return false;
    if (query.status !== undefined && statusOf(kind) !== query.status) return false;
    if (query.kind !== undefined && kind !== query.kind) return false;
    if (query.system !== undefined && path.system !== query.system) return false;
    if (query.operator === undefined) return true;
    const operator = OPERATORS.indexOf(query.operator);
    if (!agreeing.includes(operator) && !outliers.includes(operator)) return false;
    const isOutlier = outliers.includes(operator) && agreeing.length > outliers.length;
    return query.outlier === undefined || (query.outlier === "true") === isOutlier;
  };
  const order = new Map(paths.map((path, i) => [path, i]));
  const byName = (a: Path, b: Path): number => {
    const [left, right] = [a.name.toLowerCase(), b.name.toLowerCase()];
    return rank(a) - rank(b) || (left < right ? -1 : left > right ? 1 : order.get(a)! - order.get(b)!);
  };
  const byChange = (a: Path, b: Path): number => b.changed - a.changed || order.get(b)! - order.get(a)!;
  return paths
    .filter(passes)
    .sort(query.sort === "changed" ? byChange : byName)
    .map(({ hash }) => hash);
}

it("finds what a look at every path finds", async () => {
  let run = 0;
  await fc.assert(
    fc.asyncProperty(actions, fc.array(queries, { minLength: 1, maxLength: 6 }), async (steps, asked) => {
      using database = openAnalysis(`${path}${run++}`);
      database.exec("INSERT INTO progress (id, store, seq, version) VALUES (1, 'x', 0, 1)");
      const insert = database.prepare("INSERT INTO operator (id, name) VALUES (?, ?)");
      for (const [id, name] of OPERATORS.entries()) insert.run(id, name);
      using refreshing = openAnalysisReader(`${path}${run - 1}`)!;
      using reading = openAnalysisReader(`${path}${run - 1}`)!;
      const index = new PathIndex();
      const search = new PathSearch(reading, index, new Summaries(reading, "/nix/store"));
      const known = new Map<string, Path>();
      let version = 1;
      for (const step of steps) {
        if (step === "refresh") await index.refresh(refreshing, new Pace("short"));
        else if (step === "forget") {
          // The last one: its number is given again.
          const [hash] = [...known.keys()].slice(-1);
          if (hash !== undefined && known.delete(hash)) forget(database, hash, ++version);
        } else {
          write(database, step, ++version);
          for (const each of step) known.set(each.hash, each);
        }
      }
      await index.refresh(refreshing, new Pace("short"));
      expect(index.version).toBe(version);
      for (const query of asked) {
        const found: string[] = [];
        for (let cursor: string | null | undefined; cursor !== null; ) {
          const page = await search.page({ ...query, cursor }, new Pace("short"));
          expect(page.items.length).toBeLessThanOrEqual(query.limit!);
          found.push(...page.items.map(({ hashPart }) => hashPart));
          cursor = page.next;
        }
        expect(found).toEqual(expected([...known.values()], query));
      }
    }),
    { numRuns: 150 },
  );
});

it("refuses cursors of other queries, and of nobody", async () => {
  using database = openAnalysis(path);
  database.exec("INSERT INTO progress (id, store, seq, version) VALUES (1, 'x', 0, 1)");
  const paths = ["a", "b", "c"].map((name, i) => ({
    hash: `${i}`.repeat(32),
    name,
    system: undefined,
    pattern: "a",
    changed: i,
  }));
  write(database, paths, 2);
  using reading = openAnalysisReader(path)!;
  const index = new PathIndex();
  await index.refresh(reading, new Pace("short"));
  const search = new PathSearch(reading, index, new Summaries(reading, "/nix/store"));
  const { next } = await search.page({ sort: "name", limit: 1 }, new Pace("short"));
  const refused = { code: "INVALID_ARGUMENT" };
  for (const query of [
    { sort: "changed", cursor: next! },
    { sort: "name", q: "a", cursor: next! },
    { sort: "name", cursor: "abc" },
    { sort: "name", cursor: Buffer.from('["x",{"changed":1,"id":1}]').toString("base64url") },
    { sort: "name", cursor: "A".repeat(100_000) },
    { sort: "name", outlier: "true" },
  ] as const) {
    await expect(search.page(query, new Pace("short"))).rejects.toMatchObject(refused);
  }
  const second = await search.page({ sort: "name", limit: 5, cursor: next! }, new Pace("short"));
  expect(second.items.map(({ name }) => name)).toEqual(["b", "c"]);
  expect(second.next).toBeNull();
});
