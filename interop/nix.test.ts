// Each real Nix works from its folder with a /nix of its own: what the other tests with real clients stand on.

import { access, chmod, mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import {
  listNixVersions,
  NIX_VERSIONS,
  type Nix,
  type NixSettings,
  openNix,
} from "../scripts/outside-tools/nix.ts";

const available = await listNixVersions();

const TWO_OUTPUTS = `derivation {
  name = "two";
  system = builtins.currentSystem;
  builder = "/bin/sh";
  outputs = [ "out" "dev" ];
  args = [ "-c" "echo hi > $out; echo $out > $dev" ];
}`;

describe.each(NIX_VERSIONS)("Nix %s", (version) => {
  const missing = !available.includes(version);
  if (missing && process.env.CI === "true") throw new Error(`Nix ${version} cannot run here`);
  let directory: string;

  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), "trustix-nix-"));
    await writeFile(join(directory, "two.nix"), TWO_OUTPUTS);
  });

  afterEach(async () => {
    await rm(directory, { recursive: true, force: true });
  });

  async function open(name: string, settings: NixSettings = {}): Promise<Nix> {
    await mkdir(join(directory, name));
    return await openNix(version, { root: join(directory, name), settings });
  }

  async function say(nix: Nix, command: string, ...args: string[]): Promise<string> {
    return (await nix.run(command, args, { check: true })).stdout.trim();
  }

  const build = (nix: Nix): Promise<string> =>
    say(nix, "nix-build", "--no-out-link", "-A", "all", join(directory, "two.nix"));

  test.skipIf(missing)("is the release it is named after", async () => {
    const nix = await open("store");
    expect(await say(nix, "nix", "--version")).toMatch(
      new RegExp(`^nix \\(Nix\\) ${version.replace(".", "\\.")}\\.`),
    );
  });

  test.skipIf(missing)(
    "builds into a private store, runs the post-build hook, and tells what it built",
    async () => {
      const hook = join(directory, "hook");
      const called = join(directory, "called");
      await writeFile(hook, `#!/bin/sh\necho "$DRV_PATH" >>'${called}'\n`);
      await chmod(hook, 0o755);
      const nix = await open("store", { "post-build-hook": hook });
      const outputs = (await build(nix)).split("\n");
      const derivation = (await readFile(called, "utf8")).trim();
      expect(derivation).toMatch(/^\/nix\/store\/[0-9a-z]{32}-two\.drv$/);
      expect((await say(nix, "nix-store", "-q", "--outputs", derivation)).split("\n").sort()).toEqual(
        outputs.sort(),
      );
      for (const output of outputs) {
        await access(join(nix.physical, output.slice("/nix/".length)));
        expect(await access(output).catch(({ code }) => code)).toBe("ENOENT");
        expect(JSON.stringify(JSON.parse(await say(nix, "nix", "path-info", "--json", output)))).toContain(
          output,
        );
      }
    },
  );

  test.skipIf(missing)("dumps and restores", async () => {
    const nix = await open("store");
    const [output] = (await build(nix)).split("\n");
    const [nar, copy] = [join(directory, "nar"), join(directory, "copy")];
    await say(nix, "sh", "-c", `nix-store --dump ${output} >${nar} && nix-store --restore ${copy} <${nar}`);
    expect(await readFile(copy, "utf8")).toBe("hi\n");
    const hash = ["nix-hash", "--type", "sha256", "--base32"] as const;
    expect(await say(nix, ...hash, copy)).toBe(await say(nix, ...hash, output!));
  });

  test.skipIf(missing)("copies to a cache, and substitutes from it into another store", async () => {
    const cache = `file://${join(directory, "cache")}`;
    const builder = await open("builder");
    const outputs = (await build(builder)).split("\n");
    await say(builder, "nix", "copy", "--to", cache, ...outputs);
    const client = await open("client", { substituters: cache, "require-sigs": "false" });
    await say(client, "nix-store", "-r", ...outputs);
    expect(await say(client, "cat", outputs[0]!)).toBe("hi");
  });

  test.skipIf(missing)("builds through its daemon", async () => {
    const nix = await open("store");
    await using daemon = await nix.startDaemon();
    const args = ["--no-out-link", join(directory, "two.nix")];
    const { status } = await nix.run("nix-build", args, { env: daemon.env });
    expect(status).toBe(0);
  });
});
