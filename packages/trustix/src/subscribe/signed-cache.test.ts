// A signed cache as a voter, and every way in which a cache may be broken.

import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  createSigner,
  formatFingerprint,
  formatNarInfo,
  formatPublicKey,
  generateKey,
  type NarInfo,
  parseFingerprint,
  type Signer,
} from "@trustix/nix";
import { encodeUtf8 } from "@trustix/tlog";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { openPeer, type Peer } from "../fetch/peer.ts";
import type { Answer } from "../votes/vote.ts";
import { type CacheLimits, defaultCacheLimits } from "./options.ts";
import { SignedCache } from "./signed-cache.ts";
import { Subscriptions } from "./subscriptions.ts";
import { sampleHashPart, sampleStatement, TestServer } from "./test-log.test.util.ts";

let stack: AsyncDisposableStack;
let server: TestServer;
let signer: Signer;
let now: number;
beforeEach(async () => {
  stack = new AsyncDisposableStack();
  server = stack.use(await TestServer.start(new Map()));
  signer = await createSigner(await generateKey("cache.example-1", new Uint8Array(32).fill(1)));
  now = 1_000_000;
});
afterEach(() => stack.disposeAsync());

async function open(
  limits: Partial<CacheLimits> = {},
  address = server.address,
  peer: Peer = stack.use(openPeer(address)),
): Promise<SignedCache> {
  const subscription = {
    name: "cache",
    operator: "carol",
    address,
    keys: [formatPublicKey(signer.publicKey)],
  };
  const cache = await SignedCache.open(subscription, {
    peer,
    limits: { ...defaultCacheLimits, timeoutMs: 500, ...limits },
    storeDir: "/nix/store",
    now: () => now,
    random: () => 0.5,
  });
  stack.defer(() => cache.close());
  return cache;
}

async function narinfo(n: number, changes: Partial<NarInfo> = {}, by = signer): Promise<string> {
  const facts = parseFingerprint(sampleStatement(n));
  const info = { ...facts, url: "nar/x.nar", compression: "none", signatures: [], ...changes };
  return formatNarInfo({ ...info, signatures: [await by.sign(formatFingerprint(facts))] });
}

const publish = (n: number, text: string) =>
  server.files.set(`${sampleHashPart(n)}.narinfo`, encodeUtf8(text));

const unreachable = (answer: Answer) =>
  answer.kind === "unreachable" ? answer.reason : `not: ${answer.kind}`;

describe("a signed cache", () => {
  it("is not blamed for more questions than there are connections", async () => {
    server.hook = (_, response) => {
      setTimeout(() => response.writeHead(404).end(), 300);
      return true;
    };
    const peer = stack.use(openPeer(server.address, { maxConnections: 2 }));
    const cache = await open({ timeoutMs: 2_000 }, server.address, peer);
    const answers = await Promise.all(Array.from({ length: 60 }, (_, n) => cache.ask(sampleHashPart(n))));
    const late = answers.filter(({ kind }) => kind === "unreachable");
    expect(late.length).toBeGreaterThan(0);
    for (const answer of late) expect(unreachable(answer)).toContain("this node's own");
    expect(cache.status()).toMatchObject({ health: "ok", failures: 0, lastError: undefined });
    expect(await cache.ask(sampleHashPart(59))).toEqual({ kind: "absent" });
  });

  it("states what its narinfo says, word for word as a log would", async () => {
    publish(1, await narinfo(1));
    const cache = await open();
    expect(await cache.ask(sampleHashPart(1))).toEqual({
      kind: "claims",
      claims: [{ statement: sampleStatement(1), evidence: { kind: "signed", keyName: "cache.example-1" } }],
    });
    expect(await cache.ask(sampleHashPart(2))).toEqual({ kind: "absent" });
    expect(cache.status()).toMatchObject({ health: "ok", requests: 2, failures: 0 });
  });

  it("remembers answers for a time, and asks once for many who ask at the same time", async () => {
    publish(1, await narinfo(1));
    const cache = await open({ claimTtlMs: 1000, absentTtlMs: 100 });
    await Promise.all(Array.from({ length: 20 }, () => cache.ask(sampleHashPart(1))));
    await cache.ask(sampleHashPart(2));
    expect(server.requests).toHaveLength(2);
    now += 500;
    await cache.ask(sampleHashPart(1));
    await cache.ask(sampleHashPart(2));
    expect(server.requests).toHaveLength(3);
    now += 501;
    await cache.ask(sampleHashPart(1));
    expect(server.requests).toHaveLength(4);
  });

  it.each([
    ["HTML with status 200", async () => "<html><body>Sign in</body></html>\n", /NarInfo|narinfo/i],
    ["a narinfo cut off", async () => (await narinfo(1)).slice(0, -5), /newline/],
    ["another path's narinfo", () => narinfo(2), /is about/],
    [
      "a signature by another key",
      async () => {
        const other = await createSigner(await generateKey("other-1", new Uint8Array(32).fill(2)));
        return narinfo(1, {}, other);
      },
      /no valid signature/,
    ],
    [
      "a false signature in the key's name",
      async () => {
        const other = await createSigner(await generateKey("cache.example-1", new Uint8Array(32).fill(2)));
        return narinfo(1, {}, other);
      },
      /no valid signature/,
    ],
    ["a signature over another size", () => narinfo(1, { narSize: 5 }), /no valid signature/],
    [
      "more than a narinfo can have",
      async () => `${await narinfo(1)}X: ${"x".repeat(2 << 20)}\n`,
      /more than/,
    ],
  ])("is unreachable when it gives %s", async (_, text, reason) => {
    publish(1, await text());
    const cache = await open();
    expect(unreachable(await cache.ask(sampleHashPart(1)))).toMatch(reason);
  });

  it.each([500, 502, 429, 401, 418])("is unreachable when it answers %i", async (status) => {
    server.hook = (_, response) => {
      response.writeHead(status).end("no");
      return true;
    };
    const cache = await open();
    expect(unreachable(await cache.ask(sampleHashPart(1)))).toContain(`status ${status}`);
  });

  it.each([404, 410, 403])("has nothing when it answers %i", async (status) => {
    server.hook = (_, response) => {
      response.writeHead(status).end("no");
      return true;
    };
    const cache = await open();
    expect(await cache.ask(sampleHashPart(1))).toEqual({ kind: "absent" });
  });

  it("is left alone after failures, and then tried with one question", async () => {
    const cache = await open({ failuresToOpen: 3, openMs: 1000, maxOpenMs: 8000 }, "http://127.0.0.1:1");
    for (let i = 0; i < 10; i++) await cache.ask(sampleHashPart(i));
    expect(cache.status()).toMatchObject({ health: "resting", requests: 3, restsUntilMs: now + 1000 });
    now += 1001;
    await Promise.all([cache.ask(sampleHashPart(1)), cache.ask(sampleHashPart(2))]);
    expect(cache.status()).toMatchObject({ requests: 4, restsUntilMs: now + 2000 });
  });

  it("comes back", async () => {
    let isDown = true;
    publish(1, await narinfo(1));
    server.hook = (_, response) => {
      if (isDown) response.writeHead(503).end();
      return isDown;
    };
    const cache = await open({ failuresToOpen: 2, openMs: 1000 });
    for (let i = 0; i < 3; i++) await cache.ask(sampleHashPart(i));
    isDown = false;
    now += 1001;
    expect(await cache.ask(sampleHashPart(1))).toMatchObject({ kind: "claims" });
    expect(cache.status()).toMatchObject({ health: "ok", restsUntilMs: undefined });
  });

  it("takes no more questions than it may", async () => {
    server.hook = () => true;
    const cache = await open({ maxPending: 2 });
    const answers = await Promise.all([1, 2, 3].map((n) => cache.ask(sampleHashPart(n))));
    expect(answers.map(unreachable)).toEqual([
      "no answer within 500 ms",
      "no answer within 500 ms",
      "too many questions under way",
    ]);
  });
});

describe("subscriptions to caches", () => {
  it("answer within the budget, whatever a cache does", async () => {
    const root = await mkdtemp(join(tmpdir(), "caches-"));
    stack.defer(() => rm(root, { recursive: true }));
    publish(1, await narinfo(1));
    const hanging = stack.use(await TestServer.start(new Map()));
    hanging.hook = () => true;
    const keys = [formatPublicKey(signer.publicKey)];
    const subscriptions = stack.use(
      await Subscriptions.open({
        directory: join(root, "state"),
        caches: [
          { name: "hanging", operator: "a", address: hanging.address, keys },
          { name: "good", operator: "b", address: server.address, keys },
        ],
      }),
    );
    const subject = { protocol: "nix", hashPart: sampleHashPart(1) } as const;
    const answers = await subscriptions.ask(subject, { budgetMs: 1_000 });
    expect(answers.map(({ answer }) => answer.kind)).toEqual(["unreachable", "claims"]);
    expect(unreachable(answers[0]!.answer)).toBe("no answer within 1000 ms");
    const withdrawn = await subscriptions.ask(subject, { signal: AbortSignal.abort() });
    expect(unreachable(withdrawn[0]!.answer)).toMatch(/withdrawn/);
    const malformed = async () => subscriptions.ask({ protocol: "nix", hashPart: "../../etc/passwd" });
    await expect(malformed()).rejects.toMatchObject({
      code: "INVALID_ARGUMENT",
    });
  });

  it("are remembered across restarts: for trying policies, and for whoever counts", async () => {
    const root = await mkdtemp(join(tmpdir(), "caches-"));
    stack.defer(() => rm(root, { recursive: true }));
    publish(1, await narinfo(1));
    publish(2, await narinfo(2));
    const keys = [formatPublicKey(signer.publicKey)];
    const options = {
      directory: join(root, "state"),
      caches: [{ name: "cache", operator: "carol", address: server.address, keys }],
    };
    const ask = (subscriptions: Subscriptions, n: number) =>
      subscriptions.ask({ protocol: "nix", hashPart: sampleHashPart(n) });
    const clock = { now: () => now, random: () => 0.5 };
    {
      await using subscriptions = await Subscriptions.open(options, clock);
      for (const n of [1, 1, 2, 3]) await ask(subscriptions, n);
    }
    const changed = { ...parseFingerprint(sampleStatement(1)), narSize: 999 };
    const signatures = [await signer.sign(formatFingerprint(changed))];
    publish(1, formatNarInfo({ ...changed, url: "nar/x.nar", compression: "none", signatures }));
    now += 10_000;
    {
      await using subscriptions = await Subscriptions.open(options, clock);
      await ask(subscriptions, 1);
    }
    await using subscriptions = await Subscriptions.open(options, clock);
    const recalled = new Map<string, Answer>();
    for await (const { hashPart, answers } of subscriptions.recall()) {
      expect(answers).toHaveLength(1);
      expect(answers[0]).toMatchObject({ operator: "carol", subscription: "cache" });
      recalled.set(hashPart, answers[0]!.answer);
    }
    // Of what it said at different times the last counts, as when it is asked.
    expect([...recalled.keys()].sort()).toEqual([sampleHashPart(1), sampleHashPart(2)].sort());
    expect(recalled.get(sampleHashPart(2))).toEqual({
      kind: "claims",
      claims: [{ statement: sampleStatement(2), evidence: { kind: "signed", keyName: "cache.example-1" } }],
    });
    expect(recalled.get(sampleHashPart(1))).toMatchObject({
      claims: [{ statement: expect.stringContaining(";999;") }],
    });
    expect(subscriptions.claims.logs).toEqual([
      { log: expect.any(Number), operator: "carol", subscription: "cache" },
    ]);
  });
});
