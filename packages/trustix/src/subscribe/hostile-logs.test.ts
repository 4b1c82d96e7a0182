// A hostile or broken log beside two good ones: the good ones are followed as if it were not there, and it never counts
// for more than it proves.

import { mkdtemp, readFile, rm } from "node:fs/promises";
import { createServer, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import {
  createCosigner,
  createPrivateKey,
  createSigner,
  deriveVerifierKey,
  encodeUtf8,
  formatCheckpoint,
  KEY_TYPE_COSIGNATURE_V1,
  KEY_TYPE_ED25519,
  parseNote,
  signNote,
} from "@trustix/tlog";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { verifyEvidence } from "./evidence.ts";
import type { LogStatus } from "./log-status.ts";
import { Subscriptions, type SubscriptionsOptions } from "./subscriptions.ts";
import {
  sampleEntries,
  sampleEntry,
  sampleHashPart,
  sampleStatement,
  TestLog,
  TestServer,
  until,
} from "./test-log.test.util.ts";

const peerLimits = {
  headersTimeoutMs: 200,
  pace: { idleMs: 150, minBytesPerSecond: 3400, windowMs: 150 },
  totalTimeoutMs: 2000,
  maxRedirects: 3,
};
const mirrorLimits = { pollIntervalMs: 40, maxBackoffMs: 80, rollbackGraceMs: 0 };

let root: string;
let good: { log: TestLog; server: TestServer }[];
let stack: AsyncDisposableStack;
beforeEach(async () => {
  stack = new AsyncDisposableStack();
  root = await mkdtemp(join(tmpdir(), "hostile-"));
  stack.defer(() => rm(root, { recursive: true }));
  good = [];
  for (const name of ["alice", "bob"]) {
    const log = await TestLog.create(`${name}.example/log`);
    await log.append(sampleEntries(0, 600));
    good.push({ log, server: stack.use(await TestServer.start(log.files)) });
  }
});
afterEach(() => stack.disposeAsync());

/** Follows the good logs and `eve`. */
async function follow(log: TestLog, address: string): Promise<Subscriptions> {
  const options: SubscriptionsOptions = {
    directory: join(root, "state"),
    logs: [
      log.subscription("eve", address),
      ...good.map(({ log, server }, i) => log.subscription(["alice", "bob"][i]!, server.address)),
    ],
    mirrorLimits,
  };
  return stack.use(await Subscriptions.open(options, { peerLimits }));
}

function statusOf(subscriptions: Subscriptions, name: string): LogStatus {
  return subscriptions.status().find(({ subscription }) => subscription === name) as LogStatus;
}

/** The good logs are read, grow, and are read again, while `eve` is what she is. */
async function expectGoodLogs(subscriptions: Subscriptions): Promise<void> {
  for (const name of ["alice", "bob"]) await until(() => statusOf(subscriptions, name).health === "ok");
  for (const { log } of good) await log.append(sampleEntries(600, 1));
  for (const name of ["alice", "bob"]) await until(() => statusOf(subscriptions, name).size === 601);
  for (const name of ["alice", "bob"]) await until(() => statusOf(subscriptions, name).health === "ok");
  const answers = await subscriptions.ask({ protocol: "nix", hashPart: sampleHashPart(600) });
  for (const { subscription, answer } of answers) {
    if (subscription === "eve") expect(answer.kind).not.toBe("absent");
    else expect(answer).toMatchObject({ kind: "claims", claims: [{ statement: sampleStatement(600) }] });
  }
}

async function expectFailing(subscriptions: Subscriptions, code: string): Promise<void> {
  await expectGoodLogs(subscriptions);
  await until(() => statusOf(subscriptions, "eve").lastError !== undefined);
  expect(statusOf(subscriptions, "eve")).toMatchObject({ health: "failing", lastError: { code } });
}

const evil = async (count = 600): Promise<TestLog> => {
  const log = await TestLog.create("eve.example/log");
  await log.append(sampleEntries(0, count, 1));
  return log;
};

describe("beside two good logs, a log that", () => {
  it("is dead", async () => {
    await expectFailing(await follow(await evil(), "http://127.0.0.1:1"), "PEER_UNREACHABLE");
  });

  it("is a black hole", async () => {
    const sockets: Socket[] = [];
    const server = createServer((socket) => sockets.push(socket.on("error", () => {})));
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    stack.defer(() => {
      for (const socket of sockets) socket.destroy();
      server.close();
    });
    const { port } = server.address() as { port: number };
    await expectFailing(await follow(await evil(), `http://127.0.0.1:${port}`), "PEER_UNREACHABLE");
  });

  it("drips", async () => {
    const log = await evil();
    const server = stack.use(await TestServer.start(log.files));
    server.hook = (_, response) => {
      response.writeHead(200);
      const timer = setInterval(() => response.write("a"), 20);
      response.on("close", () => clearInterval(timer));
      return true;
    };
    await expectFailing(await follow(log, server.address), "PEER_UNREACHABLE");
  });

  it("redirects for ever", async () => {
    const log = await evil();
    const server = stack.use(await TestServer.start(log.files));
    server.hook = (_, response, path) => {
      response.writeHead(302, { location: `/${path}x` }).end();
      return true;
    };
    await expectFailing(await follow(log, server.address), "PEER_MISBEHAVED");
    expect(Math.max(...server.requests.map((path) => path.length))).toBe("checkpoint".length + 3);
  });

  it("redirects to a file or to plain text", async () => {
    const log = await evil();
    const server = stack.use(await TestServer.start(log.files));
    server.hook = (_, response) => {
      response.writeHead(302, { location: "file:///etc/passwd" }).end();
      return true;
    };
    await expectFailing(await follow(log, server.address), "PEER_MISBEHAVED");
  });

  it.each(["checkpoint", "tile/0/", "tile/entries/"])("sends %s without end", async (prefix) => {
    const log = await evil();
    const server = stack.use(await TestServer.start(log.files));
    const chunk = Buffer.alloc(1 << 20, "a");
    let sent = 0;
    server.hook = (_, response, path) => {
      if (!path.startsWith(prefix)) return false;
      response.writeHead(200, { "content-length": "9000000000000000" });
      const more = () => {
        sent += chunk.length;
        if (!response.destroyed) response.write(chunk, () => setImmediate(more));
      };
      more();
      return true;
    };
    const code = prefix === "checkpoint" ? "PEER_MISBEHAVED" : "FETCH_FAILED";
    await expectFailing(await follow(log, server.address), code);
    expect(sent).toBeGreaterThan(0);
  });

  it("sends a bundle that unpacks without end", async () => {
    const log = await evil();
    const server = stack.use(await TestServer.start(log.files));
    const bomb = gzipSync(Buffer.alloc(64 << 20));
    server.hook = (_, response, path) => {
      if (!path.startsWith("tile/entries/")) return false;
      response.writeHead(200, { "content-encoding": "gzip" }).end(bomb);
      return true;
    };
    await expectFailing(await follow(log, server.address), "FETCH_FAILED");
  });

  it.each([
    ["nothing", "", "NOTE_MALFORMED"],
    ["HTML", "<html>hello</html>\n", "NOTE_MALFORMED"],
    ["bytes", "\0\u0001\n\n— a b\n", "NOTE_MALFORMED"],
    ["no signature", "eve.example/log\n1\nAAAA\n\n", "NOTE_MALFORMED"],
  ])("has a checkpoint of %s", async (_, text, code) => {
    const log = await evil();
    log.files.set("checkpoint", encodeUtf8(text));
    const server = stack.use(await TestServer.start(log.files));
    await expectFailing(await follow(log, server.address), code);
  });

  it.each([
    ["tile/0/002.p/88", "TILE_INVALID"],
    ["tile/entries/001", "BUNDLE_MALFORMED"],
  ])("has nonsense for %s", async (path, code) => {
    const log = await evil();
    log.files.set(path, encodeUtf8("nonsense"));
    const server = stack.use(await TestServer.start(log.files));
    await expectFailing(await follow(log, server.address), code);
  });

  it("signs a size beyond all bounds", async () => {
    const log = await evil();
    log.files.set("checkpoint", encodeUtf8(await log.sign({ size: Number.MAX_SAFE_INTEGER })));
    const server = stack.use(await TestServer.start(log.files));
    await expectFailing(await follow(log, server.address), "RESOURCE_MISSING");
  });

  it("holds entries that are no claims", async () => {
    const log = await TestLog.create("eve.example/log");
    const garbage = [
      new Uint8Array(0),
      new Uint8Array(65_535),
      encodeUtf8("1;/nix/store/x\n"),
      encodeUtf8("\n\n"),
    ];
    await log.append([
      ...garbage,
      sampleEntry(3, 1),
      ...Array.from({ length: 300 }, () => encodeUtf8("no\n")),
    ]);
    const server = stack.use(await TestServer.start(log.files));
    const subscriptions = await follow(log, server.address);
    await until(() => statusOf(subscriptions, "eve").health === "ok");
    expect(statusOf(subscriptions, "eve")).toMatchObject({ claims: 1, unreadableEntries: 304 });
    const [eve] = await subscriptions.ask({ protocol: "nix", hashPart: sampleHashPart(3) });
    expect(eve!.answer).toMatchObject({ kind: "claims", claims: [{ statement: sampleStatement(3, 1) }] });
  });

  it("floods one key", async () => {
    const log = await TestLog.create("eve.example/log");
    await log.append(Array.from({ length: 600 }, (_, i) => sampleEntry(3, i % 30)));
    const server = stack.use(await TestServer.start(log.files));
    const subscriptions = await follow(log, server.address);
    await until(() => statusOf(subscriptions, "eve").health === "ok");
    expect(statusOf(subscriptions, "eve")).toMatchObject({ claims: 8 });
    const [eve] = await subscriptions.ask({ protocol: "nix", hashPart: sampleHashPart(3) });
    expect(eve!.answer).toMatchObject({ kind: "claims" });
    const evidence = await subscriptions.contradiction("eve", {
      protocol: "nix",
      hashPart: sampleHashPart(3),
    });
    expect(evidence.kind).toBe("contradiction");
  });

  it("is signed by another key", async () => {
    const log = await evil();
    const other = await createSigner(await createPrivateKey(log.origin, KEY_TYPE_ED25519));
    const text = formatCheckpoint({ origin: log.origin, size: 1, root: new Uint8Array(32), extensions: [] });
    log.files.set("checkpoint", encodeUtf8(await signNote(text, [other])));
    const server = stack.use(await TestServer.start(log.files));
    await expectFailing(await follow(log, server.address), "NOTE_UNSIGNED");
  });

  it("is another log", async () => {
    const log = await evil();
    log.files.set("checkpoint", encodeUtf8(await log.sign({ origin: "mallory.example/log" })));
    const server = stack.use(await TestServer.start(log.files));
    await expectFailing(await follow(log, server.address), "ORIGIN_MISMATCH");
  });

  it("signs a root that is not that of its files", async () => {
    const log = await evil();
    log.files.set("checkpoint", encodeUtf8(await log.sign({ root: new Uint8Array(32).fill(7) })));
    const server = stack.use(await TestServer.start(log.files));
    const subscriptions = await follow(log, server.address);
    await expectFailing(subscriptions, "ROOT_MISMATCH");
    expect(statusOf(subscriptions, "eve")).toMatchObject({ size: 0, claims: 0 });
  });

  it("has entries that do not match its tiles", async () => {
    const log = await evil();
    const other = await TestLog.create("x.example/log");
    await other.append(sampleEntries(0, 600, 2));
    log.files.set("tile/entries/001", other.files.get("tile/entries/001")!);
    const server = stack.use(await TestServer.start(log.files));
    const subscriptions = await follow(log, server.address);
    await expectFailing(subscriptions, "BUNDLE_MISMATCH");
    const [eve] = await subscriptions.ask({ protocol: "nix", hashPart: sampleHashPart(300) });
    expect(eve!.answer.kind).toBe("unreachable");
  });

  it("lacks the cosignatures that are asked for, until it has them", async () => {
    const log = await evil();
    const note = new TextDecoder().decode(log.files.get("checkpoint"));
    const witness = await createPrivateKey("w.example/1", KEY_TYPE_COSIGNATURE_V1);
    const key = await deriveVerifierKey(witness);
    const witnesses = { logs: [], witnesses: [{ name: "w", key }], groups: [], quorum: "w" };
    const server = stack.use(await TestServer.start(log.files));
    const subscriptions = stack.use(
      await Subscriptions.open({
        directory: join(root, "state"),
        logs: [{ ...log.subscription("eve", server.address), witnesses }],
        mirrorLimits,
      }),
    );
    await until(() => statusOf(subscriptions, "eve").health === "failing");
    expect(statusOf(subscriptions, "eve")).toMatchObject({
      size: 0,
      lastError: { code: "POLICY_UNSATISFIED" },
    });
    const cosigner = await createCosigner(witness, () => 1_700_000_000);
    const { text, signatures } = parseNote(note);
    log.files.set("checkpoint", encodeUtf8(await signNote(text, [cosigner], signatures)));
    await until(() => statusOf(subscriptions, "eve").health === "ok");
  });

  it("never has anything new", async () => {
    const log = await evil();
    const server = stack.use(await TestServer.start(log.files));
    const subscriptions = stack.use(
      await Subscriptions.open(
        {
          directory: join(root, "state"),
          logs: [
            log.subscription("eve", server.address),
            good[0]!.log.subscription("alice", good[0]!.server.address),
          ],
          mirrorLimits: { ...mirrorLimits, staleMs: 100 },
        },
        { peerLimits },
      ),
    );
    await until(() => statusOf(subscriptions, "eve").health === "stale");
    await good[0]!.log.append(sampleEntries(600, 1));
    await until(() => statusOf(subscriptions, "alice").size === 601);
    expect(Date.now() - statusOf(subscriptions, "eve").lastNewAtMs!).toBeGreaterThan(100);
  });

  it("goes back", async () => {
    const log = await evil(300);
    const old = log.files.get("checkpoint")!;
    await log.append(sampleEntries(300, 300, 1));
    const server = stack.use(await TestServer.start(log.files));
    let subscriptions = await follow(log, server.address);
    await until(() => statusOf(subscriptions, "eve").health === "ok");
    log.files.set("checkpoint", old);
    await until(() => statusOf(subscriptions, "eve").health === "quarantined");
    const { fault } = statusOf(subscriptions, "eve");
    expect(fault).toMatchObject({ kind: "rolled-back" });
    await expect(readFile(fault!.evidence).then(verifyEvidence)).resolves.toMatchObject({ isProof: false });
    await expectGoodLogs(subscriptions);

    // It stays so after a restart, even when the log behaves; and counts again once its user says so.
    await subscriptions[Symbol.asyncDispose]();
    log.files.set("checkpoint", encodeUtf8(await log.sign()));
    subscriptions = await follow(log, server.address);
    const subject = { protocol: "nix", hashPart: sampleHashPart(3) } as const;
    expect((await subscriptions.ask(subject))[0]!.answer.kind).toBe("unreachable");
    await subscriptions.clear("eve");
    await until(() => statusOf(subscriptions, "eve").health === "ok");
    expect((await subscriptions.ask(subject))[0]!.answer.kind).toBe("claims");
  });

  it("is seen through a web cache that has an old checkpoint for a moment", async () => {
    const log = await evil(300);
    const old = log.files.get("checkpoint")!;
    await log.append(sampleEntries(300, 300, 1));
    const server = stack.use(await TestServer.start(log.files));
    const subscriptions = stack.use(
      await Subscriptions.open(
        {
          directory: join(root, "state"),
          logs: [log.subscription("eve", server.address)],
          mirrorLimits: { ...mirrorLimits, rollbackGraceMs: 60_000 },
        },
        { peerLimits },
      ),
    );
    await until(() => statusOf(subscriptions, "eve").health === "ok");
    log.files.set("checkpoint", old);
    await until(() => statusOf(subscriptions, "eve").health === "failing");
    expect(statusOf(subscriptions, "eve")).toMatchObject({
      size: 600,
      lastError: { code: "LOG_ROLLED_BACK" },
    });
    const subject = { protocol: "nix", hashPart: sampleHashPart(500) } as const;
    expect((await subscriptions.ask(subject))[0]!.answer.kind).toBe("claims");
    await log.append(sampleEntries(600, 10, 1));
    await until(() => statusOf(subscriptions, "eve").health === "ok");
    expect(statusOf(subscriptions, "eve")).toMatchObject({ size: 610, fault: undefined });
  });

  it("brings more than it may", async () => {
    const log = await evil(2000);
    const server = stack.use(await TestServer.start(log.files));
    const subscriptions = stack.use(
      await Subscriptions.open(
        {
          directory: join(root, "state"),
          logs: [
            log.subscription("eve", server.address),
            good[0]!.log.subscription("alice", good[0]!.server.address),
          ],
          mirrorLimits: { ...mirrorLimits, maxStatementBytes: 150_000, maxRoundEntries: 256 },
        },
        { peerLimits },
      ),
    );
    await until(() => statusOf(subscriptions, "eve").health === "full");
    await until(() => statusOf(subscriptions, "alice").health === "ok");
    const { statementBytes, lag } = statusOf(subscriptions, "eve");
    expect(statementBytes).toBeLessThan(250_000);
    expect(lag).toBeGreaterThan(0);
    const ask = async (n: number) =>
      (await subscriptions.ask({ protocol: "nix", hashPart: sampleHashPart(n) }))[0]!.answer.kind;
    expect([await ask(3), await ask(1999)]).toEqual(["claims", "unreachable"]);
  });

  it.each([
    ["at the same size", 100, 100],
    ["with a larger tree", 100, 150],
    ["with a smaller tree", 100, 50],
  ])("forks %s, across a restart", async (_, one, two) => {
    const log = await evil(300);
    const twin = log.twin();
    await log.append(sampleEntries(300, one, 1));
    await twin.append(sampleEntries(300, two, 2));
    const server = stack.use(await TestServer.start(log.files));
    let subscriptions = await follow(log, server.address);
    await until(() => statusOf(subscriptions, "eve").health === "ok");
    await subscriptions[Symbol.asyncDispose]();
    const both = new Map([...log.files, ...twin.files]);
    // The proof of a smaller fork needs the tiles of the larger tree.
    for (const [path, bytes] of two < one ? log.files : twin.files) both.set(path, bytes);
    both.set("checkpoint", twin.files.get("checkpoint")!);
    for (const [path, bytes] of both) server.files.set(path, bytes);

    subscriptions = await follow(log, server.address);
    await until(() => statusOf(subscriptions, "eve").health === "quarantined");
    const { fault } = statusOf(subscriptions, "eve");
    expect(fault).toMatchObject({ kind: "forked" });
    const evidence = await readFile(fault!.evidence);
    expect(await verifyEvidence(evidence)).toMatchObject({
      kind: "fork",
      origin: log.origin,
      key: log.key,
      isProof: true,
    });
    await expectGoodLogs(subscriptions);
    const subject = { protocol: "nix", hashPart: sampleHashPart(3) } as const;
    expect((await subscriptions.ask(subject))[0]!.answer.kind).toBe("unreachable");

    await subscriptions[Symbol.asyncDispose]();
    subscriptions = await follow(log, server.address);
    expect((await subscriptions.ask(subject))[0]!.answer.kind).toBe("unreachable");
    await subscriptions.clear("eve", { forget: true });
    await until(() => statusOf(subscriptions, "eve").health === "ok");
  });
});
