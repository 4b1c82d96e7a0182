// The guides "Run a builder" and "Use it as a substituter", and the README's five minutes, word for word: every `sh` block is
// run, one after the other, in one shell, so that the pages cannot rot. Only the port is another, and what installs the
// program is left out: the tests run on its sources. "Find out who to trust" is run in demo.test.ts.

import { chmod, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type ParsedNarInfo, parseNarInfo } from "@trustix/nix";
import { type RunningBuilder, startBuilder } from "trustix/src/daemon/nodes.test.util.ts";
import { afterEach, beforeEach, expect, it } from "vitest";
import { listNixVersions, type Nix, type NixVersion, openNix } from "../scripts/outside-tools/nix.ts";
import { shellBlocks, writeNpx } from "./guide.ts";

const versions = await listNixVersions();
const version = versions.at(-1);
const README = join(import.meta.dirname, "../README.md");
const GUIDE = join(import.meta.dirname, "../docs/guides/run-a-builder.md");
const USER_GUIDE = join(import.meta.dirname, "../docs/guides/use-as-substituter.md");

let root: string;
let port: number;
let nix: Nix;

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

/** The `sh` blocks of a page; see {@link shellBlocks}. */
async function blocksOf(page: string, heading?: string): Promise<string[]> {
  return (await shellBlocks(page, heading)).map((block) => block.replaceAll("8484", String(port)));
}

/** Runs blocks in one shell that stops at the first command that fails. */
async function runBlocks(place: Nix, blocks: readonly string[]): Promise<string> {
  const script = [
    "set -eu -o pipefail",
    // A daemon that the reader leaves running in its terminal.
    `await_daemon() { for i in $(seq 300); do npx trustix status >/dev/null 2>&1 && return; sleep 0.1; done; return 1; }`,
    `trap 'kill $(jobs -p) 2>/dev/null; wait' EXIT`,
    "PS4='$ '; set -x",
    ...blocks.map((block) =>
      block
        .replace(/^npx trustix daemon\b.*$/m, "npx trustix daemon &\nawait_daemon")
        .replace(/^(npx trustix init .*?)( *#.*)?$/m, `$1 --listen 127.0.0.1:${port}`),
    ),
  ];
  const file = join(root, "blocks.sh");
  await writeFile(file, script.join("\n"));
  const cwd = join(root, "clone");
  await mkdir(cwd);
  const bin = await writeNpx(join(root, "bin"));
  const env = { PATH: `${bin}:${place.env.PATH}`, HOME: join(root, "home") };
  await mkdir(env.HOME);
  const { status, stdout, stderr } = await place.run("env", ["-C", cwd, "bash", file], { env });
  expect(status, `${stdout}\n${stderr}`).toBe(0);
  return stdout;
}

beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), "guide-"));
  await chmod(root, 0o755);
  port = await freePort();
});
afterEach(async () => {
  await nix.run("chmod", ["-R", "u+w", "/nix/store"]);
  await rm(root, { recursive: true });
});

it.skipIf(version === undefined)("every command of the guide works as it is written", async () => {
  const hook = join(root, "home/builder/post-build-hook");
  nix = await openNix(version!, { root: join(root, "nix"), settings: { "post-build-hook": hook } });
  const [install, ...blocks] = await blocksOf(GUIDE);
  expect(install).toBe("npm ci\nnpm run build -w trustix\n");
  const said = await runBlocks(nix, blocks);
  expect(said).toContain(`post-build-hook = ${hook}\n`);
  expect(said).toMatch(/^verified +1 entry/m);
  expect(said).toContain("c2sp.org/tlog-proof");
});

it.skipIf(version === undefined)(
  "the first five minutes of the README work as they are written",
  async () => {
    nix = await openNix(version!, { root: join(root, "nix") });
    const blocks = (await blocksOf(README, "Five minutes")).filter((block) => !block.startsWith("npm ci"));
    expect(blocks).toHaveLength(3);
    const said = await runBlocks(
      nix,
      blocks.map((block) => block.replaceAll("/tmp/builder", join(root, "builder"))),
    );
    expect(said).toContain("c2sp.org/tlog-proof");
    expect(said).toMatch(/^verified +1 entry/m);
  },
);

/** Builds what a guide builds, with a Nix of its own, and leaves it in a cache. */
async function buildElsewhere(
  version: NixVersion,
  expression: string,
  cache: string,
): Promise<ParsedNarInfo> {
  const builder = await openNix(version, { root: join(root, "builder") });
  const ok = async (command: string, ...args: readonly string[]): Promise<string> => {
    const { status, stdout, stderr } = await builder.run(command, args);
    expect(status, stderr).toBe(0);
    return stdout.trim();
  };
  const path = await ok("nix-build", "--no-out-link", "-E", expression);
  await ok("nix", "copy", "--to", `file://${cache}`, path);
  await ok("chmod", "-R", "u+w", "/nix/store");
  const [narInfo = ""] = (await readdir(cache)).filter((name) => name.endsWith(".narinfo"));
  return parseNarInfo(await readFile(join(cache, narInfo)));
}

it.for(versions)("every command of the user's guide works as it is written, with Nix %s", async (version) => {
  const [install, ...blocks] = await blocksOf(USER_GUIDE);
  expect(install).toBe("npm ci\nnpm run build -w trustix\n");
  const [, expression] = /^nix-build -E '(.*)'$/m.exec(blocks.join("")) as unknown as [string, string];
  const cache = join(root, "cache");
  const built = await buildElsewhere(version, expression, cache);
  const other = { ...built, narHash: { ...built.narHash, bytes: built.narHash.bytes.toReversed() } };
  await using stack = new AsyncDisposableStack();
  const builders: RunningBuilder[] = [];
  for (const [name, facts] of [
    ["alice", built],
    ["bob", built],
    ["carol", other],
  ] as const) {
    builders.push(stack.use(await startBuilder(join(root, "builders"), name, [{ facts }])));
  }
  nix = await openNix(version, { root: join(root, "nix") });
  const said = await runBlocks(
    nix,
    blocks.map((text) => {
      let block = text;
      for (const { name, url, vkey } of builders) {
        block = block
          .replaceAll(`https://${name}.example.org`, url)
          .replaceAll(`${name.toUpperCase()}_VKEY`, vkey);
      }
      return (
        block
          // What is printed is what nix.conf needs.
          .replace(
            /^(npx trustix init .*)$/m,
            `$1 > init.out\nexport NIX_CONFIG="$(grep -E '^ {7}[a-z-]+ = ' init.out)"`,
          )
          // The builders of this test have no caches of their own.
          .replace(
            "npx trustix config check\n",
            `printf '[[upstream]]\\nname = "files"\\nurl = "file://${cache}"\\n' >> $TRUSTIX_CONFIG\n$&`,
          )
          .replace(
            "npx trustix status\n",
            `until npx trustix status --json | grep -q '\\("health":"ok".*\\)\\{3\\}'; do sleep 0.1; done\n$&`,
          )
      );
    }),
  );
  expect(said).toContain("accepted A");
  expect(said).toMatch(/carol +B/);
  expect(said).toMatch(/^confirmed +1 +100\.0 %/m);
  expect(said).toMatch(/trustix-reason: no-votes; /i);
  expect(said).toContain("1 paths: 1 accepted before, 0 after");
  // Nix did not build it: it has our signature.
  const query = await nix.run("nix", ["path-info", "--sigs", built.storePath]);
  expect(query.stdout).toMatch(/-trustix-1:/);
  expect(query.stdout).not.toContain("ultimate");
});
