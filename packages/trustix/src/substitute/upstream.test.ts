// Which cache is preferred, and whose fault a late answer is.
import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { openRemote } from "../fetch/open-remote.ts";
import { sampleHashPart, TestServer } from "../subscribe/test-log.test.util.ts";
import { Upstream } from "./upstream.ts";

const TIMEOUT_MS = 300;

let stack: AsyncDisposableStack;
let server: TestServer;
let failures: string[];
beforeEach(async () => {
  stack = new AsyncDisposableStack();
  server = stack.use(await TestServer.start(new Map()));
  failures = [];
});
afterEach(() => stack.disposeAsync());

function open({
  priority,
  maxConnections = 2,
}: {
  priority?: number;
  maxConnections?: number;
} = {}): Upstream {
  return new Upstream({
    name: "cache",
    remote: stack.use(openRemote(server.address, { maxConnections })),
    priority,
    verifiers: [],
    storeDir: "/nix/store",
    narInfoTimeoutMs: TIMEOUT_MS,
    cacheBytes: 1 << 20,
    now: () => performance.now(),
    onFailure: (reason) => failures.push(reason),
  });
}

/** The server answers each request this late. */
function answerLate(delayMs: number): void {
  server.hook = (_, response) => {
    void sleep(delayMs).then(() => response.writeHead(404).end());
    return true;
  };
}

describe("more questions than connections", () => {
  test("are not the cache's fault: it stays in use", async () => {
    answerLate(50);
    const upstream = open();
    const answers = await Promise.all(Array.from({ length: 60 }, (_, n) => upstream.find(sampleHashPart(n))));
    const kinds = Map.groupBy(answers, ({ kind }) => kind);
    expect(kinds.get("absent")!.length).toBeGreaterThan(3);
    for (const answer of kinds.get("failed")!) {
      expect(answer).toMatchObject({ reason: expect.stringContaining("this node's own") });
    }
    expect(failures).toEqual([]);
    expect(upstream.status()).toMatchObject({ state: "ok", failures: 0 });
    // Nothing of it is remembered: who asks again is answered.
    const last = sampleHashPart(59);
    expect(await upstream.find(last)).toEqual({ kind: "absent" });
  });

  test("do not take the time from the one that has a connection", async () => {
    answerLate(TIMEOUT_MS * 0.7);
    const upstream = open({ maxConnections: 1 });
    const first = upstream.find(sampleHashPart(1));
    // Waits almost as long as it may, and then the answer takes as long again.
    const second = upstream.find(sampleHashPart(2));
    server.hook = (_, response) => {
      void sleep(TIMEOUT_MS * 0.4).then(() => response.writeHead(404).end());
      return true;
    };
    expect([await first, await second]).toEqual([{ kind: "absent" }, { kind: "absent" }]);
  });

  test("do not hide that a cache is dead", async () => {
    server.hook = () => true;
    const upstream = open({ maxConnections: 4 });
    for (let n = 0; n < 3; n++) {
      expect(await upstream.find(sampleHashPart(n))).toMatchObject({ kind: "failed" });
    }
    expect(failures).toHaveLength(3);
    expect(upstream.status().state).toBe("failing");
    expect(upstream.find(sampleHashPart(9))).toMatchObject({ reason: "left alone after 3 failures" });
  });
});

test("the rank is by faults first, then by priority, then by speed", async () => {
  const [near, far] = [open({ priority: 10 }), open({ priority: 11 })];
  answerLate(30);
  await near.find(sampleHashPart(1));
  expect(near.rank).toBeLessThan(far.rank);
  expect(open().rank).toBeGreaterThan(far.rank);
  near.fail(new Error("reset"));
  expect(near.rank).toBeGreaterThan(far.rank);
  far.markWrong("sha256:x");
  expect(near.rank).toBeLessThan(far.rank);
  answerLate(0);
  const [slow, fast] = [open(), open()];
  await fast.find(sampleHashPart(1));
  answerLate(100);
  await slow.find(sampleHashPart(1));
  expect(fast.rank).toBeLessThan(slow.rank);
});
