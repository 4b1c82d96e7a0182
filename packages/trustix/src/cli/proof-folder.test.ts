// Proofs that are given away: checked by the command, offline, and refused when anything about them is wrong.
import { execFileSync } from "node:child_process";
import { mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { formatTlogProof, leafHash, parseNote } from "@trustix/tlog";
import { afterAll, beforeEach, describe, expect, test } from "vitest";
import { temporary } from "../daemon/nodes.test.util.ts";
import { sampleEntry, sampleHashPart, sampleStatement, TestLog } from "../subscribe/test-log.test.util.ts";
import type { Io } from "./io.ts";
import { formatManifest, type ProofManifest } from "./proof-folder.ts";
import { runCli } from "./run.ts";

const root = await temporary();
afterAll(() => root[Symbol.asyncDispose]());

/** Runs the command line in this process. */
async function run(...words: readonly string[]): Promise<{ status: number; out: string; err: string }> {
  const [out, err]: [string[], string[]] = [[], []];
  const io: Io = {
    out: (line) => void out.push(line),
    err: (line) => void err.push(line),
    errRaw: () => {},
    setExitStatus: () => {},
    env: {},
    isTty: false,
    errIsTty: false,
    inIsTty: false,
    ask: async () => undefined,
    signal: new AbortController().signal,
    now: () => new Date(),
  };
  return { status: await runCli(words, io), out: out.join("\n"), err: err.join("\n") };
}

const PATHS = [1, 2].map((n) => ({
  base: `${sampleHashPart(n)}-package-${n}`,
  storePath: `/nix/store/${sampleHashPart(n)}-package-${n}`,
}));

let folder: string;
let manifest: Omit<ProofManifest, "format">;
let count = 0;
const alice = await TestLog.create("alice.test/log");
const chuck = await TestLog.create("chuck.test/log");
const [aliceEntries, chuckEntries] = [
  [sampleEntry(1), sampleEntry(2)],
  [sampleEntry(1, 1), sampleEntry(2)],
];
await alice.append(aliceEntries);
await chuck.append(chuckEntries);

/** The proof of an entry of a log of two. */
function proofOf(log: TestLog, entries: readonly Uint8Array[], index: number): string {
  const checkpoint = parseNote(log.files.get("checkpoint")!);
  return formatTlogProof({
    extra: entries[index]!,
    index,
    hashes: [leafHash(entries[1 - index]!)],
    checkpoint,
  });
}

beforeEach(async () => {
  folder = join(root.path, `proofs-${count++}`);
  const claims: ProofManifest["claims"] = [];
  for (const [index, { base, storePath }] of PATHS.entries()) {
    await mkdir(join(folder, base), { recursive: true });
    for (const [name, log, entries, output] of [
      ["alice", alice, aliceEntries, 0],
      ["chuck", chuck, chuckEntries, index === 0 ? 1 : 0],
    ] as const) {
      const file = `${base}/${name}-log-${index}.tlog-proof`;
      await writeFile(join(folder, file), proofOf(log, entries, index));
      const statement = sampleStatement(index + 1, output);
      claims.push({
        storePath,
        operator: name,
        subscription: `${name}-log`,
        index,
        statement,
        file,
        reason: null,
      });
    }
  }
  const signed = { storePath: PATHS[0]!.storePath, operator: "nixos", subscription: "cache", index: null };
  claims.push({ ...signed, statement: sampleStatement(1), file: null, reason: "a signature only" });
  manifest = {
    made: "2026-11-22T18:00:00Z",
    storeDir: "/nix/store",
    logs: [
      { subscription: "alice-log", operator: "alice", origin: alice.origin, vkey: alice.key },
      { subscription: "chuck-log", operator: "chuck", origin: chuck.origin, vkey: chuck.key },
    ],
    suspicions: [
      { operators: ["chuck"], probability: 0.99, rate: { low: 0, mean: 0.1, high: 0.2 }, paths: 1 },
    ],
    claims,
  };
  await writeFile(join(folder, "manifest.json"), formatManifest(manifest));
});

describe("a folder of proofs", () => {
  test("shows who published what", async () => {
    const { status, out, err } = await run("evidence", "verify", folder);
    expect([status, err]).toEqual([0, "Compare the vkeys with those that the builders give."]);
    expect(out).toContain("all 4 proofs hold");
    expect(out).toContain("1 claims, which are left out");
    expect(out).toMatch(/package-1 +sha256:00a+ +alice$/m);
    expect(out).toMatch(/package-1 +sha256:01a+ +chuck$/m);
    expect(out).toMatch(/package-2 +sha256:00a+ +alice, chuck$/m);
    const json = JSON.parse((await run("evidence", "verify", folder, "--json", "--vkey", chuck.key)).out);
    expect(json).toMatchObject({
      kind: "proofs",
      proofs: 4,
      unproven: 1,
      paths: [{ storePath: PATHS[0]!.storePath }, {}],
    });
  });

  test.each<[string, (claims: ProofManifest["claims"]) => Promise<unknown>]>([
    [
      "a proof of another statement",
      async ([claim]) => Object.assign(claim!, { statement: sampleStatement(1, 2) }),
    ],
    ["another index", async ([claim]) => Object.assign(claim!, { index: 1 })],
    ["another path", async ([claim]) => Object.assign(claim!, { storePath: PATHS[1]!.storePath })],
    ["another's proof", async ([claim, other]) => Object.assign(claim!, { file: other!.file })],
    ["an operator that the log is not of", async ([claim]) => Object.assign(claim!, { operator: "chuck" })],
    ["a log that is not listed", async ([claim]) => Object.assign(claim!, { subscription: "x" })],
    ["a file elsewhere", async ([claim]) => Object.assign(claim!, { file: "../../x.tlog-proof" })],
    [
      "a file that is far too large",
      async ([claim]) => writeFile(join(folder, claim!.file!), Buffer.alloc(3 << 20)),
    ],
    [
      "a pipe in place of a file",
      async ([claim]) => {
        await rm(join(folder, claim!.file!));
        execFileSync("mkfifo", [join(folder, claim!.file!)]);
      },
    ],
    [
      "a proof that was changed",
      async ([claim]) => {
        const file = join(folder, claim!.file!);
        await writeFile(file, (await readFile(file, "utf8")).replace(/^extra .{9}/m, "extra AAAAAAAAA"));
      },
    ],
  ])("with %s is refused", async (_, spoil) => {
    await spoil(manifest.claims);
    await writeFile(join(folder, "manifest.json"), formatManifest(manifest));
    const { status, err } = await run("evidence", "verify", folder);
    expect(err).toMatch(/^trustix: /);
    expect(status).toBe(4);
  });

  test("of other keys, or without its files, is refused", async () => {
    const other = (await TestLog.create("eve.test/log")).key;
    expect(await run("evidence", "verify", folder, "--vkey", other)).toMatchObject({ status: 4 });
    await rm(join(folder, manifest.claims[0]!.file!));
    expect(await run("evidence", "verify", folder)).toMatchObject({ status: 1 });
    await writeFile(join(folder, "manifest.json"), "{}");
    expect(await run("evidence", "verify", folder)).toMatchObject({ status: 4 });
  });
});

test("a single proof is checked with the key of its log", async () => {
  const file = join(folder, manifest.claims[1]!.file!);
  expect(await run("evidence", "verify", file)).toMatchObject({ status: 2 });
  expect(await run("evidence", "verify", file, "--vkey", alice.key)).toMatchObject({ status: 4 });
  const { status, out } = await run("evidence", "verify", file, "--vkey", chuck.key);
  expect(status).toBe(0);
  expect(out).toContain("0 of 2 entries");
  expect(out).toContain(sampleStatement(1, 1));
});
