// Which cache is preferred, and whose fault a late answer is.
import type { ServerResponse } from "node:http";
import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { openRemote } from "../fetch/open-remote.ts";
import { type Server, serve } from "./caches.test.util.ts";
import { Upstream } from "./upstream.ts";

const TIMEOUT_MS = 300;

let stack: AsyncDisposableStack;
let server: Server;
let answer: (response: ServerResponse) => void;
let failures: string[];
beforeEach(async () => {
  stack = new AsyncDisposableStack();
  answerLate(0);
  server = stack.use(await serve((_, response) => answer(response)));
  failures = [];
});
afterEach(() => stack.disposeAsync());

const hashPart = (n: number): string => String(n).padStart(32, "0");

function open({
  priority,
  maxConnections = 2,
  narInfoTimeoutMs = TIMEOUT_MS,
}: {
  priority?: number;
  maxConnections?: number;
  narInfoTimeoutMs?: number;
} = {}): Upstream {
  return new Upstream({
    name: "cache",
    remote: stack.use(openRemote(server.url, { maxConnections })),
    priority,
    verifiers: [],
    storeDir: "/nix/store",
    narInfoTimeoutMs,
    cacheBytes: 1 << 20,
    now: () => performance.now(),
    onFailure: (reason) => failures.push(reason),
  });
}

/** The server answers each request this late. */
function answerLate(delayMs: number): void {
  answer = (response) => void sleep(delayMs).then(() => response.writeHead(404).end());
}

describe("more questions than connections", () => {
  test("are not the cache's fault: it stays in use", async () => {
    // Sixty of these take nine seconds, and even a busy machine has a few done within two.
    answerLate(300);
    const upstream = open({ narInfoTimeoutMs: 2_000 });
    const answers = await Promise.all(Array.from({ length: 60 }, (_, n) => upstream.find(hashPart(n))));
    const kinds = Map.groupBy(answers, ({ kind }) => kind);
    expect(kinds.get("absent")!.length).toBeGreaterThan(3);
    for (const late of kinds.get("failed")!) {
      expect(late).toMatchObject({ reason: expect.stringContaining("this node's own") });
    }
    expect(failures).toEqual([]);
    expect(upstream.status()).toMatchObject({ state: "ok", failures: 0 });
    // Nothing of it is remembered: who asks again is answered.
    const last = hashPart(59);
    expect(await upstream.find(last)).toEqual({ kind: "absent" });
  });

  test("do not take the time from the one that has a connection", async () => {
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "performance"] });
    stack.defer(() => void vi.useRealTimers());
    const upstream = open({ maxConnections: 1 });
    // The store directory is known from here on.
    answer = (response) => response.writeHead(404).end();
    await upstream.find(hashPart(0));
    let asked = Promise.withResolvers<ServerResponse>();
    answer = (response) => asked.resolve(response);
    const first = upstream.find(hashPart(1));
    const second = upstream.find(hashPart(2));
    // The second one waits almost as long as it may, and then the answer takes as long again.
    for (const asking of [first, second]) {
      const response = await asked.promise;
      vi.advanceTimersByTime(TIMEOUT_MS * 0.9);
      asked = Promise.withResolvers();
      response.writeHead(404).end();
      expect(await asking).toEqual({ kind: "absent" });
    }
  });

  test("do not hide that a cache is dead", async () => {
    answer = () => {};
    const upstream = open({ maxConnections: 4 });
    for (let n = 0; n < 3; n++) {
      expect(await upstream.find(hashPart(n))).toMatchObject({ kind: "failed" });
    }
    expect(failures).toHaveLength(3);
    expect(upstream.status().state).toBe("failing");
    expect(upstream.find(hashPart(9))).toMatchObject({ reason: "left alone after 3 failures" });
  });
});

test("the rank is by faults first, then by priority, then by speed", async () => {
  const [near, far] = [open({ priority: 10 }), open({ priority: 11 })];
  answerLate(30);
  await near.find(hashPart(1));
  expect(near.rank).toBeLessThan(far.rank);
  expect(open().rank).toBeGreaterThan(far.rank);
  near.fail(new Error("reset"));
  expect(near.rank).toBeGreaterThan(far.rank);
  far.markWrong("sha256:x");
  expect(near.rank).toBeLessThan(far.rank);
  answerLate(0);
  const [slow, fast] = [open(), open()];
  await fast.find(hashPart(1));
  answerLate(100);
  await slow.find(hashPart(1));
  expect(fast.rank).toBeLessThan(slow.rank);
});
