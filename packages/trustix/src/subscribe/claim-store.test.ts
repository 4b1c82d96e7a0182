import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { mapKey } from "@trustix/nix";
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { ClaimReader } from "./claim-reader.ts";
import { ClaimStore } from "./claim-store.ts";
import { type ClaimBatch, type NewClaim, packClaims } from "./claim-writer.ts";
import { dumpClaims } from "./dump-claims.test.util.ts";

let root: string;
let path: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "claims-"));
  path = join(root, "claims.db");
});
afterEach(() => rmSync(root, { recursive: true }));

const keyOf = (n: number) => mapKey("raw", Uint8Array.of(n));

function batch(claims: readonly [key: number, statement: number][], start: number): ClaimBatch {
  const all = claims.map(([key, statement], i): NewClaim => {
    return { key: keyOf(key), index: start + i, statement: `statement ${key} ${statement}` };
  });
  const half = Math.floor(all.length / 2);
  return {
    startIndex: start,
    nextIndex: start + claims.length,
    unreadable: 0,
    seenAtMs: 5000,
    parts: [all.slice(0, half), all.slice(half)].filter((part) => part.length > 0).map(packClaims),
  };
}

const identity = (n: number) => ({ origin: `log${n}.example`, key: `key ${n}`, protocol: "raw" });

/** What the store should say: the first eight different statements of a key, each at its first index. */
function expected(claims: readonly [number, number][], key: number): { index: number; statement: string }[] {
  const found = new Map<string, number>();
  for (const [index, [k, s]] of claims.entries()) {
    const statement = `statement ${k} ${s}`;
    if (k === key && !found.has(statement) && found.size < 8) found.set(statement, index);
  }
  return [...found].map(([statement, index]) => ({ index, statement }));
}

describe("ClaimStore", () => {
  it("finds paths by their name, and all versions of it", async () => {
    const names = ["hello-2.12.1", "hello-2.13-doc", "hello-world", "othello-1", "hello", "x'%_"];
    const paths = names.map((name, i) => `/nix/store/${String(i).padStart(32, "0")}-${name}`);
    const statements = [...paths.map((each) => `1;${each};sha256:x;1;${paths[0]}`), "raw;hello-2.12.1"];
    await using store = await ClaimStore.open(path);
    const { id } = await store.log(identity(0));
    const claims = statements.map((statement, i) => ({ key: keyOf(i), index: i, statement }));
    const nextIndex = claims.length;
    await store.append(id, {
      startIndex: 0,
      nextIndex,
      unreadable: 0,
      seenAtMs: 0,
      parts: [packClaims(claims)],
    });
    const found = (name: string, limit = 9) =>
      store.named("/nix/store", name, limit).map((each) => names[statements.indexOf(each)]);
    expect(found("hello").sort()).toEqual(["hello", "hello-2.12.1", "hello-2.13-doc"]);
    expect(found("hello", 2)).toHaveLength(2);
    expect(found("hello-2.12.1")).toEqual(["hello-2.12.1"]);
    expect(found("x'%_")).toEqual(["x'%_"]);
    expect(found("hell")).toEqual([]);
  });

  it("says the same however the claims came in batches, and after reopening", async () => {
    const claims = fc.array(fc.tuple(fc.nat(4), fc.nat(11)), { maxLength: 80 });
    await fc.assert(
      fc.asyncProperty(
        fc.array(claims, { minLength: 1, maxLength: 3 }),
        fc.integer({ min: 1, max: 40 }),
        async (logs, step) => {
          rmSync(path, { force: true });
          let store = await ClaimStore.open(path);
          const ids: number[] = [];
          for (const [n, all] of logs.entries()) {
            const { id } = await store.log(identity(n));
            ids.push(id);
            for (let start = 0; start < all.length; start += step) {
              await store.append(id, batch(all.slice(start, start + step), start));
            }
          }
          await store[Symbol.asyncDispose]();
          store = await ClaimStore.open(path);
          let total = 0;
          for (const [n, all] of logs.entries()) {
            const state = await store.log(identity(n));
            expect(state).toMatchObject({ id: ids[n], nextIndex: all.length });
            let count = 0;
            for (let key = 0; key <= 4; key++) {
              const found = store.claims(keyOf(key)).filter(({ log }) => log === ids[n]);
              expect(found.map(({ index, statement }) => ({ index, statement }))).toEqual(expected(all, key));
              count += found.length;
            }
            expect(state.claims).toBe(count);
            total += count;
          }
          const paged = [...store.pages(2)].flat();
          expect(new Set(paged.map(({ log, index }) => `${log} ${index}`)).size).toBe(paged.length);
          expect(paged).toHaveLength(total);
          await store[Symbol.asyncDispose]();
        },
      ),
      { numRuns: 15 },
    );
  });

  it("shares the text of statements that builders agree on", async () => {
    const store = await ClaimStore.open(path);
    for (let n = 0; n < 3; n++) {
      const { id } = await store.log(identity(n));
      await store.append(
        id,
        batch(
          [
            [1, 1],
            [2, n],
          ],
          0,
        ),
      );
    }
    await store[Symbol.asyncDispose]();
    const database = new DatabaseSync(path);
    expect(database.prepare("SELECT count(*) AS n FROM statement").get()).toEqual({ n: 4 });
    database.close();
  });

  it("forgets one log and leaves the others", async () => {
    const store = await ClaimStore.open(path);
    const [a, b] = [await store.log(identity(0)), await store.log(identity(1))];
    for (const { id } of [a, b])
      await store.append(
        id,
        batch(
          [
            [1, 1],
            [2, id],
          ],
          0,
        ),
      );
    const forgotten = await store.forget(a.id);
    expect(forgotten).toMatchObject({ nextIndex: 0, claims: 0, statementBytes: 0 });
    expect(store.claims(keyOf(1))).toEqual([
      { log: b.id, index: 0, statement: "statement 1 1", seenAtMs: 5000 },
    ]);
    await store[Symbol.asyncDispose]();
    expect(dumpClaims(path)).toHaveLength(2);
  });

  it("keeps heads, rollbacks and faults", async () => {
    let store = await ClaimStore.open(path);
    const { id } = await store.log(identity(0));
    const head = { size: 7, root: new Uint8Array(32).fill(3), note: "a note", seenAtMs: 12345 };
    await store.saveHead(id, head);
    await store.saveRollback(id, 99);
    await store[Symbol.asyncDispose]();
    store = await ClaimStore.open(path);
    expect(await store.log(identity(0))).toMatchObject({ head, rolledBackSinceMs: 99, fault: undefined });
    const fault = { kind: "forked", reason: "two", evidence: "/x", atMs: 4 } as const;
    await store.saveFault(id, fault);
    await store[Symbol.asyncDispose]();
    store = await ClaimStore.open(path);
    expect(await store.log(identity(0))).toMatchObject({ fault, rolledBackSinceMs: undefined });
    await store[Symbol.asyncDispose]();
  });

  it("knows a log with another key as another log", async () => {
    const store = await ClaimStore.open(path);
    const one = await store.log(identity(0));
    const two = await store.log({ ...identity(0), key: "another" });
    expect(one.id).not.toBe(two.id);
    await store[Symbol.asyncDispose]();
  });

  it("refuses files that are damaged or of another version", async () => {
    writeFileSync(path, "this is no database, but long enough to look at".repeat(100));
    await expect(ClaimStore.open(path)).rejects.toMatchObject({ code: "STATE_CORRUPT" });
    rmSync(path);
    const database = new DatabaseSync(path);
    database.exec("PRAGMA user_version = 99");
    database.close();
    await expect(ClaimStore.open(path)).rejects.toMatchObject({ code: "STATE_CORRUPT" });
    await expect(ClaimStore.open(join(root, "no", "where.db"))).rejects.toMatchObject({
      code: "STORAGE_FAILED",
    });
  });

  it("refuses a batch that does not begin where reading stands", async () => {
    await using store = await ClaimStore.open(path);
    const { id } = await store.log(identity(0));
    await store.append(id, batch([[1, 1]], 0));
    await expect(store.append(id, batch([[1, 1]], 0))).rejects.toMatchObject({ code: "INVALID_ARGUMENT" });
    expect(await store.log(identity(0))).toMatchObject({ nextIndex: 1 });
  });

  it("refuses to write after it was closed", async () => {
    const store = await ClaimStore.open(path);
    const { id } = await store.log(identity(0));
    await store[Symbol.asyncDispose]();
    await expect(store.saveRollback(id, 1)).rejects.toMatchObject({ code: "CLOSED" });
  });

  it("tells what changed, in order, to whoever follows, and drops what was seen", async () => {
    await using store = await ClaimStore.open(path);
    const [a, b] = [await store.log(identity(0)), await store.log(identity(1))];
    const keys = (...numbers: number[]) =>
      new Uint8Array(Buffer.concat(numbers.map((n) => keyOf(n).subarray(0, 8)).sort(Buffer.compare)));
    using reader = new ClaimReader(path);
    expect(reader.feedSpan()).toEqual({ oldest: 1, newest: 0 });
    const first: [number, number][] = [
      [1, 1],
      [1, 1],
      [2, 1],
    ];
    await store.append(a.id, batch(first, 0));
    await store.append(a.id, batch([[1, 1]], 3));
    await store.append(b.id, batch([[2, 1]], 0));
    expect(reader.change(0)).toEqual({ seq: 1, log: a.id, count: 2, seen: 5, keys: keys(1, 2) });
    expect(reader.change(1)).toEqual({ seq: 2, log: b.id, count: 1, seen: 5, keys: keys(2) });
    await store.forget(a.id);
    await store.forget(a.id);
    expect(reader.change(2)).toEqual({ seq: 3, log: a.id, count: -2, seen: 0, keys: keys(1, 2) });
    expect(reader.change(3)).toBeUndefined();
    expect(reader.changedSince(1)).toBe(3);
    await store.trimFeed(3);
    expect(reader.change(0)).toBeUndefined();
    expect(reader.feedSpan()).toEqual({ oldest: 4, newest: 3 });
    await store.append(a.id, batch(first, 0));
    expect(reader.change(0)).toMatchObject({ seq: 4, count: 2 });
    expect(reader.growth().map((row) => ({ ...row }))).toEqual([
      { log: a.id, hour: 0, claims: 2 },
      { log: b.id, hour: 0, claims: 1 },
    ]);
  });

  it("keeps the system of claims, for as many systems as may be", async () => {
    await using store = await ClaimStore.open(path);
    const { id } = await store.log(identity(0));
    const claims = Array.from({ length: 300 }, (_, i): NewClaim => {
      const system = i === 0 ? undefined : `system-${i}`;
      return { key: mapKey("raw", Buffer.from(`${i}`)), index: i, statement: `statement ${i}`, system };
    });
    await store.append(id, {
      startIndex: 0,
      nextIndex: 300,
      unreadable: 0,
      seenAtMs: 0,
      parts: [packClaims(claims.slice(0, 200)), packClaims(claims.slice(200))],
    });
    const systems = claims.map(({ key }) => store.claims(key)[0]!.system);
    expect(systems.filter((system) => system !== undefined)).toHaveLength(255);
    for (const [i, system] of systems.entries()) expect([undefined, claims[i]!.system]).toContain(system);

    // Names that a log makes up do not take the place of real ones in another log.
    const key = mapKey("raw", Buffer.from("honest"));
    const honest = await store.log(identity(1));
    await store.append(honest.id, {
      startIndex: 0,
      nextIndex: 1,
      unreadable: 0,
      seenAtMs: 0,
      parts: [packClaims([{ key, index: 0, statement: "honest", system: "aarch64-linux" }])],
    });
    expect(store.claims(key)[0]!.system).toBe("aarch64-linux");
  });

  it("keeps the newest thousand checkpoints", async () => {
    await using store = await ClaimStore.open(path);
    const { id } = await store.log(identity(0));
    const head = (size: number) => ({
      size,
      root: new Uint8Array(32),
      note: `note ${size}`,
      seenAtMs: 10 * size,
    });
    for (let size = 1; size <= 1010; size++) await store.saveHead(id, head(size));
    const kept = store.checkpoints(id, 2000);
    expect(kept).toHaveLength(1000);
    expect(kept[0]).toMatchObject({ size: 1010, note: "note 1010", seenAtMs: 10_100 });
    expect(kept.at(-1)).toMatchObject({ size: 11 });
    expect(store.checkpoints(id, 2).map(({ size }) => size)).toEqual([1010, 1009]);
    await store.forget(id);
    expect(store.checkpoints(id, 2)).toEqual([]);
  });

  it("brings a file of version 1 up to date", async () => {
    const old = new DatabaseSync(path);
    old.exec(`
      CREATE TABLE log (
        id INTEGER PRIMARY KEY,
        origin TEXT NOT NULL, key TEXT NOT NULL, protocol TEXT NOT NULL,
        size INTEGER NOT NULL, root TEXT NOT NULL, note TEXT NOT NULL, seen INTEGER NOT NULL,
        next_index INTEGER NOT NULL, claims INTEGER NOT NULL, unreadable INTEGER NOT NULL, surplus INTEGER NOT NULL,
        statement_bytes INTEGER NOT NULL, rolled_back INTEGER, fault TEXT,
        UNIQUE (origin, key, protocol)
      ) STRICT;
      CREATE TABLE statement (id INTEGER PRIMARY KEY, text TEXT NOT NULL) STRICT;
      CREATE TABLE claim (
        key BLOB NOT NULL, log INTEGER NOT NULL, claim INTEGER NOT NULL, statement INTEGER NOT NULL, seen INTEGER NOT NULL,
        PRIMARY KEY (key, log, claim)
      ) STRICT, WITHOUT ROWID;
      INSERT INTO log VALUES (1, 'log0.example', 'key 0', 'raw', 1, 'AAAA', 'note', 7, 1, 1, 0, 0, 9, NULL, NULL);
      INSERT INTO statement VALUES (1, 'statement');
      PRAGMA user_version = 1;
    `);
    old.prepare("INSERT INTO claim VALUES (?, 1, 0, 1, 5)").run(keyOf(3).subarray(0, 8));
    old.close();
    await using store = await ClaimStore.open(path);
    const { id } = await store.log(identity(0));
    expect(store.claims(keyOf(3))).toEqual([
      { log: id, index: 0, statement: "statement", seenAtMs: 5000, system: undefined },
    ]);
    expect(store.checkpoints(id, 9)).toEqual([{ size: 1, root: "AAAA", note: "note", seenAtMs: 7 }]);
    expect(await store.append(id, batch([[3, 1]], 1))).toMatchObject({ nextIndex: 2, claims: 2 });
  });
});
