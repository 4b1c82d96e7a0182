// Builders and a user's node, composed as the daemon composes them: what they publish, what he accepts, what he is told.
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import {
  createVerifier,
  formatFingerprint,
  parseNarInfo,
  parsePublicKey,
  type StorePath,
} from "@trustix/nix";
import { expect, test } from "vitest";
import { DaemonClient } from "../cli/client.ts";
import { createCacheKey } from "../cli/keys.ts";
import { parseDescription } from "../http/node-description.ts";
import { verifyEvidence } from "../subscribe/evidence.ts";
import { ask, narInfoOf, type Sample, sample } from "../substitute/caches.test.util.ts";
import { listenTo, NODE, startBuilder, startNode, temporary, whenSynced } from "./nodes.test.util.ts";

/** A cache in a directory that has some paths. */
async function writeCache(directory: string, samples: readonly Sample[]): Promise<string> {
  await mkdir(join(directory, "nar"), { recursive: true });
  await writeFile(join(directory, "nix-cache-info"), "StoreDir: /nix/store\n");
  for (const each of samples) {
    const url = `nar/${each.hashPart}.nar`;
    await writeFile(join(directory, `${each.hashPart}.narinfo`), narInfoOf(each, "none", each.nar, { url }));
    await writeFile(join(directory, url), each.nar);
  }
  return pathToFileURL(directory).href;
}

/** A path whose contents somebody swapped. */
async function swapped(of: Sample): Promise<Sample> {
  const { nar, facts } = await sample("evil", 5000);
  const { narHash, narSize } = facts;
  return { ...of, nar, facts: { ...of.facts, narHash, narSize } };
}

test("a user's node serves what enough builders agree on, and says who does not", async () => {
  await using root = await temporary();
  const [hello, rare] = [await sample("hello", 5000), await sample("rare", 5000)];
  const evil = await swapped(hello);
  await using alice = await startBuilder(root.path, "alice", [hello, rare]);
  await using bob = await startBuilder(root.path, "bob", [hello]);
  await using chuck = await startBuilder(root.path, "chuck", [evil]);
  const { secret, publicKey } = await createCacheKey("user-1");
  await writeFile(join(root.path, "user.key"), secret, { mode: 0o600 });
  const good = await writeCache(join(root.path, "good"), [hello, rare]);
  const bad = await writeCache(join(root.path, "bad"), [evil]);
  const user = join(root.path, "user");
  await using node = await startNode(
    user,
    `${NODE}${listenTo([alice, bob, chuck])}
[policy]
threshold = 2
[[upstream]]
name = "bad"
url = "${bad}"
[[upstream]]
name = "good"
url = "${good}"
[substitute]
enabled = true
key-file = "../user.key"
`,
  );
  await whenSynced(node);

  const accepted = await ask(`${node.url}${hello.hashPart}.narinfo`);
  expect(accepted.status, accepted.headers["trustix-reason"]?.toString()).toBe(200);
  const info = parseNarInfo(accepted.body);
  const verifier = await createVerifier(parsePublicKey(publicKey));
  expect(await verifier.isValid(formatFingerprint(hello.facts), info.signatures[0]!)).toBe(true);
  const nar = await ask(`${node.url}${info.url}`);
  expect(nar).toMatchObject({ status: 200, isComplete: true });
  expect(nar.body.equals(hello.nar)).toBe(true);

  const refused = await ask(`${node.url}${rare.hashPart}.narinfo`);
  expect(refused.status).toBe(404);
  expect(refused.headers["trustix-reason"]).toMatch(/^no-quorum; /);
  const unknown = await ask(`${node.url}${"0".repeat(32)}.narinfo`);
  expect(unknown.status).toBe(404);

  const client = new DaemonClient(join(user, "state", "admin.sock"));
  const { signal } = new AbortController();
  const get = (path: string) => client.json({ method: "GET", path: `/api/v1/${path}`, signal });
  const explanation = await get(`decisions/${hello.hashPart}-hello`);
  expect(explanation).toMatchObject({
    accepted: true,
    label: "A",
    storePath: hello.storePath,
    statements: [
      { label: "A", operators: ["alice", "bob"] },
      { label: "B", operators: ["chuck"] },
    ],
  });
  await expect(get("decisions/hello")).rejects.toMatchObject({ code: "INVALID_ARGUMENT" });
  await expect(get("decisions/%2e%2e%2fetc")).rejects.toMatchObject({ code: "INVALID_ARGUMENT" });
  expect(await get("evidence")).toEqual({ evidence: [] });
  await expect(get("evidence/fork-0.json")).rejects.toMatchObject({ code: "NOT_FOUND" });
  const body = { paths: [{ what: hello.hashPart }, { what: rare.hashPart }] };
  const decisions: unknown[] = [];
  for await (const each of client.lines({ method: "POST", path: "/api/v1/decisions", body, signal })) {
    decisions.push(each);
  }
  expect(decisions).toMatchObject([{ accepted: true }, { accepted: false, reason: "no-quorum" }]);
  expect(await get("status")).toMatchObject({
    policy: {
      mode: "enforce",
      operators: ["alice", "bob", "chuck"],
      default: { needed: 2, members: ["alice", "bob", "chuck"], alone: [] },
    },
    subscriptions: [
      { subscription: "alice", kind: "log", health: "ok", size: 2, lag: 0, dissented: 0 },
      { subscription: "bob", health: "ok", size: 1, dissented: 0 },
      { subscription: "chuck", health: "ok", size: 1, agreed: 0 },
    ],
    substituter: { narInfos: 1, nars: 1, refusals: { "no-quorum": 1 } },
  });
  // Who asks for reasons does not change how builders fare.
  const tallies = () => node.status().subscriptions.map(({ agreed, dissented }) => [agreed, dissented]);
  const counted = tallies();
  expect(counted).toMatchObject([
    [expect.any(Number), 0],
    [expect.any(Number), 0],
    [0, expect.any(Number)],
  ]);
  expect(counted.flat().every((count) => count === 0)).toBe(false);
  await get(`decisions/${hello.hashPart}`);
  expect(tallies()).toEqual(counted);
  const metrics = await client.send({ method: "GET", path: "/metrics", signal });
  expect(metrics).toContain('trustix_subscription_size{subscription="alice",operator="alice"} 2');
  expect(metrics).toContain('trustix_substitute_refusals{reason="no-quorum"} 1');
});

test("asking by name does not hide what is said under another name: the answer is the substituter's", async () => {
  await using root = await temporary();
  const hello = await sample("hello", 5000);
  const renamed = {
    facts: { ...hello.facts, storePath: `/nix/store/${hello.hashPart}-trojan` as StorePath },
  };
  await using alice = await startBuilder(root.path, "alice", [hello]);
  await using bob = await startBuilder(root.path, "bob", [hello]);
  await using chuck = await startBuilder(root.path, "chuck", [renamed]);
  const user = join(root.path, "user");
  const policy = '[policy]\nthreshold = 2\non-conflict = "reject"\n';
  await using node = await startNode(user, `${NODE}${listenTo([alice, bob, chuck])}${policy}`);
  await whenSynced(node);
  const client = new DaemonClient(join(user, "state", "admin.sock"));
  const { signal } = new AbortController();
  for (const what of [hello.hashPart, `${hello.hashPart}-hello`]) {
    expect(await client.json({ method: "GET", path: `/api/v1/decisions/${what}`, signal })).toMatchObject({
      accepted: false,
      reason: "dissent",
    });
  }
});

test("a node that only publishes describes itself, and listens to nobody", async () => {
  await using root = await temporary();
  await using alice = await startBuilder(root.path, "alice", []);
  const answer = await ask(`${alice.url}trustix.json`);
  expect(answer.status).toBe(200);
  const base = new URL(`${alice.url}trustix.json`);
  expect(parseDescription(answer.body, base)).toEqual({
    operator: "alice",
    logs: [{ name: "nix", protocol: "nix", origin: "alice.test/nix", vkey: alice.vkey, url: alice.logUrl }],
    cache: undefined,
  });
  const client = new DaemonClient(join(alice.directory, "state", "admin.sock"));
  const { signal } = new AbortController();
  const call = client.json({ method: "GET", path: `/api/v1/decisions/${"0".repeat(32)}`, signal });
  await expect(call).rejects.toMatchObject({ code: "NOT_FOUND" });
});

test("a dead builder is unreachable, and does not stop the others", async () => {
  await using root = await temporary();
  const hello = await sample("hello", 100);
  await using alice = await startBuilder(root.path, "alice", [hello]);
  await using bob = await startBuilder(root.path, "bob", []);
  const dead = { name: "dan", vkey: bob.vkey, logUrl: "http://127.0.0.1:9/" };
  await using node = await startNode(
    join(root.path, "user"),
    `${NODE}${listenTo([alice, dead])}[policy]\nthreshold = 1\n`,
  );
  const client = new DaemonClient(join(node.directory, "state", "admin.sock"));
  const { signal } = new AbortController();
  const get = () => client.json({ method: "GET", path: `/api/v1/decisions/${hello.hashPart}`, signal });
  await expect.poll(get).toMatchObject({
    accepted: true,
    votes: [
      { operator: "alice", vote: "statement" },
      { operator: "dan", vote: "unreachable" },
    ],
  });
});

test("a builder that contradicts itself counts for nothing, and what it said is proven", async () => {
  await using root = await temporary();
  const hello = await sample("hello", 100);
  await using eve = await startBuilder(root.path, "eve", [hello, await swapped(hello)]);
  await using node = await startNode(join(root.path, "user"), `${NODE}${listenTo([eve])}`);
  await whenSynced(node);
  const client = new DaemonClient(join(node.directory, "state", "admin.sock"));
  const { signal } = new AbortController();
  const get = (path: string) => client.send({ method: "GET", path: `/api/v1/${path}`, signal });
  expect(JSON.parse(await get(`decisions/${hello.hashPart}`))).toMatchObject({
    accepted: false,
    votes: [{ operator: "eve", vote: "conflicting", labels: ["A", "B"] }],
  });
  const evidence = await get(`subscriptions/eve/contradiction?what=${hello.hashPart}`);
  const verdict = await verifyEvidence(Buffer.from(evidence));
  expect(verdict).toMatchObject({ kind: "contradiction", isProof: true, key: eve.vkey });
  expect(await get("subscriptions/eve/proof?index=1")).toContain("c2sp.org/tlog-proof");
  expect(JSON.parse(await get("store-paths?name=hello"))).toEqual({ paths: [hello.storePath] });
  for (const missing of [
    "subscriptions/eve/proof?index=2",
    "subscriptions/bob/proof?index=0",
    `subscriptions/eve/contradiction?what=${"0".repeat(32)}`,
  ]) {
    await expect(get(missing)).rejects.toMatchObject({ code: "NOT_FOUND" });
  }
});

test("a node that serves its own store, too, keeps it apart from what its policy accepts", async () => {
  await using root = await temporary();
  for (const name of ["cache", "user"]) {
    const { secret } = await createCacheKey(`${name}-1`);
    await writeFile(join(root.path, `${name}.key`), secret, { mode: 0o600 });
  }
  const sections = (substitute: boolean) => `${NODE}
[cache]
enabled = true
key-file = "../cache.key"
priority = 33
[substitute]
enabled = ${substitute}
key-file = "../user.key"
`;
  const infos: string[] = [];
  for (const substitute of [false, true]) {
    await using node = await startNode(join(root.path, `node-${substitute}`), sections(substitute));
    for (const path of ["", "cache/"])
      infos.push((await ask(`${node.url}${path}nix-cache-info`)).body.toString());
    const { body } = await ask(`${node.url}trustix.json`);
    const { cache } = parseDescription(body, new URL(`${node.url}trustix.json`));
    expect(cache).toMatchObject({ url: `${node.url}cache/`, publicKey: expect.stringMatching(/^cache-1:/) });
  }
  expect(infos.map((text) => /Priority: (\d+)/.exec(text)?.[1])).toEqual(["33", "33", "20", "33"]);
});
