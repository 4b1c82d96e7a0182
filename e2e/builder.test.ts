// What a builder's owner relies on, with real Nix, the installed hook and the daemon in a process of its own: what is
// built ends up in a log that others verify, nothing that was acknowledged is lost, and a build never notices.

import { chmod, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { parseNixEntry } from "@trustix/nix";
import { createVerifier, leafHash, openCheckpoint, parseTlogProof, verifyInclusion } from "@trustix/tlog";
import { DaemonClient } from "trustix/src/cli/client.ts";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { buildGoProgram, findTool } from "../interop/outside.ts";
import { listNixVersions, type Nix, openNix } from "../scripts/outside-tools/nix.ts";
import { run } from "../scripts/outside-tools/process.ts";
import { eventually, startDaemon, trustix, trustixJson } from "./node.ts";

const versions = await listNixVersions();
const go = await findTool("go");
const ORIGIN = "builder.test";

/** A tree of four derivations, two of them with several outputs; `salt` makes it another. */
const expression = (salt: string): string => `
let
  make = name: outputs: deps: derivation {
    inherit name outputs deps;
    system = builtins.currentSystem;
    builder = "/bin/sh";
    args = [ "-c" "for o in $outputs; do eval p=\\\\$$o; echo ${salt} $o $deps >$p; done" ];
  };
  base = make "base" [ "out" ] [ ];
  lib = make "lib" [ "out" "dev" "man" ] [ base ];
  tool = make "tool" [ "bin" "out" ] [ lib ];
in make "top" [ "out" ] [ tool tool.out lib.dev lib.man ]
`;
/** Store paths of such a tree. */
const PATHS = 7;

interface Shown {
  readonly index: number;
  readonly entry: string;
}

if (versions.length === 0)
  it.skip("builder needs real Nix: node scripts/outside-tools/main.ts nix-2.8 nix-2.26 nix-2.34", () => {});

describe.each(versions)("a builder with Nix %s", (version) => {
  let root: string;
  let home: string;
  let nix: Nix;
  let vkeys: { readonly nix: string; readonly raw: string };

  beforeEach(async () => {
    root = await mkdtemp(join(tmpdir(), "builder-"));
    await chmod(root, 0o755);
    home = join(root, "builder");
    nix = await openNix(version, { root: join(root, "nix") });
    const init = ["init", home, "--origin", ORIGIN, "--listen", "127.0.0.1:0", "--raw"];
    ({ vkeys } = (await trustixJson(nix, root, ...init)) as { vkeys: typeof vkeys });
    const { nixConf } = (await trustixJson(nix, home, "hook", "install")) as { nixConf: string };
    const [name, hook] = nixConf.split(" = ");
    await nix.configure({ [name!]: hook! });
  });

  afterEach(async () => {
    await nix.run("chmod", ["-R", "u+w", "/nix/store"]);
    await rm(root, { recursive: true });
  });

  const publicDir = (log: string): string => join(home, "state/logs", log, "public");
  const spooled = async (): Promise<number> =>
    (await readdir(join(home, "state/spool"))).filter((name) => name !== "rejected").length;

  async function configure(from: string, to: string): Promise<void> {
    const file = join(home, "trustix.toml");
    const text = await readFile(file, "utf8");
    expect(text).toContain(from);
    await writeFile(file, text.replaceAll(from, to));
  }

  async function build(salt: string, env: Readonly<Record<string, string>> = {}, ...extra: string[]) {
    const file = join(root, `${salt}.nix`);
    await writeFile(file, expression(salt));
    return await nix.run("nix-build", ["--no-out-link", ...extra, file], { env });
  }

  async function ok(command: string, ...args: string[]): Promise<string> {
    return (await nix.run(command, args, { check: true })).stdout.trim();
  }

  const outputsBelow = async (path: string) =>
    (await ok("nix-store", "-q", "--requisites", path)).split("\n");

  /** The fingerprints of paths, put together from what Nix answers to single questions. */
  async function fingerprints(paths: readonly string[]): Promise<string[]> {
    const queries = "nix-store -q --hash $p; nix-store -q --size $p; nix-store -q --references $p";
    const text = await ok("sh", "-ec", `for p; do ${queries}; echo; done`, "sh", ...paths);
    return text.split("\n\n").map((block, i) => {
      const [hash, size, ...references] = block.trim().split("\n");
      return `1;${paths[i]};${hash};${size};${references.sort().join(",")}`;
    });
  }

  /** Verifies a log with our own reader and with Go's, and returns its entries. */
  async function verified(log: "nix" | "raw", url?: string): Promise<readonly Shown[]> {
    const vkey = vkeys[log];
    for (const place of [publicDir(log), ...(url === undefined ? [] : [`${url}/log/${log}/`])]) {
      expect(await trustixJson(nix, home, "log", "verify", place, "--vkey", vkey)).toMatchObject({
        verified: true,
        origin: `${ORIGIN}/${log}`,
      });
    }
    const show = [
      "log",
      "show",
      publicDir(log),
      "--vkey",
      vkey,
      "--from",
      "0",
      "--limit",
      "1000000",
      "--json",
    ];
    const { stdout } = await trustix(nix, home, ...show);
    const [head, ...lines] = stdout.trimEnd().split("\n");
    const entries = lines.map((line) => JSON.parse(line) as Shown);
    expect(JSON.parse(head!)).toMatchObject({ size: entries.length });
    expect(entries.map(({ index }) => index)).toEqual(entries.keys().toArray());
    if (go !== undefined) {
      const indices = entries.length === 0 ? [] : [`-index=0,${entries.length - 1}`];
      const args = [`-dir=${publicDir(log)}`, `-vkey=${vkey}`, ...indices];
      const { stdout: said, stderr } = await run(await buildGoProgram("check", go), args);
      expect(said + stderr).toContain("ACCEPTED");
    }
    return entries;
  }

  const published = async (log: "nix" | "raw" = "nix"): Promise<number> => {
    const { logs } = (await trustixJson(nix, home, "status")) as {
      logs: { name: string; publishedSize: number }[];
    };
    return logs.find(({ name }) => name === log)!.publishedSize;
  };

  it("publishes every output of a tree, as Nix itself describes it", async () => {
    await using daemon = await startDaemon(nix, home);
    const built = await build("tree");
    expect(built.status, built.stderr).toBe(0);
    const top = built.stdout.trim();
    const paths = await outputsBelow(top);
    expect(paths).toHaveLength(PATHS);
    await eventually(published, (size) => size === PATHS);
    const entries = await verified("nix", daemon.url);
    expect(entries.map(({ entry }) => entry.split("\n")[0]).sort()).toEqual(
      (await fingerprints(paths)).sort(),
    );
    for (const { entry } of entries) {
      const { statement, deriver, kind } = parseNixEntry(Buffer.from(entry));
      expect(kind).toBe("built");
      expect(deriver).toBe(await ok("nix-store", "-q", "--deriver", statement.storePath));
    }
    expect(await spooled()).toBe(0);

    // The same again changes nothing: neither from the hook nor by hand nor for the whole store.
    await ok("nix-store", "--realise", "--check", await ok("nix-store", "-q", "--deriver", top));
    expect(await trustixJson(nix, home, "submit", top)).toMatchObject({ claims: [{ isNew: false }] });
    expect(await trustixJson(nix, home, "backfill")).toMatchObject({ claimed: 0, known: PATHS, failed: 0 });
    await eventually(spooled, (count) => count === 0);
    expect(await published()).toBe(PATHS);

    // A claim can be proven to others.
    const { proof: text } = (await trustixJson(nix, home, "log", "proof", top)) as { proof: string };
    const proof = parseTlogProof(text);
    const trust = { origin: `${ORIGIN}/nix`, logs: [createVerifier(vkeys.nix)] };
    const { checkpoint } = await openCheckpoint(proof.checkpoint, trust);
    const { entry } = entries[proof.index]!;
    expect(entry).toContain(`1;${top};`);
    verifyInclusion(leafHash(Buffer.from(entry)), proof.index, checkpoint, proof.hashes);
  });

  it("publishes what the Nix daemon builds", async () => {
    await using nixDaemon = await nix.startDaemon();
    const place = { ...nix, env: { ...nix.env, ...nixDaemon.env } };
    await using daemon = await startDaemon(place, home);
    const built = await build("through-daemon", nixDaemon.env);
    expect(built.status, built.stderr).toBe(0);
    await eventually(published, (size) => size === PATHS);
    const claimed = (await verified("nix", daemon.url)).map(({ entry }) => entry.split("\n")[0]);
    expect(claimed.sort()).toEqual((await fingerprints(await outputsBelow(built.stdout.trim()))).sort());
  });

  it("leaves a build as it is while no daemon runs, and publishes it once one does", async () => {
    const plain = await build("down", {}, "--option", "post-build-hook", "");
    const paths = await outputsBelow(plain.stdout.trim());
    const truth = await fingerprints(paths);
    await ok("nix-store", "--delete", ...paths);
    const hooked = await build("down");
    expect(hooked).toMatchObject({ status: plain.status, stdout: plain.stdout });
    expect(await fingerprints(paths)).toEqual(truth);
    expect(await spooled()).toBe(4);

    await using daemon = await startDaemon(nix, home);
    await eventually(published, (size) => size === PATHS);
    const claimed = (await verified("nix", daemon.url)).map(({ entry }) => entry.split("\n")[0]);
    expect(claimed.sort()).toEqual(truth.sort());
    expect(await spooled()).toBe(0);
  });

  it("publishes what it has accepted before it stops", async () => {
    await configure('batch = "250ms"', 'batch = "60s"');
    await configure('protocol = "raw"', 'protocol = "raw"\nbatch = "60s"');
    await using daemon = await startDaemon(nix, home);
    const submit = (key: string): Promise<unknown> =>
      trustixJson(nix, home, "submit", "--key", key, "--value", "v");
    // What comes after a pause is published at once, and the next batch is a minute later.
    await submit("at-once");
    await eventually(
      () => published("raw"),
      (size) => size === 1,
    );
    await submit("in-a-minute");
    const { stdout } = await build("stop");
    await eventually(spooled, (count) => count === 0);
    expect(await published("raw")).toBe(1);
    expect(await daemon.end("SIGTERM")).toEqual([0, null]);
    expect(daemon.log()).toContain("trustix has stopped");
    const claimed = (await verified("nix")).map(({ entry }) => entry.split("\n")[0]);
    expect(claimed.sort()).toEqual((await fingerprints(await outputsBelow(stdout.trim()))).sort());
    const keys = (await verified("raw")).map(({ entry }) => entry.split(" ")[1]);
    expect(keys).toEqual(["=at-once", "=in-a-minute"]);
  });

  it("loses nothing it has acknowledged when it is killed amid builds and submissions", async () => {
    const acknowledged = new Map<number, string>();
    const paths = new Set<string>();
    let submitted = 0;
    for (let round = 0; round < 4; round++) {
      const daemon = await startDaemon(nix, home);
      const client = new DaemonClient(join(home, "state/admin.sock"));
      const submitter = async (): Promise<void> => {
        for (;;) {
          const key = `key-${submitted++}`;
          const body = { claims: [{ key, value: "v" }] };
          const path = "/api/v1/logs/raw/claims";
          const { signal } = new AbortController();
          const { claims } = (await client.json({ method: "POST", path, body, signal })) as {
            claims: readonly { index: number }[];
          };
          acknowledged.set(claims[0]!.index, key);
        }
      };
      const submitters = Array.from({ length: 8 }, () => submitter().catch(() => undefined));
      const built = build(`killed-${round}`);
      // Some rounds end amid the builds, some amid reading the spool.
      await sleep(150 + 350 * round);
      expect(await daemon.end("SIGKILL")).toEqual([null, "SIGKILL"]);
      await Promise.all(submitters);
      const { status, stdout, stderr } = await built;
      expect(status, stderr).toBe(0);
      for (const path of await outputsBelow(stdout.trim())) paths.add(path);
    }
    expect(paths.size).toBe(4 * PATHS);
    expect(acknowledged.size).toBeGreaterThan(50);

    await using daemon = await startDaemon(nix, home);
    await eventually(published, (size) => size >= paths.size);
    await eventually(
      () => published("raw"),
      (size) => size >= acknowledged.size,
    );
    const claimed = (await verified("nix", daemon.url)).map(({ entry }) => entry.split("\n")[0]);
    expect(claimed.sort()).toEqual((await fingerprints([...paths])).sort());
    const raw = await verified("raw", daemon.url);
    for (const [index, key] of acknowledged) expect(raw[index]?.entry).toContain(`=${key} `);
    expect(new Set(raw.map(({ entry }) => entry)).size).toBe(raw.length);
    expect(await spooled()).toBe(0);
  });
});
