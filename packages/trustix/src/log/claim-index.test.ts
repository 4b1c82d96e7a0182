import { createHash, randomBytes } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import type { TrustixError } from "../errors.ts";
import { ClaimIndex, claimId } from "./claim-index.ts";

const root = mkdtempSync(join(tmpdir(), "trustix-index-"));
afterAll(() => rmSync(root, { recursive: true }));

const logId = new Uint8Array(32);
const code = (expected: TrustixError["code"]) => expect.objectContaining({ code: expected });
const keyOf = (n: number) => createHash("sha256").update(`${n}`).digest();
const idOf = (n: number) => claimId(keyOf(n % 30_000), `statement ${n}`);
let files = 0;
const newPath = () => join(root, `${files++}.db`);

function fill(index: ClaimIndex, to: number): void {
  while (index.size < to) index.add(idOf(index.size));
}

describe("ClaimIndex", () => {
  it("finds claims by statement and by key, in memory, on the way and in the database", async () => {
    using index = ClaimIndex.open(newPath(), logId);
    fill(index, 20_000);
    const moving = index.settle(20_000);
    fill(index, 45_000);
    const check = () => {
      for (let n = 0; n < 45_000; n += 997) expect(index.find(idOf(n))).toBe(n);
      expect(index.find(idOf(45_000))).toBeUndefined();
      expect(index.candidates(keyOf(5))).toEqual([5, 30_005]);
      expect(index.candidates(keyOf(29_999))).toEqual([29_999]);
      expect(index.candidates(randomBytes(32))).toEqual([]);
      for (let n = 0; n < 30_000; n += 997) expect(index.has(keyOf(n))).toBe(true);
      expect(index.has(randomBytes(32))).toBe(false);
    };
    check();
    await moving;
    expect(index.cursor).toBe(20_000);
    check();
    await index.flush();
    expect(index.cursor).toBe(45_000);
    check();
  });

  it("puts into the database only what is published", async () => {
    using index = ClaimIndex.open(newPath(), logId);
    fill(index, 20_000);
    await index.settle(19_999);
    expect(index.cursor).toBe(0);
    await index.settle(20_000);
    expect(index.cursor).toBe(20_000);
    expect(index.backlog).toBe(0);
  });

  it("tells key and statement apart", () => {
    const key = keyOf(1);
    expect(claimId(key, "a")).not.toEqual(claimId(key, "b"));
    expect(claimId(key, "a").key).toBe(claimId(key, "b").key);
    expect(claimId(keyOf(2), "a").digest).not.toBe(claimId(key, "a").digest);
  });

  it("is kept over a restart, and made again when it is damaged or another log's", async () => {
    const path = newPath();
    {
      using index = ClaimIndex.open(path, logId);
      fill(index, 20_000);
      await index.flush();
    }
    {
      using index = ClaimIndex.open(path, logId);
      expect(index.cursor).toBe(20_000);
      expect(index.find(idOf(77))).toBe(77);
    }
    ClaimIndex.open(path, new Uint8Array(32).fill(1))[Symbol.dispose]();
    {
      using index = ClaimIndex.open(path, logId);
      expect(index.cursor).toBe(0);
      fill(index, 20_000);
      await index.flush();
    }
    truncateSync(path, 5000);
    writeFileSync(path, "no database", { flag: "r+" });
    using index = ClaimIndex.open(path, logId);
    expect(index.cursor).toBe(0);
  });

  it("says which file to delete when rows are damaged", async () => {
    const path = newPath();
    {
      using index = ClaimIndex.open(path, logId);
      fill(index, 20_000);
      await index.flush();
    }
    // The first pages, with the schema and the cursor, stay whole.
    writeFileSync(path, readFileSync(path).fill(255, 3 * 4096));
    using index = ClaimIndex.open(path, logId);
    expect(index.cursor).toBe(20_000);
    for (const read of [
      () => index.find(idOf(77)),
      () => index.has(keyOf(77)),
      () => index.candidates(keyOf(77)),
    ]) {
      expect(read).toThrowError(code("STATE_CORRUPT"));
    }
  });

  it("has one user at a time", () => {
    const path = newPath();
    using _index = ClaimIndex.open(path, logId);
    expect(() => ClaimIndex.open(path, logId)).toThrowError(code("STATE_LOCKED"));
    expect(() => ClaimIndex.open(join(root, "missing", "index.db"), logId)).toThrowError(
      code("STORAGE_FAILED"),
    );
  });
});
