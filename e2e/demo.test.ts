// The demo tells its story to the end, with real Nix and where there is none, and leaves nothing behind.

import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { canPrivatiseNix, listNixVersions } from "../scripts/outside-tools/nix.ts";
import { type Finished, run } from "../scripts/outside-tools/process.ts";

const REPOSITORY = join(import.meta.dirname, "..");
const hasNix = (await canPrivatiseNix()) && (await listNixVersions()).includes("2.26");

let temporary: string;

beforeEach(async () => {
  temporary = await mkdtemp(join(tmpdir(), "demo-test-"));
});
afterEach(() => rm(temporary, { recursive: true }));

async function demo(...args: readonly string[]): Promise<Finished> {
  const env = { ...process.env, TMPDIR: temporary };
  return await run("npm", ["run", "--silent", "demo", "--", ...args], { cwd: REPOSITORY, env });
}

async function expectStory({ status, stdout, stderr }: Finished): Promise<void> {
  expect(status, stdout + stderr).toBe(0);
  expect(stdout.match(/Act \d: .*? ─/g)).toHaveLength(5);
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

it.skipIf(!hasNix)("shows with real Nix what it promises", async () => {
  const finished = await demo("--once");
  await expectStory(finished);
  expect(finished.stdout).toMatch(/^Starting four builders and your node, with Nix 2\./m);
});

it("shows it with made-up packages where there is no Nix, and says so", async () => {
  const finished = await demo("--once", "--synthetic");
  await expectStory(finished);
  expect(finished.stdout).toContain("Nothing is really built here");
});
