// A user's node whose owner silences a builder: what it serves then, what it says of it, and that a restart changes nothing.
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { expect, test } from "vitest";
import { DaemonClient } from "../cli/client.ts";
import { createCacheKey } from "../cli/keys.ts";
import type { QuarantineJson } from "../http/quarantine-schema.ts";
import { ask, narInfoOf, sample } from "../substitute/caches.test.util.ts";
import {
  eventually,
  listenTo,
  NODE,
  startBuilder,
  startNode,
  temporary,
  whenSynced,
} from "./nodes.test.util.ts";

test("an operator in quarantine does not count, from the first decision after a restart on, until it is released", async () => {
  await using root = await temporary();
  const [hello, rare] = [await sample("hello", 5000), await sample("rare", 5000)];
  await using alice = await startBuilder(root.path, "alice", [hello, rare]);
  await using bob = await startBuilder(root.path, "bob", [hello]);
  await using chuck = await startBuilder(root.path, "chuck", [hello, rare]);
  const { secret } = await createCacheKey("user-1");
  await writeFile(join(root.path, "user.key"), secret, { mode: 0o600 });
  const cache = join(root.path, "cache");
  await mkdir(cache);
  await writeFile(join(cache, "nix-cache-info"), "StoreDir: /nix/store\n");
  for (const each of [hello, rare]) {
    const url = `${each.hashPart}.nar`;
    await writeFile(join(cache, `${each.hashPart}.narinfo`), narInfoOf(each, "none", each.nar, { url }));
    await writeFile(join(cache, url), each.nar);
  }
  const user = join(root.path, "user");
  const start = () =>
    startNode(
      user,
      `${NODE}${listenTo([alice, bob, chuck])}
[policy]
threshold = 2
[[upstream]]
name = "cache"
url = "${pathToFileURL(cache).href}"
[substitute]
enabled = true
key-file = "../user.key"
`,
    );
  const client = new DaemonClient(join(user, "state", "admin.sock"));
  const { signal } = new AbortController();
  const get = (path: string) => client.json({ method: "GET", path: `/api/v1/${path}`, signal });
  const post = (path: string, body: unknown) =>
    client.json({ method: "POST", path: `/api/v1/${path}`, body, signal });
  const refusal = /^quarantine; alice agrees, 1 of the 2 needed by rule "default"; chuck is in quarantine/;
  {
    await using node = await start();
    await whenSynced(node);
    const asked = async (of: typeof rare) => ask(`${node.url}${of.hashPart}.narinfo`);
    expect((await asked(rare)).status).toBe(200);
    await expect(post("quarantine/eve", { reason: "who?" })).rejects.toMatchObject({ code: "NOT_FOUND" });
    await expect(post("quarantine/chuck", { reason: "two\nlines" })).rejects.toMatchObject({
      code: "REQUEST_INVALID",
    });
    expect(await post("quarantine/chuck", { reason: "its key was stolen" })).toMatchObject({
      enabled: false,
      operators: [{ operator: "chuck", state: "quarantined", by: "hand", counts: false }],
    });
    const refused = await asked(rare);
    expect(refused.status).toBe(404);
    expect(refused.headers["trustix-reason"]).toMatch(refusal);
    expect((await asked(hello)).status, "alice and bob are enough").toBe(200);
    expect(await get(`decisions/${rare.hashPart}`)).toMatchObject({
      accepted: false,
      reason: "quarantine",
      votes: [
        { operator: "alice", vote: "statement" },
        { operator: "bob", vote: "absent" },
        {
          operator: "chuck",
          vote: "quarantined",
          labels: ["A"],
          reason: "its key was stolen",
          sources: [{ subscription: "chuck" }],
        },
      ],
    });
    expect(await get("status")).toMatchObject({ policy: { quarantined: ["chuck"] } });
    const metrics = await client.send({ method: "GET", path: "/metrics", signal });
    expect(metrics).toContain('trustix_operator_quarantined{operator="alice"} 0');
    expect(metrics).toContain('trustix_operator_quarantined{operator="chuck"} 1');
    expect(node.warnings).toContainEqual(
      expect.objectContaining({ operator: "chuck", reason: "its key was stolen" }),
    );
  }
  {
    await using node = await start();
    // Not waited for anything: what was read before the restart is there at once, and so is the quarantine.
    const refused = await ask(`${node.url}${rare.hashPart}.narinfo`);
    expect(refused.headers["trustix-reason"]).toMatch(refusal);
    await post("quarantine/chuck/release", { reason: "it has a new key" });
    expect((await ask(`${node.url}${rare.hashPart}.narinfo`)).status).toBe(200);
    expect(await get("quarantine")).toMatchObject({
      operators: [{ operator: "chuck", state: "released", reason: "it has a new key", counts: true }],
    });
    await expect(post("quarantine/chuck/release", { reason: "again" })).rejects.toMatchObject({
      code: "NOT_FOUND",
    });
  }
});

test("a liar that is found stops counting by itself, where that is wanted", async () => {
  await using root = await temporary();
  const honest = await Promise.all(Array.from({ length: 90 }, (_, i) => sample(`package-${i}`, 50 + i)));
  const evil = await Promise.all(
    honest.slice(0, 30).map(async (each, i) => {
      const { facts } = await sample(`evil-${i}`, 500 + i);
      return { facts: { ...each.facts, narHash: facts.narHash, narSize: facts.narSize } };
    }),
  );
  await using alice = await startBuilder(root.path, "alice", honest);
  await using bob = await startBuilder(root.path, "bob", honest);
  await using chuck = await startBuilder(root.path, "chuck", [...evil, ...honest.slice(30)]);
  await using dan = await startBuilder(root.path, "dan", honest);
  await using node = await startNode(
    join(root.path, "user"),
    `${NODE}${listenTo([alice, bob, chuck, dan])}
[policy.quarantine]
enabled = true
after = "0s"
`,
  );
  const warnings = await eventually(
    () => node.warnings.filter(({ message }) => message.includes("quarantine")),
    (all) => all.length > 0,
  );
  expect(warnings).toMatchObject([
    {
      operator: "chuck",
      by: "estimate",
      reason: expect.stringMatching(/^deviates with a probability of 99\.\d+ %, on about (29|30|31) paths/),
    },
  ]);
  expect(node.status().policy.quarantined).toEqual(["chuck"]);
  const client = new DaemonClient(join(root.path, "user/state/admin.sock"));
  const { signal } = new AbortController();
  const { suspects } = (await client.json({
    method: "GET",
    path: "/api/v1/quarantine",
    signal,
  })) as QuarantineJson;
  expect(suspects.map(({ operator }) => operator)).toEqual(["chuck"]);
});
