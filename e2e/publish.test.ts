// From a build by real Nix through the installed hook to the entry of a log: what is claimed is what Nix itself says,
// and the build never notices.

import { chmod, chown, mkdir, mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseNixEntry } from "@trustix/nix";
import { renderHook } from "trustix/src/publish/hook.ts";
import { SpoolDir } from "trustix/src/publish/spool-dir.ts";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { listNixVersions, type Nix, openNix } from "../scripts/outside-tools/nix.ts";
import { run } from "../scripts/outside-tools/process.ts";
import type { DriverReport, DriverTask } from "./publish-driver.ts";

const versions = await listNixVersions();
const system = `${process.arch === "x64" ? "x86_64" : "aarch64"}-${process.platform}`;
const isRoot = process.getuid?.() === 0;

/** A tree of three derivations, one with two outputs, that nothing but /bin/sh can build; `salt` makes it another. */
const expression = (salt: string): string => `
let
  make = name: outputs: deps: derivation {
    inherit name outputs deps;
    system = builtins.currentSystem;
    builder = "/bin/sh";
    args = [ "-c" "for o in $outputs; do eval p=\\\\$$o; echo ${salt} $p $deps >$p; done" ];
  };
  a = make "a" [ "out" ] [ ];
  b = make "b" [ "out" "dev" ] [ a ];
in make "c" [ "out" ] [ b b.dev ]
`;

if (versions.length === 0)
  it.skip("publish needs real Nix: node scripts/outside-tools/main.ts nix-2.8 nix-2.26 nix-2.34", () => {});

describe.each(versions)("publish with Nix %s", (version) => {
  let root: string;
  let spoolDir: string;
  let hook: string;
  let nix: Nix;

  beforeAll(async () => {
    root = await mkdtemp(join(tmpdir(), "publish-"));
    await chmod(root, 0o755);
    spoolDir = join(root, "spool");
    hook = join(root, "hook");
    await new SpoolDir(spoolDir).create();
    await writeFile(hook, renderHook({ spoolDir }), { mode: 0o755 });
    nix = await openNix(version, { root: join(root, "nix"), settings: { "post-build-hook": hook } });
  });
  afterAll(async () => {
    await nix.run("chmod", ["-R", "u+w", "/nix/store"]);
    await rm(root, { recursive: true });
  });

  const messages = async () => (await readdir(spoolDir)).filter((name) => name !== "rejected");

  async function build(salt: string, env: Record<string, string> = {}, extra: readonly string[] = []) {
    const file = join(root, `${salt}.nix`);
    await writeFile(file, expression(salt));
    return await nix.run("nix-build", ["--no-out-link", ...extra, file], { env });
  }

  async function ok(
    command: string,
    args: readonly string[],
    env: Record<string, string> = {},
  ): Promise<string> {
    const { status, stdout, stderr } = await nix.run(command, args, { env });
    expect(status, `${command} ${args.join(" ")}: ${stderr}`).toBe(0);
    return stdout.trim();
  }

  async function drive(
    task: Omit<DriverTask, "spoolDir">,
    env: Record<string, string> = {},
    before: readonly string[] = [],
  ): Promise<DriverReport> {
    const driver = join(import.meta.dirname, "publish-driver.ts");
    const [command, ...args] = [...before, process.execPath, "--conditions=@trustix/source", driver];
    return JSON.parse(
      await ok(command!, [...args, JSON.stringify({ ...task, spoolDir })], env),
    ) as DriverReport;
  }

  /** What Nix itself says of paths: fingerprint and deriver of each. */
  async function askNix(paths: readonly string[]): Promise<{ statement: string; deriver: string }[]> {
    const queries =
      "nix-store -q --hash $p; nix-store -q --size $p; nix-store -q --deriver $p; nix-store -q --references $p";
    const text = await ok("sh", ["-ec", `for p; do ${queries}; echo; done`, "sh", ...paths]);
    return text.split("\n\n").map((block, i) => {
      const [hash, size, deriver, ...references] = block.trim().split("\n");
      return { statement: `1;${paths[i]};${hash};${size};${references.sort().join(",")}`, deriver: deriver! };
    });
  }

  async function expectTrue(report: DriverReport, paths: readonly string[], kind: string): Promise<void> {
    expect(report.version.startsWith(`${version}.`)).toBe(true);
    const found = report.entries.map((text) => parseNixEntry(Buffer.from(text)));
    const claimed = found.map(({ statement }) => statement.storePath);
    expect([...claimed].sort()).toEqual([...paths].sort());
    const truth = await askNix(claimed);
    expect(report.entries.map((text) => text.split("\n")[0])).toEqual(
      truth.map(({ statement }) => statement),
    );
    expect(found.map(({ deriver }) => deriver)).toEqual(truth.map(({ deriver }) => deriver));
    for (const entry of found) expect(entry).toMatchObject({ kind, system });
  }

  const outputsBelow = async (path: string) =>
    (await ok("nix-store", ["-q", "--requisites", path])).split("\n");

  it("claims every output of a tree as Nix registered it, and again when it is built again", async () => {
    const { status, stdout } = await build("tree");
    expect(status).toBe(0);
    const top = stdout.trim();
    const paths = await outputsBelow(top);
    expect(paths).toHaveLength(4);
    expect(await messages()).toHaveLength(3);
    const first = await drive({ do: "scan" });
    await expectTrue(first, paths, "built");
    // Dependencies come before dependents: messages are read in the order of the builds.
    expect(first.entries.at(-1)).toContain(`1;${top};`);
    expect(await messages()).toEqual([]);
    expect(first.events.map(({ type }) => type)).toEqual(["outcome", "outcome", "outcome", "outcome"]);

    await ok("nix-store", ["--realise", "--check", await ok("nix-store", ["-q", "--deriver", top])]);
    await expectTrue(await drive({ do: "scan", claimed: paths, verifyBeforeClaim: true }), [top], "rebuilt");
    expect(await drive({ do: "scan" })).toMatchObject({ entries: [], events: [] });
  });

  it("lets go of what is garbage by now, and claims the rest", async () => {
    const top = (await build("garbage")).stdout.trim();
    const rest = (await outputsBelow(top)).filter((path) => path !== top);
    await ok("nix-store", ["--delete", top]);
    const report = await drive({ do: "scan" });
    await expectTrue(report, rest, "built");
    const gone = report.events.filter(
      (event) => event.type === "no-outputs" || (event.type === "outcome" && event.outcome.status === "gone"),
    );
    expect(gone).toHaveLength(1);
    expect(await messages()).toEqual([]);
  });

  it("does not claim as built what replaced a build since", async () => {
    const top = (await build("replaced")).stdout.trim();
    const before = await messages();
    expect(before).toHaveLength(3);
    // The builds were long ago, as far as the files tell; Nix registered the paths just now.
    for (const name of before) await ok("touch", ["-d", "2 hours ago", join(spoolDir, name)]);
    const report = await drive({ do: "scan" });
    expect(report.entries).toEqual([]);
    const statuses = report.events.map((event) => event.type === "outcome" && event.outcome.status);
    expect(statuses).toEqual(["replaced", "replaced", "replaced", "replaced"]);
    expect(await outputsBelow(top)).toHaveLength(4);
  });

  it("still claims a build whose message waited long", async () => {
    const paths = await outputsBelow((await build("waited")).stdout.trim());
    await expectTrue(await drive({ do: "scan", laterMs: 86_400_000 }), paths, "built");
  });

  it("finds what the hook missed, and leaves alone what was copied here", async () => {
    await drive({ do: "reconcile" });
    const { status, stdout } = await build("missed", {}, ["--option", "post-build-hook", ""]);
    expect(status).toBe(0);
    expect(await messages()).toEqual([]);
    const top = stdout.trim();
    const paths = await outputsBelow(top);
    await writeFile(join(root, "source"), "source");
    const source = await ok("nix-store", ["--add", join(root, "source")]);
    const all = await drive({ do: "reconcile" });
    await expectTrue(
      {
        ...all,
        entries: all.entries.filter((entry) => paths.some((path) => entry.startsWith(`1;${path};`))),
      },
      paths,
      "built",
    );
    expect(all.entries.some((entry) => entry.includes(source))).toBe(false);
    expect(all.progress?.foreign).toBeGreaterThan(0);
    const closure = await drive({ do: "reconcile", roots: [top as never], claimed: paths.slice(1) });
    await expectTrue(closure, paths.slice(0, 1), "built");
    const imported = await drive({ do: "reconcile", roots: [source as never], includeImported: true });
    expect(imported.entries.map((entry) => entry.split("\n").slice(0, 2))).toEqual([
      [(await askNix([source]))[0]!.statement, "kind imported"],
    ]);
  });

  it("works through the daemon, also for a user who may only talk to it", async () => {
    await using daemon = await nix.startDaemon();
    const paths = await outputsBelow((await build("daemon", daemon.env)).stdout.trim());
    expect(await messages()).toHaveLength(3);
    if (isRoot) {
      const nobody = 65534;
      await chown(spoolDir, nobody, nobody);
      await chmod(spoolDir, 0o2750);
      await chown(join(spoolDir, "rejected"), nobody, nobody);
      await drive({ do: "scan" }, daemon.env);
      const more = await outputsBelow((await build("nobody", daemon.env)).stdout.trim());
      const as = ["setpriv", `--reuid=${nobody}`, `--regid=${nobody}`, "--clear-groups"];
      await expectTrue(await drive({ do: "scan" }, daemon.env, as), more, "built");
      expect(
        (await drive({ do: "reconcile", roots: [more.at(-1) as never] }, daemon.env, as)).progress,
      ).toMatchObject({ claimed: 4 });
    } else {
      await expectTrue(await drive({ do: "scan" }, daemon.env), paths, "built");
    }
    expect(await messages()).toEqual([]);
  });

  describe("leaves a build as it was", () => {
    /** Status and result of a build with a hook that works on a spool in some state. */
    async function buildWith(salt: string, dir: string, prepare: string) {
      const file = join(root, `${salt}.nix`);
      const other = join(root, `${salt}-hook`);
      await writeFile(file, expression(salt));
      await writeFile(other, renderHook({ spoolDir: dir }), { mode: 0o755 });
      // Mounted outside of the private root: Nix runs its hook in the mount namespace, but not in the root, it was in.
      const unshare = isRoot ? ["--mount"] : ["--mount", "--map-root-user"];
      const inside = [
        ...nix.prefix,
        "nix-build",
        "--no-out-link",
        "--option",
        "post-build-hook",
        other,
        file,
      ];
      const args = [...unshare, "sh", "-c", `${prepare} exec "$@"`, "sh", ...inside];
      const { status, stdout, stderr } = await run("unshare", args, { env: nix.env });
      const warnings = stderr.split("\n").filter((line) => line.includes("trustix: "));
      return { status, stdout, warnings: warnings.length };
    }

    async function expectSame(salt: string, dir: string, prepare: string, warnings: number): Promise<void> {
      const found = await buildWith(salt, dir, prepare);
      const paths = await outputsBelow(found.stdout.trim());
      const truth = await askNix(paths);
      await ok("nix-store", ["--delete", ...paths]);
      const plain = await build(salt, {}, ["--option", "post-build-hook", ""]);
      expect(found).toEqual({ status: plain.status, stdout: plain.stdout, warnings });
      expect(await askNix(paths)).toEqual(truth);
    }

    it("with a spool that is missing", () => expectSame("missing", join(root, "nowhere"), "", 3));

    it("with a spool that is no directory", async () => {
      await writeFile(join(root, "file"), "");
      await expectSame("file", join(root, "file"), "", 3);
    });

    it("with a spool that cannot be written to", async () => {
      const dir = join(root, "read-only");
      await mkdir(dir);
      await expectSame("unwritable", dir, `mount -t tmpfs -o ro tmpfs '${dir}' &&`, 3);
    });

    it("with a full disk", async () => {
      const dir = join(root, "full");
      await mkdir(dir);
      const fill = `mount -t tmpfs -o size=16k tmpfs '${dir}' && { cat /dev/zero >'${dir}/fill' 2>/dev/null; :; } &&`;
      await expectSame("full", dir, fill, 3);
    });
  });
});
