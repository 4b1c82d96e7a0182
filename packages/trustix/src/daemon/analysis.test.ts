import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { setTimeout as sleepMs } from "node:timers/promises";
import { nixMapKey, type StorePath } from "@trustix/nix";
import { afterEach, beforeEach, expect, it } from "vitest";
import { openAnalysisReader } from "../analyse/analysis-database.ts";
import type { Assessment } from "../analyse/assessment.ts";
import { ClaimStore } from "../subscribe/claim-store.ts";
import { packClaims } from "../subscribe/claim-writer.ts";
import { until } from "../subscribe/test-log.test.util.ts";
import { Analysis } from "./analysis.ts";
import { Insight } from "./insight.ts";
import type { Logger } from "./logger.ts";

let root: string;
let claimsPath: string;
let analysisPath: string;
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), "analysis-"));
  claimsPath = join(root, "claims.db");
  analysisPath = join(root, "analysis.db");
});
afterEach(() => rm(root, { recursive: true }));

const OPERATORS = ["alice", "bob", "chuck", "dan"];
const PATHS = 400;

const hashPart = (n: number): string =>
  n
    .toString(32)
    .padStart(32, "0")
    .replace(/[eotu]/g, (letter) => ({ e: "w", o: "x", t: "y", u: "z" })[letter]!);
const storePath = (n: number): StorePath =>
  `/nix/store/${hashPart(n)}-package${n >> 2}-1.${n & 3}` as StorePath;

/** All build the same, but chuck has something else for each twentieth. */
async function build(store: ClaimStore): Promise<Analysis> {
  const logs = [];
  for (const operator of OPERATORS) {
    const { id } = await store.log({ origin: operator, key: "key", protocol: "nix" });
    logs.push({ log: id, operator, subscription: operator });
    const claims = Array.from({ length: PATHS }, (_, n) => {
      const isLie = operator === "chuck" && n % 20 === 0;
      return {
        key: nixMapKey(storePath(n)),
        index: n,
        statement: `1;${storePath(n)};sha256:${isLie ? "lie" : "nar"};1;`,
        system: "x86_64-linux",
      };
    });
    await store.append(id, {
      startIndex: 0,
      nextIndex: PATHS,
      unreadable: 0,
      seenAtMs: 1e12,
      parts: [packClaims(claims)],
    });
  }
  const task = { claimsPath, analysisPath, storeDir: "/nix/store", logs };
  return new Analysis({ task, logger, sleep, trimFeed: (seq) => store.trimFeed(seq) });
}

const problems: string[] = [];
const logger: Logger = {
  debug() {},
  info() {},
  warn: (_, message) => void problems.push(message),
  error: (_, message) => void problems.push(message),
};
const sleep = (_ms: number, signal?: AbortSignal) => sleepMs(20, undefined, signal && { signal });

/** Paths by pattern. */
function counts(): Record<string, number> {
  const select = "SELECT t.text, sum(paths) AS paths FROM cell JOIN pattern t ON t.id = pattern GROUP BY 1";
  try {
    using database = openAnalysisReader(analysisPath);
    return Object.fromEntries(
      database
        ?.prepare(select)
        .all()
        .map(({ text, paths }) => [text, paths]) ?? [],
    );
  } catch {
    return {};
  }
}

it("names who deviates with the paths, and works out again whatever quarantine changes", async () => {
  await using store = await ClaimStore.open(claimsPath);
  const assessments: Assessment[] = [];
  {
    await using analysis = await build(store);
    analysis.onAssessment((each) => assessments.push(each));
    await until(() => assessments.length > 0);
    expect(analysis.state()).toMatchObject({ behind: 0, failure: undefined });
    expect(counts()).toEqual({ aaaa: 380, aaba: 20 });
    const [{ builders, suspicions, reproducible, reproducibility }] = assessments as [Assessment];
    expect(builders.map(({ operator, verdict }) => [operator, verdict])).toEqual([
      ["alice", "unclear"],
      ["bob", "unclear"],
      ["chuck", "suspect"],
      ["dan", "unclear"],
    ]);
    expect(suspicions.map(({ operators }) => operators)).toEqual([["chuck"]]);
    const [{ evidence }] = suspicions as [Assessment["suspicions"][number]];
    expect(evidence).toHaveLength(20);
    expect(new Set(evidence.map((each) => each.storePath))).toEqual(
      new Set(Array.from({ length: 20 }, (_, i) => storePath(20 * i))),
    );
    expect(evidence[0]).toMatchObject({
      kind: "majority",
      agreeing: ["alice", "bob", "dan"],
      outliers: ["chuck"],
      system: "x86_64-linux",
      context: "agreed",
    });
    expect(reproducible!.mean).toBeGreaterThan(0.9);
    expect(reproducibility["agreed aaaa"]).toBeGreaterThan(0.99);

    analysis.setQuarantine([{ operator: "chuck", reason: "suspect" }]);
    await until(() => counts()["aa.a"] === 400);
    await until(() => assessments.length > 1);
    // What was known of it when it last counted is still to be seen.
    expect(assessments.at(-1)!.suspicions).toEqual(suspicions);
    expect(assessments.at(-1)!.builders.find(({ operator }) => operator === "chuck")).toMatchObject({
      verdict: "suspect",
    });
    analysis.setQuarantine([]);
    await until(() => counts().aaba === 20);
  }
  expect(problems).toEqual([]);
});

it("begins anew beside a damaged database, and tries again when it cannot begin", async () => {
  await using store = await ClaimStore.open(claimsPath);
  await mkdir(analysisPath);
  await using analysis = await build(store);
  await until(() => analysis.state().failure !== undefined);
  expect(problems).toContain("analysis failed and is started again");
  await rm(analysisPath, { recursive: true });
  await writeFile(analysisPath, "this is no database".repeat(1000));
  await until(() => counts().aaba === 20);
  await until(() => analysis.state().failure === undefined);
});

it("makes a database again whose pages turn out to be damaged", async () => {
  await using store = await ClaimStore.open(claimsPath);
  {
    await using _ = await build(store);
    await until(() => counts().aaba === 20);
  }
  // The first page, by which a database is opened, is well.
  const bytes = await readFile(analysisPath);
  await writeFile(analysisPath, bytes.fill(0xff, 4096));
  const logs = OPERATORS.map((operator, i) => ({ log: i + 1, operator, subscription: operator }));
  const task = { claimsPath, analysisPath, storeDir: "/nix/store", logs };
  await using _ = new Analysis({ task, logger, sleep, trimFeed: (seq) => store.trimFeed(seq) });
  await until(() => counts().aaba === 20);
});

it("makes a database again that went away while it was written", async () => {
  await using store = await ClaimStore.open(claimsPath);
  await using _ = await build(store);
  await until(() => counts().aaba === 20);
  for (const suffix of ["", "-wal", "-shm"]) await rm(analysisPath + suffix, { force: true });
  await until(() => counts().aaba === 20);
});

it("answers questions again after the thread for them, or what it reads, has failed", async () => {
  problems.length = 0;
  const options = { claimsPath, analysisPath, storeDir: "/nix/store", subscriptions: [], operators: [] };
  // Without claims the thread cannot start.
  await using insight = new Insight(options, logger);
  await expect(insight.overview()).rejects.toMatchObject({ code: "PUSHBACK" });
  expect(problems).toEqual(["the thread that answers questions failed and is started again"]);
  await using store = await ClaimStore.open(claimsPath);
  await using _ = await build(store);
  const disputed = (): Promise<number | undefined> =>
    insight.overview().then(
      ({ total }) => total.disputed,
      () => undefined,
    );
  await expect.poll(disputed, { timeout: 15_000 }).toBe(20);

  using database = new DatabaseSync(analysisPath);
  await expect
    .poll(() => database.prepare("PRAGMA wal_checkpoint(TRUNCATE)").get()!.busy, { timeout: 15_000 })
    .toBe(0);
  database.close();
  const bytes = await readFile(analysisPath);
  await writeFile(analysisPath, bytes.fill(0xff, 4096), { flag: "r+" });
  const path = storePath(PATHS);
  const claim = { key: nixMapKey(path), index: PATHS, statement: `1;${path};sha256:nar;1;` };
  const more = { startIndex: PATHS, nextIndex: PATHS + 1, unreadable: 0, seenAtMs: 1e12 };
  await store.append(1, { ...more, parts: [packClaims([claim])] });
  const paths = (): Promise<number> =>
    insight.overview().then(
      ({ total }) => total.paths,
      () => 0,
    );
  await expect.poll(paths, { timeout: 15_000 }).toBe(PATHS + 1);
  expect(problems).toContain("analysis failed and is started again");
});
