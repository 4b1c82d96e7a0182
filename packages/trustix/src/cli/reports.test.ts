// A user's node with four builders, one of them dishonest, in real processes: what it reports, whom it suspects, and what a
// third party can check of that.
import { cp, mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { gzipSync } from "node:zlib";
import { formatNixEntry, parseFingerprint } from "@trustix/nix";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { temporary } from "../daemon/nodes.test.util.ts";
import { buildersSchema, reportSchema } from "../http/insight-schema.ts";
import { sampleHashPart, TestLog, TestServer } from "../subscribe/test-log.test.util.ts";
import { type Run, startDaemon, trustix } from "./processes.test.util.ts";

const PATHS = 300;
/** Chuck's output is another one on each path whose number this divides. */
const SWAPPED = 20;
const SINGLE = 40;
const HONEST = ["alice", "bob", "dan"];

let root: Awaited<ReturnType<typeof temporary>>;
let stack: AsyncDisposableStack;
let cwd: string;

/** Each path is of a package of its own. */
const baseName = (n: number): string =>
  `${sampleHashPart(n)}-${String.fromCharCode(97 + (n % 26), 97 + (Math.floor(n / 26) % 26))}tool-1.${n}`;

function entry(n: number, output: number): Uint8Array {
  const statement = `1;/nix/store/${baseName(n)};sha256:${output}${"a".repeat(51)};${1000 + n};`;
  return formatNixEntry(parseFingerprint(statement), { system: "x86_64-linux", kind: "built" });
}

beforeAll(async () => {
  stack = new AsyncDisposableStack();
  root = stack.use(await temporary());
  cwd = join(root.path, "user");
  await mkdir(cwd);
  await trustix(cwd, "init", "--user", "--origin", "user.test", "--listen", "127.0.0.1:0");
  for (const name of [...HONEST, "chuck"]) {
    const log = await TestLog.create(`${name}.test/log`);
    const numbers = Array.from({ length: PATHS }, (_, n) => n);
    await log.append(numbers.map((n) => entry(n, name === "chuck" && n % SWAPPED === 0 ? 1 : 0)));
    // Paths that only Alice has built.
    if (name === "alice") await log.append(Array.from({ length: SINGLE }, (_, n) => entry(PATHS + n, 0)));
    const server = stack.use(await TestServer.start(log.files));
    const added = await trustix(cwd, "subscribe", server.address, "--vkey", log.key, "--name", name);
    expect(added.status, added.err).toBe(0);
  }
  // A Nix that has just two of these paths.
  const program = (name: string, text: string): Promise<void> =>
    writeFile(join(cwd, name), `#!/bin/sh\n${text}\n`, { mode: 0o755 });
  await program("nix-store", "exit 1");
  await program("nix", `printf '%s\\n' '/nix/store/${baseName(1)}' '/nix/store/${baseName(SWAPPED)}'`);
  const file = join(cwd, "trustix.toml");
  await writeFile(file, `${await readFile(file, "utf8")}\n[nix]\nnix-store = "${cwd}/nix-store"\n`);
  stack.use(await startDaemon(cwd));
  for (;;) {
    const { out } = await trustix(cwd, "builders", "--json");
    const { estimatedAt, builders } = buildersSchema.parse(JSON.parse(out));
    if (
      estimatedAt !== null &&
      builders.length === 4 &&
      builders.every(({ counts }) => counts.paths >= PATHS)
    )
      break;
    await sleep(200);
  }
}, 120_000);
afterAll(() => stack.disposeAsync());

const run = (...words: readonly string[]): Promise<Run> => trustix(cwd, ...words);

describe("report", () => {
  test("over everything counts each path once", async () => {
    const { status, out, err } = await run("report", "--json");
    expect([status, err]).toEqual([0, ""]);
    expect(reportSchema.parse(JSON.parse(out))).toMatchObject({
      total: { paths: 340, reproducible: 285, disputed: 15, single: 40, unchecked: 0 },
      classes: { majority: 15 },
      systems: [{ system: "x86_64-linux", paths: 340 }],
      unlisted: 0,
    });
    const text = await run("report", "--limit", "3");
    expect(text.out).toMatch(/^disputed +15 +4\.4 % /m);
    expect(text.out).toMatch(/^chuck +300 +285 +15 +0 +15 +15 +0$/m);
    expect(text.out).toContain("alice, bob and dan agree; chuck differs");
    expect(text.out).toContain("and 12 more disputed");
    expect(text.out).toMatch(/^[ -~\n]*$/);
  });

  test("over a list also counts what nobody has built", async () => {
    const list = [0, 1, PATHS, 999, 1].map((n) => `/nix/store/${baseName(n)}\n`).join("");
    await writeFile(join(cwd, "list.gz"), gzipSync(list));
    const total = async (...words: readonly string[]) =>
      JSON.parse((await run("report", "--paths", "list.gz", "--json", ...words)).out).total;
    expect(await total()).toEqual({ paths: 4, reproducible: 1, disputed: 1, single: 1, unchecked: 1 });
    expect(await total("--system", "x86_64-linux")).toMatchObject({ paths: 3, unchecked: 0 });
    expect(await total("--name", "*tool-1.999")).toMatchObject({ paths: 1, unchecked: 1 });
    expect(await total("--since", "1d")).toMatchObject({ paths: 3 });
    expect(await total("--until", "2020-01-01")).toMatchObject({ paths: 0 });
  });

  test("over a closure counts what it consists of", async () => {
    const { status, out } = await run(
      "report",
      "--closure",
      `/nix/store/${baseName(1)}`,
      "--fail-on",
      "disputed",
    );
    expect(status).toBe(4);
    expect(out).toMatch(/^the closure of \/nix\/store\/.*: 2 paths, /);
    expect(out).toMatch(/^disputed +1 +50\.0 % /m);
  });

  test("as CSV and as a page", async () => {
    const { out, err } = await run("report", "--csv", "--html", "report.html");
    expect(err).toBe("wrote report.html\n");
    expect(out).toMatch(/^total,,340,285,15,40,0,/m);
    expect(out).toMatch(/^builder,chuck,300,285,15,0,0,15,15,0,/m);
    expect(out.match(/^path,/gm)).toHaveLength(15);
    const page = await readFile(join(cwd, "report.html"), "utf8");
    expect(page).toMatch(/^<!doctype html>/);
    expect(page).toContain(baseName(20));
  });

  test.each([
    [["--fail-on", "disputed"], 4],
    [["--fail-on", "single,unchecked"], 1],
    [["--fail-on", "unchecked"], 0],
    [["--name", "*tool-1.1", "--fail-on", "disputed,single"], 0],
    [["--fail-on", "bad"], 2],
    [["--since", "yesterday"], 2],
    [["--since", "1d", "--until", "2d"], 1],
    [["--closure", "/etc"], 2],
    [["--closure", "x", "--paths", "y"], 2],
    [["--csv", "--json"], 2],
    [["--paths", "nowhere"], 1],
  ] as const)("%j exits with %d", async (words, status) => {
    expect((await run("report", ...words)).status).toBe(status);
  });
});

test("builders are compared", async () => {
  const answer = buildersSchema.parse(JSON.parse((await run("builders", "--json")).out));
  expect(answer.builders.map(({ operator }) => operator).sort()).toEqual(["alice", "bob", "chuck", "dan"]);
  const { out, err } = await run("builders", "--matrix");
  expect(err).toContain("trustix suspects");
  expect(out).toMatch(/^chuck .* suspect: /m);
  for (const name of HONEST) expect(out).toMatch(new RegExp(`^${name} .* (faithful|unclear): `, "m"));
  expect(out).toContain("95.0 % of 300");
});

describe("suspects", () => {
  test("are named with the paths that weigh most", async () => {
    const { status, out, err } = await run("suspects", "--limit", "2");
    expect([status, err]).toEqual([4, ""]);
    expect(out).toMatch(/^chuck deviates: probability /);
    expect(out).toMatch(/^ {2}About 1[45] paths/m);
    expect(out).toContain("alice, bob and dan agree; chuck differs");
    expect(out).toContain("trustix explain ");
    const json = JSON.parse((await run("suspects", "--json")).out);
    expect(json.suspicions).toMatchObject([{ operators: ["chuck"] }]);
  });

  test("can be proven to others, who notice when a proof is exchanged", async () => {
    const written = await run("suspects", "--evidence", "found");
    expect([written.status, written.err.split("\n").filter((line) => !line.startsWith("wrote"))]).toEqual([
      4,
      [""],
    ]);
    expect((await readdir(join(cwd, "found"))).length).toBe(17);
    const elsewhere = join(root.path, "elsewhere");
    await cp(join(cwd, "found"), elsewhere, { recursive: true });
    const verified = await trustix(root.path, "evidence", "verify", elsewhere);
    expect(verified.status).toBe(0);
    expect(verified.out).toContain("all 60 proofs hold");
    expect(verified.out.match(/ {2}chuck$/gm)).toHaveLength(15);
    const again = await run("suspects", "--evidence", "found");
    expect([again.status, again.err]).toEqual([1, expect.stringContaining("exists already")]);

    const [folder] = (await readdir(elsewhere)).filter((name) => /^[0-9]/.test(name));
    const files = await readdir(join(elsewhere, folder!));
    const [first, last] = [files.at(0)!, files.at(-1)!];
    await cp(join(elsewhere, folder!, first), join(elsewhere, folder!, last));
    expect((await trustix(root.path, "evidence", "verify", elsewhere)).status).toBe(4);
  });
});
