// The policy of a running node is replaced, and nothing else, in real processes.
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { temporary } from "../daemon/nodes.test.util.ts";
import type { NodeStatus } from "../daemon/status.ts";
import { sampleEntries, sampleHashPart, TestLog, TestServer } from "../subscribe/test-log.test.util.ts";
import { type Run, type RunningDaemon, startDaemon, trustix } from "./processes.test.util.ts";

let stack: AsyncDisposableStack;
let daemon: RunningDaemon;
let cwd: string;

const run = (...words: readonly string[]): Promise<Run> => trustix(cwd, ...words);
const configFile = (): string => join(cwd, "trustix.toml");
const edit = async (change: (text: string) => string): Promise<void> =>
  writeFile(configFile(), change(await readFile(configFile(), "utf8")));
/** Path 2 is in Alice's log only. */
const accepts = async (n = 2): Promise<boolean> =>
  JSON.parse((await run("explain", sampleHashPart(n), "--json")).out).accepted;

async function subscribe(name: string, count: number): Promise<void> {
  const log = await TestLog.create(`${name}.test/log`);
  await log.append(sampleEntries(1, count));
  const server = stack.use(await TestServer.start(log.files));
  const added = await run("subscribe", server.address, "--vkey", log.key, "--name", name);
  expect(added.status, added.err).toBe(0);
}

beforeAll(async () => {
  stack = new AsyncDisposableStack();
  const root = stack.use(await temporary());
  cwd = join(root.path, "user");
  await mkdir(cwd);
  await run("init", "--user", "--origin", "user.test", "--listen", "127.0.0.1:0");
  await subscribe("alice", 2);
  await subscribe("bob", 1);
  daemon = stack.use(await startDaemon(cwd));
  await expectSynced();
}, 60_000);
afterAll(() => stack.disposeAsync());

async function expectSynced(): Promise<void> {
  for (;;) {
    const { subscriptions } = JSON.parse((await run("status", "--json")).out) as NodeStatus;
    if (subscriptions.every(({ health }) => health === "ok")) return;
  }
}

test("a policy is in force once the file is read again", async () => {
  expect([await accepts(1), await accepts()]).toEqual([true, false]);
  expect(await run("reload")).toEqual({ status: 0, out: "nothing has changed\n", err: "" });
  await edit((text) => text.replace('threshold = "majority"', "threshold = 1"));
  expect(await accepts()).toBe(false);
  expect(await run("reload")).toEqual({ status: 0, out: "in force now: policy\n", err: "" });
  expect(await accepts()).toBe(true);
});

test("a file with a fault changes nothing, and what else has changed is named", async () => {
  const good = await readFile(configFile(), "utf8");
  await edit((text) => text.replace("threshold = 1", "threshold = 3"));
  expect((await run("reload")).status).toBe(2);
  daemon.child.kill("SIGHUP");
  await expect.poll(() => daemon.log(), { timeout: 10_000 }).toContain("the configuration stays as it was");
  await writeFile(configFile(), good);
  expect(await accepts()).toBe(true);

  await edit((text) => `${text.replace("threshold = 1", "threshold = 2")}\n[subscribe]\nask-budget = "1s"\n`);
  const { status, out, err } = await run("reload");
  expect([status, out]).toEqual([1, "in force now: policy\n"]);
  expect(err).toContain("until the daemon is restarted: subscribe");
  expect(await accepts()).toBe(false);
});

test("a policy for other operators waits for the restart that brings them", async () => {
  await subscribe("carol", 2);
  await edit((text) => text.replace("threshold = 2", "threshold = 1"));
  const { status, out } = await run("reload", "--json");
  expect(status).toBe(1);
  expect(JSON.parse(out)).toEqual({
    applied: [],
    needsRestart: expect.arrayContaining(["operator", "subscription", "subscribe", "policy"]),
  });
  expect(await accepts()).toBe(false);
});

test("SIGHUP does the same", async () => {
  // Without Carol's operator and subscription, which are the last.
  await edit((text) => text.replace(/\n\[\[operator\]\]\nname = "carol"[\s\S]*$/, "\n"));
  daemon.child.kill("SIGHUP");
  await expect.poll(() => accepts(), { timeout: 10_000 }).toBe(true);
});
