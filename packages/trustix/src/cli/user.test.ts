// What a user does, in real processes: he makes a node, subscribes to builders, looks, and unsubscribes.
import { chmod, lstat, mkdir, readFile, rename, stat, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { formatDumpDb } from "@trustix/nix";
import {
  type CheckpointTrust,
  createVerifier,
  encodeUtf8,
  formatNote,
  leafHash,
  openCheckpoint,
  parseTlogProof,
  type TlogProof,
  verifyInclusion,
} from "@trustix/tlog";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type RunningBuilder, startBuilder, temporary } from "../daemon/nodes.test.util.ts";
import type { NodeStatus } from "../daemon/status.ts";
import { formatEvidence } from "../subscribe/evidence.ts";
import { sampleEntry, TestLog } from "../subscribe/test-log.test.util.ts";
import { type Sample, sample } from "../substitute/caches.test.util.ts";
import { startDaemon, trustix } from "./processes.test.util.ts";

let root: Awaited<ReturnType<typeof temporary>>;
let [alice, bob]: readonly RunningBuilder[] = [];
let hello: Sample;
let glibc: Sample;
let count = 0;

beforeAll(async () => {
  root = await temporary();
  glibc = await sample("glibc-2.40", 50);
  hello = await sample("salutation-2.12.1", 100, [glibc.storePath]);
  alice = await startBuilder(root.path, "alice", [hello, glibc]);
  bob = await startBuilder(root.path, "bob", [hello]);
});
afterAll(async () => {
  await alice?.[Symbol.asyncDispose]();
  await bob?.[Symbol.asyncDispose]();
  await root?.[Symbol.asyncDispose]();
});

/** A new user's node. */
async function newUser(): Promise<string> {
  const cwd = join(root.path, `user-${count++}`);
  await mkdir(cwd);
  const init = await trustix(cwd, "init", "--user", "--origin", "user.test", "--listen", "127.0.0.1:0");
  expect([init.status, init.err]).toEqual([0, ""]);
  const file = join(cwd, "trustix.toml");
  await writeFile(file, `${await readFile(file, "utf8")}\n[subscribe]\npoll-interval = "100ms"\n`);
  return cwd;
}

const configOf = (cwd: string): Promise<string> => readFile(join(cwd, "trustix.toml"), "utf8");

/** Waits until a user's daemon has read all that it listens to. */
async function whenSynced(cwd: string): Promise<void> {
  await expect
    .poll(
      async () => {
        const { out } = await trustix(cwd, "status", "--json");
        return (JSON.parse(out) as NodeStatus).subscriptions.every(({ health }) => health === "ok");
      },
      { timeout: 20_000 },
    )
    .toBe(true);
}

test("init for a user writes a node that publishes nothing, and the lines for nix.conf", async () => {
  const cwd = join(root.path, "init");
  await mkdir(cwd);
  const run = await trustix(cwd, "init", "--user", "--origin", "user.test", "--listen", "0.0.0.0:8484");
  expect(run.out).toContain("       substituters = http://127.0.0.1:8484\n");
  expect(run.out).toMatch(/ {7}trusted-public-keys = user\.test-trustix-1:\S{43}=\n/);
  expect(run.out).not.toMatch(/extra-|hook|vkey/);
  expect((await stat(join(cwd, "keys/substitute.key"))).mode & 0o777).toBe(0o600);
  const check = await trustix(cwd, "config", "check", "--json");
  expect(JSON.parse(check.out)).toMatchObject({ logs: [] });
  expect((await trustix(cwd, "init", "x", "--user", "--cache")).status).toBe(2);
});

test("init for a builder that is a user, too", async () => {
  const cwd = join(root.path, "both");
  await mkdir(cwd);
  const run = await trustix(cwd, "init", "--substitute", "--cache", "--origin", "b.test", "--json");
  expect(JSON.parse(run.out)).toMatchObject({
    vkeys: { nix: expect.stringContaining("b.test/nix+") },
    cachePublicKey: expect.stringContaining("b.test-1:"),
    substitutePublicKey: expect.stringContaining("b.test-trustix-1:"),
    nixConf: expect.arrayContaining(["substituters = http://127.0.0.1:8484"]),
  });
  expect((await trustix(cwd, "config", "check")).status).toBe(0);
  expect(await configOf(cwd)).toContain('url = "http://127.0.0.1:8484/cache/"');
});

describe("subscribe", () => {
  test("writes what the builder says of itself once its key is confirmed, and unsubscribe takes it out", async () => {
    const cwd = await newUser();
    const before = await configOf(cwd);
    const first = await trustix(cwd, "subscribe", alice!.url, "--vkey", alice!.vkey);
    // More than half of one is one.
    expect([first.status, first.err]).toEqual([0, expect.stringContaining("alice decides alone")]);
    for (const fact of ["alice.test/nix", alice!.vkey, "a vote of alice"]) expect(first.out).toContain(fact);
    const second = await trustix(cwd, "subscribe", bob!.url, "--yes", "--name", "robert", "--json");
    expect(JSON.parse(second.out)).toMatchObject({ name: "robert", operator: "robert", isCounted: true });
    const after = await configOf(cwd);
    expect(after.startsWith(before)).toBe(true);
    expect(after.slice(before.length)).toBe(`
[[operator]]
name = "alice"

[[subscription]]
name = "alice"
operator = "alice"
url = "${alice!.logUrl}"
vkey = "${alice!.vkey}"

[[operator]]
name = "robert"

[[subscription]]
name = "robert"
operator = "robert"
url = "${bob!.logUrl}"
vkey = "${bob!.vkey}"
`);
    expect(await trustix(cwd, "unsubscribe", "alise")).toMatchObject({
      status: 1,
      err: expect.stringContaining("Did you mean alice?"),
    });
    for (const name of ["robert", "alice"]) {
      expect((await trustix(cwd, "unsubscribe", name)).out).toContain(
        `subscription ${name}, operator ${name}`,
      );
    }
    expect((await configOf(cwd)).trimEnd()).toBe(before.trimEnd());
  });

  test("changes nothing when it is not sure", async () => {
    const cwd = await newUser();
    const before = await configOf(cwd);
    const { url, vkey, logUrl } = alice!;
    const cases: readonly (readonly [readonly string[], number, string])[] = [
      [[url], 2, "nobody is here to compare the vkey"],
      [[url, "--vkey", bob!.vkey], 4, "not bob.test/nix+"],
      [[logUrl], 1, "there is no trustix.json"],
      [[logUrl, "--vkey", bob!.vkey], 4, ""],
      [[logUrl, "--vkey", "x"], 2, "--vkey"],
      [[url, "--log", "other", "--yes"], 1, "nix (nix)"],
      [[url, "--yes", "--name", "A B"], 2, "must be lower-case"],
      [["http://127.0.0.1:9/", "--yes"], 1, "ECONNREFUSED"],
      [["ftp://a.test/", "--yes"], 1, "must begin with https://"],
      [[url, "--public-key", "k:AAAA"], 1, "no binary cache"],
    ];
    for (const [args, status, mention] of cases) {
      const run = await trustix(cwd, "subscribe", ...args);
      expect([args, run.status, run.out]).toEqual([args, status, expect.any(String)]);
      expect(run.err).toContain(mention);
    }
    expect(await configOf(cwd)).toBe(before);
    const dry = await trustix(cwd, "subscribe", url, "--dry-run");
    expect(dry.out).toContain(`vkey = "${vkey}"`);
    expect(await configOf(cwd)).toBe(before);
  });

  test("takes a log on a plain web server by its vkey, once", async () => {
    const cwd = await newUser();
    const args = ["subscribe", alice!.logUrl, "--vkey", alice!.vkey, "--name", "alice"];
    expect((await trustix(cwd, ...args)).status).toBe(0);
    const again = await trustix(cwd, ...args, "--name", "other");
    expect(again.err).toContain("alice is a subscription to this already");
    const taken = await trustix(cwd, "subscribe", bob!.url, "--yes", "--name", "alice");
    expect(taken.err).toContain("another subscription is named alice");
  });

  test("does not let a stranger speak for an operator whose name he takes", async () => {
    const cwd = await newUser();
    await trustix(cwd, "subscribe", alice!.url, "--yes", "--name", "first", "--operator", "bob");
    const before = await configOf(cwd);
    const taken = await trustix(cwd, "subscribe", bob!.url, "--vkey", bob!.vkey);
    expect([taken.status, taken.err]).toEqual([
      1,
      expect.stringContaining("bob is the operator of another subscription"),
    ]);
    expect(await configOf(cwd)).toBe(before);
    const meant = await trustix(cwd, "subscribe", bob!.url, "--vkey", bob!.vkey, "--operator", "bob");
    expect([meant.status, meant.err]).toEqual([0, expect.stringContaining("bob decides alone")]);
  });

  test("keeps the permissions of the file, and follows a link to it", async () => {
    const cwd = await newUser();
    const [link, file] = [join(cwd, "trustix.toml"), join(cwd, "real.toml")];
    await rename(link, file);
    await symlink(file, link);
    await chmod(file, 0o640);
    await trustix(cwd, "subscribe", alice!.url, "--yes");
    expect((await lstat(link)).isSymbolicLink()).toBe(true);
    expect((await stat(file)).mode & 0o777).toBe(0o640);
    expect(await readFile(file, "utf8")).toContain(alice!.vkey);
  });
});

/** The entry that a proof file carries, proven to be in its log. */
async function verifiedEntry(proof: TlogProof, trust: CheckpointTrust): Promise<{ readonly entry: string }> {
  const { checkpoint } = await openCheckpoint(encodeUtf8(formatNote(proof.checkpoint)), trust);
  verifyInclusion(leafHash(proof.extra!), proof.index, checkpoint, proof.hashes);
  return { entry: Buffer.from(proof.extra!).toString() };
}

test("a user sees who says what, and how much of a closure is confirmed", async () => {
  const cwd = await newUser();
  await trustix(cwd, "subscribe", alice!.url, "--yes");
  await trustix(cwd, "subscribe", bob!.url, "--yes");
  const tools = join(cwd, "nix");
  await mkdir(tools);
  // A Nix that has just these two paths.
  const dump = formatDumpDb([hello, glibc].map(({ facts }) => ({ ...facts, deriver: undefined })));
  await writeFile(join(tools, "dump"), dump);
  const script = (name: string, text: string) =>
    writeFile(join(tools, name), `#!/bin/sh\n${text}\n`, { mode: 0o755 });
  await script("nix-store", `cat ${tools}/dump`);
  await script("nix", `printf '%s\\n' '${hello.storePath}\tultimate' '${glibc.storePath}'`);
  const file = join(cwd, "trustix.toml");
  await writeFile(file, `${await configOf(cwd)}\n[nix]\nnix-store = "${tools}/nix-store"\n`);
  await using _ = await startDaemon(cwd);
  await whenSynced(cwd);

  const explained = await trustix(cwd, "explain", hello.storePath);
  expect([explained.status, explained.err]).toEqual([0, ""]);
  expect(explained.out).toContain("accepted A");
  expect(explained.out).toMatch(/alice +A/);
  const rejected = await trustix(cwd, "explain", glibc.hashPart, "--json");
  expect(JSON.parse(rejected.out)).toMatchObject({
    accepted: false,
    reason: "no-quorum",
    votes: [
      { operator: "alice", vote: "statement" },
      { operator: "bob", vote: "absent" },
    ],
  });
  // The name is known from the logs only.
  expect((await trustix(cwd, "explain", "salutation")).out).toContain("accepted A");
  expect(await trustix(cwd, "explain", "salutatio")).toMatchObject({ status: 1 });

  const proofs = join(cwd, "proofs");
  expect((await trustix(cwd, "explain", hello.hashPart, "--proof", proofs)).status).toBe(0);
  const proof = parseTlogProof(await readFile(join(proofs, "alice-0.tlog-proof")));
  const trust = { origin: "alice.test/nix", logs: [createVerifier(alice!.vkey)] };
  const { entry } = await verifiedEntry(proof, trust);
  expect(entry).toContain(hello.statement);

  const other = join(cwd, "other.toml");
  await writeFile(other, (await configOf(cwd)).replace('threshold = "majority"', "threshold = 1"));
  const replayed = await trustix(cwd, "policy", "test", other);
  expect(replayed.err).toBe("");
  expect(replayed.out).toContain("2 paths: 1 accepted before, 2 after; 1 decisions change");
  expect(replayed.out).toContain(`${glibc.storePath}  newly-accepted`);
  const missing = await trustix(cwd, "policy", "test", "nope.toml");
  expect([missing.status, missing.err]).toEqual([2, expect.stringContaining("copy of the daemon's")]);
  expect(await trustix(cwd, "explain", "/etc/passwd")).toMatchObject({ status: 1 });

  const closure = await trustix(cwd, "check-closure", hello.storePath);
  expect(closure.err).toBe("");
  expect(closure.out).toContain(glibc.storePath);
  expect(closure.status).toBe(1);
  expect((await trustix(cwd, "check-closure", hello.storePath, "--may-be-unconfirmed")).status).toBe(0);
  const json = JSON.parse((await trustix(cwd, "check-closure", hello.storePath, "--json")).out);
  expect(json).toMatchObject({ total: 2, counts: { confirmed: 1, refused: 1 } });
  expect(await trustix(cwd, "check-closure", "/etc")).toMatchObject({ status: 2 });

  const status = await trustix(cwd, "status");
  expect(status.out).toMatch(/alice +alice +log +2 +0 .*ok +100\.0% of \d/);
  expect(await trustix(cwd, "evidence", "list")).toMatchObject({ status: 0, out: "" });
  expect(await trustix(cwd, "clear", "alice")).toMatchObject({ status: 0 });
  expect(await trustix(cwd, "clear", "eve")).toMatchObject({ status: 1 });
});

test("evidence is checked offline", async () => {
  const log = await TestLog.create("eve.test/log");
  const twin = log.twin();
  await log.append([sampleEntry(1)]);
  await twin.append([sampleEntry(1, 1)]);
  const note = (of: TestLog): string => Buffer.from(of.files.get("checkpoint")!).toString();
  const facts = { origin: log.origin, key: log.key, found: "2026-01-01T00:00:00Z" };
  const file = join(root.path, "fork.json");
  await writeFile(file, formatEvidence({ ...facts, kind: "fork", older: note(log), newer: note(twin) }));
  const verdict = await trustix(root.path, "evidence", "verify", file, "--vkey", log.key);
  expect([verdict.status, verdict.err]).toEqual([0, ""]);
  expect(verdict.out).toContain("proof of misbehaviour");
  expect(verdict.out).toContain("signed two different trees of 1 entries");
  expect(await trustix(root.path, "evidence", "verify", file, "--vkey", alice!.vkey)).toMatchObject({
    status: 4,
  });
  await writeFile(file, formatEvidence({ ...facts, kind: "fork", older: note(log), newer: note(log) }));
  expect(await trustix(root.path, "evidence", "verify", file)).toMatchObject({ status: 4 });
  expect(await trustix(root.path, "evidence", "verify", "nowhere.json")).toMatchObject({ status: 1 });
});
