// The real program in real processes: what a builder's owner does, and what can go wrong.
import { once } from "node:events";
import { chmod, mkdir, mkdtemp, readFile, rm, stat, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { formatRawEntry } from "@trustix/nix";
import { createVerifier, leafHash, openCheckpoint, parseTlogProof, verifyInclusion } from "@trustix/tlog";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { NodeStatus } from "../daemon/status.ts";
import { VERSION } from "../version.ts";
import { startDaemon, trustix } from "./processes.test.util.ts";

let root: string;
const temporary = async (): Promise<string> => mkdtemp(join(root, "d"));

beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), "trustix-cli-"));
});
afterAll(() => rm(root, { recursive: true }));

const INIT = ["init", "--origin", "builder.test", "--listen", "127.0.0.1:0", "--raw"];

test("version and help", async () => {
  const cwd = await temporary();
  expect(await trustix(cwd, "version")).toEqual({
    status: 0,
    out: `trustix ${VERSION} (node ${process.versions.node})\n`,
    err: "",
  });
  expect(JSON.parse((await trustix(cwd, "version", "--json")).out)).toMatchObject({ trustix: VERSION });
  const help = await trustix(cwd, "--help");
  expect([help.status, help.err]).toEqual([0, ""]);
  for (const command of ["init", "daemon", "submit", "log", "status"]) expect(help.out).toContain(command);
  expect(help.out.match(/^\S.*:$/gm)).toEqual([
    "Options:",
    "Set up and run:",
    "Publish:",
    "Listen and decide:",
    "Analyse:",
    "Look after:",
  ]);
  const verify = await trustix(cwd, "log", "verify", "--help");
  expect(verify.out).toContain("--vkey");
  expect(await trustix(cwd, "help", "log", "verify")).toEqual(verify);
});

test("the version is that of the package", async () => {
  const manifest = await readFile(join(import.meta.dirname, "../../package.json"), "utf8");
  expect(JSON.parse(manifest)).toMatchObject({ version: VERSION });
});

describe("mistakes have a sentence, a next step and an exit status", () => {
  test.each([
    ["no command", [], 2, ""],
    ["unknown command", ["sumbit"], 2, "submit"],
    ["unknown option", ["status", "--wat"], 2, "--wat"],
    ["missing argument", ["keygen", "log"], 2, "origin"],
    ["missing option", ["log", "verify", "."], 2, "--vkey"],
    ["no configuration", ["status"], 2, "trustix init"],
    ["no such configuration", ["status", "--config", "none.toml"], 2, "none.toml"],
    ["a key that is none", ["log", "verify", ".", "--vkey", "x"], 2, "--vkey"],
    ["a log that is not there", ["log", "verify", ".", "--vkey", "a+00000000+AAAA"], 2, "--vkey"],
    ["a bad origin", ["keygen", "log", "a b", "key"], 2, "a b"],
    ["a bad name of a cache key", ["keygen", "cache", "a:b", "key"], 2, "a:b"],
  ])("%s", async (_, args, status, mention) => {
    const run = await trustix(await temporary(), ...args);
    expect(run.status).toBe(status);
    expect(run.err).toContain(mention);
    expect(run.err).not.toContain("    at ");
  });

  test("as JSON", async () => {
    const run = await trustix(await temporary(), "status", "--json");
    expect(JSON.parse(run.out)).toEqual({
      error: { code: "CONFIG_MISSING", message: expect.any(String), hint: expect.any(String) },
    });
    expect(run.err).toBe("");
  });

  test("no daemon", async () => {
    const cwd = await temporary();
    await trustix(cwd, ...INIT);
    const run = await trustix(cwd, "status");
    expect(run.status).toBe(3);
    expect(run.err).toContain("trustix daemon");
  });

  test("a key that others can read", async () => {
    const cwd = await temporary();
    await trustix(cwd, ...INIT);
    await chmod(join(cwd, "keys/nix.key"), 0o644);
    const run = await trustix(cwd, "config", "check");
    expect(run.status).toBe(1);
    expect(run.err).toContain("chmod 600");
  });

  test("a key of another log", async () => {
    const cwd = await temporary();
    await trustix(cwd, ...INIT);
    const file = join(cwd, "trustix.toml");
    await writeFile(file, (await readFile(file, "utf8")).replace('"builder.test/raw"', '"other.test/raw"'));
    expect((await trustix(cwd, "config", "check")).err).toContain("builder.test/raw, not of other.test/raw");
  });
});

test("init writes what config check accepts, keys for nobody else, and never overwrites", async () => {
  const cwd = await temporary();
  const first = await trustix(cwd, ...INIT, "--cache");
  expect([first.status, first.err]).toEqual([0, ""]);
  expect(first.out).toMatch(/builder\.test\/nix\+[0-9a-f]{8}\+\S+/);
  expect(first.out).toContain("post-build-hook = ");
  expect(first.out).toContain("extra-trusted-public-keys = builder.test-1:");
  for (const name of ["nix", "raw", "cache"]) {
    expect((await stat(join(cwd, `keys/${name}.key`))).mode & 0o777).toBe(0o600);
  }
  const check = await trustix(cwd, "config", "check", "--json");
  expect(JSON.parse(check.out)).toMatchObject({ logs: [{ name: "nix" }, { name: "raw" }] });
  const vkey = await trustix(cwd, "config", "check", "--vkey", "nix");
  expect(first.out).toContain(vkey.out.trim());
  const key = await readFile(join(cwd, "keys/nix.key"), "utf8");
  expect(await trustix(cwd, ...INIT)).toMatchObject({ status: 1 });
  expect(await trustix(cwd, "keygen", "log", "a/b", "keys/nix.key")).toMatchObject({ status: 1 });
  expect(await readFile(join(cwd, "keys/nix.key"), "utf8")).toBe(key);
});

test("the hook is written once, and another one is left alone", async () => {
  const cwd = await temporary();
  await trustix(cwd, ...INIT);
  const run = await trustix(cwd, "hook", "install");
  expect([run.status, run.err]).toEqual([0, ""]);
  const hook = join(cwd, "post-build-hook");
  expect(run.out).toBe(`post-build-hook = ${hook}\n`);
  expect((await stat(hook)).mode & 0o777).toBe(0o755);
  expect((await stat(join(cwd, "state/spool"))).isDirectory()).toBe(true);
  expect((await trustix(cwd, "hook", "install")).status).toBe(0);
  await writeFile(hook, "#!/bin/sh\n");
  expect((await trustix(cwd, "hook", "install")).status).toBe(1);
  expect(await readFile(hook, "utf8")).toBe("#!/bin/sh\n");
});

test("from submit to a verified log, through a restart", async () => {
  const cwd = await temporary();
  const { vkeys } = JSON.parse((await trustix(cwd, ...INIT, "--json")).out) as {
    vkeys: { raw: string; nix: string };
  };
  const vkey = vkeys.raw;
  const publicDirectory = join(cwd, "state/logs/raw/public");
  {
    await using daemon = await startDaemon(cwd);
    const claim = await trustix(cwd, "submit", "--key", "release/1", "--value", "sha256 of it", "--wait");
    expect([claim.status, claim.err]).toEqual([0, ""]);
    const proof = parseTlogProof(claim.out);
    const entry = formatRawEntry({ key: Buffer.from("release/1"), value: Buffer.from("sha256 of it") });
    const { checkpoint } = await openCheckpoint(proof.checkpoint, {
      origin: "builder.test/raw",
      logs: [createVerifier(vkey)],
    });
    verifyInclusion(leafHash(entry), proof.index, checkpoint, proof.hashes);
    expect((await trustix(cwd, "submit", "--key", "release/1", "--value", "sha256 of it")).out).toBe(
      "INDEX  STATUS  CLAIM\n0      known   release/1\n",
    );
    const hex = await trustix(cwd, "submit", "--key", "00ff", "--value", "", "--hex", "--json");
    expect(JSON.parse(hex.out)).toMatchObject({ log: "raw", claims: [{ index: 1, isNew: true }] });
    expect(
      (await trustix(cwd, "log", "proof", "--key", "release/1", "--wait", "-o", "r.tlog-proof")).status,
    ).toBe(0);
    expect(parseTlogProof(await readFile(join(cwd, "r.tlog-proof"))).index).toBe(0);
    expect((await trustix(cwd, "log", "proof", "--key", "nothing")).status).toBe(1);

    const status = JSON.parse((await trustix(cwd, "status", "--json")).out) as NodeStatus;
    expect(status).toMatchObject({
      version: VERSION,
      pid: daemon.child.pid,
      logs: [{ name: "nix" }, { name: "raw", vkey }],
    });
    const base = `http://${status.listen[0]}`;
    expect(await (await fetch(`${base}/healthz`)).text()).toBe("ok\n");
    expect(await (await fetch(`${base}/version`)).json()).toEqual({ trustix: VERSION });
    expect((await fetch(`${base}/metrics`)).status).toBe(404);
    const verified = await trustix(cwd, "log", "verify", `${base}/log/raw`, "--vkey", vkey, "--json");
    expect(JSON.parse(verified.out)).toMatchObject({ verified: true, origin: "builder.test/raw", size: 2 });
    const said = await trustix(cwd, "log", "verify", `${base}/log/raw`, "--vkey", vkey);
    expect(said.out).toContain("all 2 entries, 1 bundle, ");
    const shown = await trustix(cwd, "log", "show", `${base}/log/raw/`, "--vkey", vkey);
    expect(shown.out).toContain("1 =release/1 =sha256 of it");

    const second = await trustix(cwd, "daemon");
    expect(second.status).toBe(1);
    expect(second.err).toContain(`process ${daemon.child.pid}`);

    daemon.child.kill("SIGTERM");
    expect(await once(daemon.child, "exit")).toEqual([0, null]);
    expect(daemon.log()).toContain("trustix has stopped");
  }
  expect((await trustix(cwd, "log", "verify", publicDirectory, "--vkey", vkey)).status).toBe(0);
  expect(await trustix(cwd, "log", "verify", publicDirectory, "--vkey", vkeys.nix)).toMatchObject({
    status: 4,
  });
  {
    await using daemon = await startDaemon(cwd);
    expect((await trustix(cwd, "submit", "--key", "00ff", "--value", "", "--hex")).out).toBe(
      "INDEX  STATUS  CLAIM\n1      known   00ff\n",
    );
    expect((await trustix(cwd, "submit", "--key", "third", "--value", "3", "--wait")).status).toBe(0);
    expect(daemon.child.exitCode).toBeNull();
  }
  const bundle = join(publicDirectory, "tile/entries/000.p/3");
  const bytes = await readFile(bundle);
  bytes[5]! ^= 1;
  await writeFile(bundle, bytes);
  const damaged = await trustix(cwd, "log", "verify", publicDirectory, "--vkey", vkey);
  expect(damaged.status).toBe(4);
  expect(damaged.err).toContain("tile/entries/000.p/3");
});

test("tokens open the API on TCP, until they are revoked", async () => {
  const cwd = await temporary();
  await trustix(cwd, ...INIT);
  const probe = await (await import("node:net")).createServer().listen(0, "127.0.0.1");
  await once(probe, "listening");
  const { port } = probe.address() as { port: number };
  probe.close();
  await writeFile(
    join(cwd, "trustix.toml"),
    `${await readFile(join(cwd, "trustix.toml"), "utf8")}\n[api]\nlisten = "127.0.0.1:${port}"\n`,
  );
  const { token, id } = JSON.parse((await trustix(cwd, "token", "create", "ci", "--json")).out) as {
    token: string;
    id: string;
  };
  await using daemon = await startDaemon(cwd);
  const submit = async (authorization: string): Promise<number> => {
    const answer = await fetch(`http://127.0.0.1:${port}/api/v1/logs/raw/claims`, {
      method: "POST",
      headers: { authorization, "content-type": "application/json" },
      body: JSON.stringify({ claims: [{ key: "k", value: "v" }] }),
    });
    await answer.arrayBuffer();
    return answer.status;
  };
  expect(await submit(`Bearer ${token}`)).toBe(200);
  expect(await submit("Bearer trustix_nonsense")).toBe(401);
  expect((await fetch(`http://127.0.0.1:${port}/metrics`)).status).toBe(401);
  expect((await trustix(cwd, "token", "list")).out).toContain(`${id}  `);
  expect((await trustix(cwd, "token", "revoke", id)).status).toBe(0);
  expect(await submit(`Bearer ${token}`)).toBe(401);
  const socket = join(cwd, "state/admin.sock");
  expect((await stat(socket)).mode & 0o777).toBe(0o600);
  expect(daemon.child.exitCode).toBeNull();
});

test("arguments that are no store paths are refused before anything is asked", async () => {
  const cwd = await temporary();
  await trustix(cwd, ...INIT);
  await mkdir(join(cwd, "store"));
  await symlink(join(cwd, "store"), join(cwd, "result"));
  for (const args of [
    ["submit"],
    ["submit", "./result"],
    ["submit", "/etc/passwd"],
    ["submit", "--key", "a"],
    ["submit", "x", "--key", "a", "--value", "b"],
  ]) {
    expect(await trustix(cwd, ...args)).toMatchObject({ status: 2 });
  }
});
