// The demo tells its story to the end, with real Nix and where there is none, and leaves nothing behind. While it is still
// running, every `sh` block of the guide "Find out who to trust" is run against it, word for word.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, mkdtemp, readdir, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { afterEach, beforeEach, expect, it } from "vitest";
import { canPrivatiseNix, listNixVersions } from "../scripts/outside-tools/nix.ts";
import { type Finished, run } from "../scripts/outside-tools/process.ts";
import { shellBlocks, writeNpx } from "./guide.ts";

const REPOSITORY = join(import.meta.dirname, "..");
const GUIDE = join(REPOSITORY, "docs/guides/find-out-who-to-trust.md");
const hasNix = (await canPrivatiseNix()) && (await listNixVersions()).includes("2.26");

let temporary: string;

beforeEach(async () => {
  temporary = await mkdtemp(join(tmpdir(), "demo-test-"));
});
afterEach(() => rm(temporary, { recursive: true }));

/** A running demo. */
interface Demo {
  /** What it has said so far. */
  readonly told: () => string;
  /** Presses Ctrl-C, and returns what came of all of it. */
  end(): Promise<Finished>;
}

/** Runs the demo until it has told its story. */
async function demo(...args: readonly string[]): Promise<Demo> {
  const env = { ...process.env, TMPDIR: temporary };
  const program = ["--conditions=@trustix/source", "--disable-warning=ExperimentalWarning", "demo/main.ts"];
  const child = spawn(process.execPath, [...program, ...args], {
    cwd: REPOSITORY,
    env,
    stdio: ["ignore", "pipe", "pipe"],
  });
  const exited = once(child, "exit");
  const stderr = text(child.stderr);
  let stdout = "";
  const toldAll = new Promise<void>((resolve) => {
    child.stdout.on("data", (part: Buffer) => {
      stdout += part.toString();
      if (stdout.includes("Ctrl-C stops everything")) resolve();
    });
  });
  await Promise.race([toldAll, exited]);
  return {
    told: () => stdout,
    end: async () => {
      child.kill("SIGINT");
      const [status, signal] = (await exited) as [number | null, NodeJS.Signals | null];
      return { status, signal, stdout, stderr: await stderr };
    },
  };
}

async function expectStory({ status, stdout, stderr }: Finished): Promise<void> {
  expect(status, stdout + stderr).toBe(0);
  expect(stdout.match(/✓/g)).toHaveLength(16);
  expect(stdout).not.toContain("✗");
  expect(stdout).toMatch(/hello-1\.0 +(\w{8}) +\1 +\w{8} ≠ +\1$/m);
  expect(stdout).toContain("alice, bob and dan agree, against chuck");
  expect(stdout).toContain("Trustix-Reason: no-quorum; alice and bob agree, 2 of the 3 needed");
  expect(stdout).toMatch(/^ +\+echo "\[backdoor\] /m);
  expect(stdout).toMatch(/^ +chuck deviates: probability /m);
  // biome-ignore lint/suspicious/noControlCharactersInRegex: there must be none in a pipe
  expect(stdout).not.toMatch(/\u001b/);
  const left = await readdir(temporary);
  expect(left.filter((name) => name.startsWith("trustix-"))).toEqual([]);
}

/** Runs the blocks of the guide, with the /nix of the demo's user. */
async function followGuide(told: string): Promise<Finished> {
  const [, enter = "", directory = ""] = /^ +(export TRUSTIX_CONFIG=(\S+)\/you\/node\/\S+ NODE=\S+)$/m.exec(
    told,
  ) as unknown as string[];
  const [, hello = ""] = /"storePath":"([^"]+-hello-1\.0)"/.exec(
    (await run("sh", ["-c", `${enter}; curl -s "$NODE/api/v1/paths?q=hello-1.0"`], { check: true })).stdout,
  ) as unknown as string[];
  const cwd = join(temporary, "clone");
  await mkdir(cwd);
  await symlink(hello, join(cwd, "result"));
  const file = join(temporary, "blocks.sh");
  await writeFile(
    file,
    [
      "set -eu -o pipefail",
      enter,
      `export PATH='${await writeNpx(join(temporary, "bin"))}':"$PATH"`,
      // The channel's list.
      `printf '%s\\n' ${hello} /nix/store/${"0".repeat(32)}-unknown | xz > store-paths.xz`,
      "PS4='$ '; set -x",
      ...(await shellBlocks(GUIDE)),
    ].join("\n"),
  );
  return await run(join(directory, "you/run"), ["env", "-C", cwd, "bash", file]);
}

it.skipIf(!hasNix)(
  "shows with real Nix what it promises, and the guide what can be found out of it",
  async () => {
    const shown = await demo();
    try {
      expect(shown.told().match(/Act \d: .*? ─/g)).toHaveLength(6);
      expect(shown.told()).toMatch(/^Starting four builders and your node, with Nix 2\./m);
      const { status, stdout, stderr } = await followGuide(shown.told());
      expect(status, `${stdout}\n${stderr}`).toBe(0);
      expect(stdout).toMatch(/^ +\+echo "\[backdoor\]/m);
      expect(stdout).toContain("all of it is of a usual kind: timestamps");
      expect(stdout).toMatch(/^verdict +the log has this entry/m);
      expect(stdout).toMatch(/^chuck .* suspect: /m);
      expect(stdout).toMatch(/^chuck +quarantined/m);
      expect(stdout).toMatch(/^unchecked +1 /m);
      expect(stdout).toMatch(/^verdict +all \d+ proofs hold/m);
      expect(stdout).toMatch(/^trustix_operator_suspicion\{operator="chuck"\} (1|0\.99)/m);
      expect(stdout.match(/^exit status 4$/gm)).toHaveLength(3);
    } finally {
      await expectStory(await shown.end());
    }
  },
);

it("shows it with made-up packages where there is no Nix, says so, and ends by itself", async () => {
  const env = { ...process.env, TMPDIR: temporary };
  const args = ["run", "--silent", "demo", "--", "--once", "--synthetic"];
  const finished = await run("npm", args, { cwd: REPOSITORY, env });
  await expectStory(finished);
  expect(finished.stdout.match(/Act \d: .*? ─/g)).toHaveLength(5);
  expect(finished.stdout).toContain("Nothing is really built here");
});
