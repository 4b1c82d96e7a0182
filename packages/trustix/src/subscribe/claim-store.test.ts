import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { mapKey } from "@trustix/nix";
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
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
});
