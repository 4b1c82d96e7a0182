import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { Subscriptions } from "./subscriptions.ts";
import {
  sampleEntries,
  sampleHashPart,
  sampleStatement,
  TestLog,
  TestServer,
  until,
} from "./test-log.test.util.ts";

let directory: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "subscribe-"));
});
afterEach(() => rm(directory, { recursive: true }));

describe("a mirrored log", () => {
  it("is read, followed, and answered from", async () => {
    const log = await TestLog.create("alice.example/log");
    await log.append(sampleEntries(0, 1000));
    await using server = await TestServer.start(log.files);
    await using subscriptions = await Subscriptions.open({
      directory: join(directory, "a"),
      logs: [log.subscription("alice", server.address)],
      mirrorLimits: { pollIntervalMs: 50 },
    });
    await until(() => subscriptions.status()[0]!.health === "ok");
    const [answer] = await subscriptions.ask({ protocol: "nix", hashPart: sampleHashPart(7) });
    expect(answer).toMatchObject({
      operator: "alice",
      subscription: "alice",
      answer: {
        kind: "claims",
        claims: [{ statement: sampleStatement(7), evidence: { kind: "logged", index: 7 } }],
      },
    });
    const unknown = { protocol: "nix", hashPart: sampleHashPart(1500) } as const;
    expect((await subscriptions.ask(unknown))[0]!.answer).toEqual({ kind: "absent" });
    await log.append(sampleEntries(1000, 700));
    await until(() => (subscriptions.status()[0] as { size: number }).size === 1700);
    await until(() => subscriptions.status()[0]!.health === "ok");
    expect((await subscriptions.ask(unknown))[0]!.answer).toMatchObject({ kind: "claims" });
  });
});
