import { execFileSync } from "node:child_process";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { parseStorePath, type StorePath } from "@trustix/nix";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { TrustixError } from "../errors.ts";
import type { Build, Outcome } from "./publisher.ts";
import { Spool, type SpoolEvent, type SpoolOptions } from "./spool.ts";
import { SPOOL_DIR_MODE, SpoolDir } from "./spool-dir.ts";
import { formatSpoolMessage, MAX_SPOOL_MESSAGE_BYTES } from "./spool-message.ts";

const NOW = 1_800_000_000_000;
const storePath = (n: number, name = "a") =>
  parseStorePath(`/nix/store/${String(n).padStart(32, "0")}-${name}`);
const drv = (n: number) => storePath(n, "a.drv");

let root: string;
let dir: SpoolDir;
let events: SpoolEvent[];
let published: Build[][];

beforeEach(async () => {
  root = mkdtempSync(join(tmpdir(), "spool-"));
  dir = new SpoolDir(join(root, "state", "spool"));
  await dir.create();
  events = [];
  published = [];
});
afterEach(() => rmSync(root, { recursive: true }));

const claimed = (build: Build): Outcome => ({ path: build.path, status: "claimed", index: 0, isNew: true });

function makeSpool(over: Partial<SpoolOptions> = {}): Spool {
  return new Spool({
    dir,
    nix: { storeDir: "/nix/store", validOutputsOf: async () => [] },
    publisher: {
      publish: async (builds) => {
        published.push([...builds]);
        return builds.map(claimed);
      },
    },
    onEvent: (event) => events.push(event),
    now: () => NOW,
    sleep: (durationMs, signal) => delay(durationMs, undefined, { signal }),
    ...over,
  });
}

function put(name: string, content: string | Uint8Array, ageMs = 0): void {
  const file = join(dir.path, name);
  writeFileSync(file, content);
  utimesSync(file, (NOW - ageMs) / 1000, (NOW - ageMs) / 1000);
}

const message = (n: number, ...outPaths: StorePath[]) => formatSpoolMessage({ drvPath: drv(n), outPaths });
const left = () => readdirSync(dir.path).filter((name) => name !== "rejected");
const rejected = () => events.filter((event) => event.type === "rejected").map((event) => event.file);

describe("scan", () => {
  it("publishes oldest first and then deletes the messages", async () => {
    put("b", message(2, storePath(20), storePath(21)), 1000);
    put("a", message(1, storePath(10)), 500);
    expect(await makeSpool().scan()).toBe(2);
    expect(published).toEqual([
      [
        { path: storePath(20), drvPath: drv(2), kind: "built", finishedMs: NOW - 1000 },
        { path: storePath(21), drvPath: drv(2), kind: "built", finishedMs: NOW - 1000 },
        { path: storePath(10), drvPath: drv(1), kind: "built", finishedMs: NOW - 500 },
      ],
    ]);
    expect(left()).toEqual([]);
    expect(events.map((event) => event.type)).toEqual(["outcome", "outcome", "outcome"]);
  });

  it("works through many messages in batches", async () => {
    for (let i = 0; i < 150; i++) put(`m${i}`, message(i, storePath(1000 + i)), 1000 - i);
    expect(await makeSpool().scan()).toBe(150);
    expect(published.map((batch) => batch.length)).toEqual([64, 64, 22]);
    expect(published.flat().map(({ path }) => path)).toEqual(
      Array.from({ length: 150 }, (_, i) => storePath(1000 + i)),
    );
  });

  it("keeps every message of a batch that could not be published", async () => {
    put("a", message(1, storePath(10)));
    const publish = vi.fn().mockRejectedValueOnce(new TrustixError("NIX_UNAVAILABLE", "down"));
    await expect(makeSpool({ publisher: { publish } }).scan()).rejects.toMatchObject({
      code: "NIX_UNAVAILABLE",
    });
    expect(left()).toEqual(["a"]);
  });

  it("asks Nix for the outputs that the hook was not told", async () => {
    put("a", message(1));
    put("b", message(2));
    const validOutputsOf = async (path: StorePath) => (path === drv(1) ? [storePath(10), storePath(11)] : []);
    expect(await makeSpool({ nix: { storeDir: "/nix/store", validOutputsOf } }).scan()).toBe(2);
    expect(published.flat().map(({ path }) => path)).toEqual([storePath(10), storePath(11)]);
    expect(events).toContainEqual({ type: "no-outputs", file: "b", drvPath: drv(2) });
    expect(left()).toEqual([]);
  });

  it("waits for the end of a message, but not for ever", async () => {
    put("young", message(1, storePath(10)).subarray(0, 40), 59_000);
    put("old", message(1, storePath(10)).subarray(0, 40), 61_000);
    put("empty", "", 61_000);
    expect(await makeSpool().scan()).toBe(0);
    expect(left()).toEqual(["young"]);
    expect(rejected().sort()).toEqual(["empty", "old"]);
  });

  it("moves everything else aside with the reason, and publishes the good ones", async () => {
    const secret = join(root, "secret");
    writeFileSync(secret, message(9, storePath(90)));
    put("garbage", "\xff\0 garbage");
    put("large", new Uint8Array(MAX_SPOOL_MESSAGE_BYTES + 1));
    symlinkSync(secret, join(dir.path, "link"));
    symlinkSync("/nonexistent", join(dir.path, "dangling"));
    mkdirSync(join(dir.path, "directory"));
    writeFileSync(join(dir.path, "directory", "inside"), "x");
    execFileSync("mkfifo", [join(dir.path, "fifo")]);
    const server = createServer().listen(join(dir.path, "socket"));
    await new Promise((resolve) => server.once("listening", resolve));
    put("good", message(1, storePath(10)));

    expect(await makeSpool().scan()).toBe(1);
    server.close();
    expect(published.flat().map(({ path }) => path)).toEqual([storePath(10)]);
    expect(left()).toEqual([]);
    const bad = ["dangling", "directory", "fifo", "garbage", "large", "link", "socket"];
    expect(rejected().sort()).toEqual(bad);
    const kept = join(dir.path, "rejected");
    const reasons = readdirSync(kept).filter((name) => name.endsWith(".reason"));
    expect(
      reasons.map((name) => /^"(\w+)": ./.exec(readFileSync(join(kept, name), "utf8"))?.[1]).sort(),
    ).toEqual(bad);
    expect(readFileSync(secret)).toEqual(Buffer.from(message(9, storePath(90))));
    expect(await makeSpool().scan()).toBe(0);
  });

  it("deletes what is rejected once enough of it is kept", async () => {
    const kept = join(dir.path, "rejected");
    for (let i = 0; i < 2000; i++) writeFileSync(join(kept, String(i)), "");
    put("garbage", "garbage");
    mkdirSync(join(dir.path, "directory"));
    await makeSpool().scan();
    expect(left()).toEqual([]);
    expect(readdirSync(kept)).toHaveLength(2000);
  });

  it.skipIf(process.getuid?.() === 0)("moves aside what this user may not read", async () => {
    put("closed", message(1, storePath(10)));
    chmodSync(join(dir.path, "closed"), 0);
    await makeSpool().scan();
    expect(rejected()).toEqual(["closed"]);
  });

  it("says when the spool is gone", async () => {
    rmSync(dir.path, { recursive: true });
    await expect(makeSpool().scan()).rejects.toMatchObject({ code: "STORAGE_FAILED" });
  });
});

describe("create", () => {
  it("makes a private directory that hands its group on, and leaves one that is there alone", async () => {
    expect(statSync(dir.path).mode & 0o7777).toBe(SPOOL_DIR_MODE);
    expect(statSync(join(dir.path, "rejected")).mode & 0o777).toBe(0o700);
    chmodSync(dir.path, 0o2770);
    await dir.create();
    expect(statSync(dir.path).mode & 0o7777).toBe(0o2770);
  });
});

describe("run", () => {
  async function during(spool: Spool, action: () => Promise<void>): Promise<void> {
    const abort = new AbortController();
    const running = spool.run(abort.signal);
    try {
      await action();
    } finally {
      abort.abort();
      await running;
    }
  }

  it("publishes what is there and what comes, long before the next regular scan", async () => {
    put("a", message(1, storePath(10)));
    await during(makeSpool({ scanIntervalMs: 3_600_000 }), async () => {
      await vi.waitFor(() => expect(left()).toEqual([]), 5000);
      put("b", message(2, storePath(20)));
      await vi.waitFor(
        () => expect(published.flat().map(({ path }) => path)).toEqual([storePath(10), storePath(20)]),
        5000,
      );
    });
  });

  it("waits longer after each failure, and goes on when Nix is back", async () => {
    put("a", message(1, storePath(10)));
    let failures = 6;
    const publish = async (builds: readonly Build[]) => {
      if (failures-- > 0) throw new TrustixError("NIX_UNAVAILABLE", "down");
      return builds.map(claimed);
    };
    const waits: number[] = [];
    const sleep = (durationMs: number, signal?: AbortSignal) => {
      if (durationMs >= 1000 && durationMs < 3_600_000) waits.push(durationMs);
      return delay(durationMs < 3_600_000 ? 0 : durationMs, undefined, { signal });
    };
    await during(makeSpool({ publisher: { publish }, sleep, scanIntervalMs: 3_600_000 }), () =>
      vi.waitFor(() => expect(left()).toEqual([]), 5000),
    );
    expect(waits).toEqual([1000, 2000, 4000, 8000, 16_000, 32_000]);
    expect(events.filter((event) => event.type === "failed")).toHaveLength(6);
  });

  it("makes the spool again when someone deleted it", async () => {
    await during(
      makeSpool({
        scanIntervalMs: 10,
        sleep: (ms, signal) => delay(Math.min(ms, 10), undefined, { signal }),
      }),
      async () => {
        rmSync(dir.path, { recursive: true });
        await vi.waitFor(() => expect(existsSync(join(dir.path, "rejected"))).toBe(true), 5000);
        put("a", message(1, storePath(10)));
        await vi.waitFor(() => expect(published).not.toEqual([]), 5000);
      },
    );
  });

  it("ends at once when aborted, also in the middle of a batch", async () => {
    put("a", message(1, storePath(10)));
    const publish = (_: readonly Build[], signal?: AbortSignal) =>
      new Promise<Outcome[]>((_, reject) => signal?.addEventListener("abort", () => reject(signal.reason)));
    await during(makeSpool({ publisher: { publish } }), () => delay(100));
    expect(left()).toEqual(["a"]);
    expect(events).toEqual([]);
  });

  it("ends at once when aborted while the spool is being listed", async () => {
    const abort = new AbortController();
    const list = vi.spyOn(dir, "list").mockImplementation(async () => {
      abort.abort();
      return [];
    });
    await makeSpool({ scanIntervalMs: 3_600_000 }).run(abort.signal);
    expect(list).toHaveBeenCalledOnce();
  });
});
