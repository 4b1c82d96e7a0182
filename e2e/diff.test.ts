// What differs between two builds, found by `trustix diff` as a person runs it: three builders whose logs say what they built,
// their file caches over HTTP, a user's node as a process, and trees that real gzip, tar, ar, chmod and gcc have made.

import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { chmod, cp, mkdir, mkdtemp, readdir, readFile, rm, unlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { zstdCompressSync } from "node:zlib";
import { formatHash, formatNarInfo, hashPartOf, type NarInfo, parseStorePath } from "@trustix/nix";
import { dumpPath } from "@trustix/nix/fs";
import { listenTo, NODE, type RunningBuilder, startBuilder } from "trustix/src/daemon/nodes.test.util.ts";
import type { DifferenceJson, PathDiffJson } from "trustix/src/http/diff-schema.ts";
import { type Server, serve } from "trustix/src/substitute/caches.test.util.ts";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import {
  eventually,
  HERE,
  type Place,
  type RunningDaemon,
  startDaemon,
  trustix,
  trustixJson,
} from "./node.ts";

const exec = promisify(execFile);

/** Runs a program in a directory. */
async function sh(cwd: string, command: string, ...args: readonly string[]): Promise<string> {
  return (await exec(command, args, { cwd, env: { PATH: process.env.PATH, LC_ALL: "C", TZ: "UTC" } })).stdout;
}

/** A package as two builders have made it: fills an empty directory for either. */
type Make = (directory: string, by: "honest" | "other") => Promise<void>;

const TEXT = Array.from({ length: 400 }, (_, index) => `line ${index * index} of a text\n`).join("");
const C = (limit: number) => `
#include <stdio.h>
int main(int count, char **words) { puts(count > ${limit} ? "many" : "few"); return 0; }
`;

/** Compiles a program in a directory, and leaves nothing but it. */
async function compile(directory: string, source: string): Promise<string> {
  await writeFile(join(directory, "main.c"), source);
  await sh(directory, "gcc", "-O1", "-frandom-seed=1", "-Wl,--build-id=sha1", "-o", "program", "main.c");
  await unlink(join(directory, "main.c"));
  return join(directory, "program");
}

const PACKAGES: Readonly<Record<string, Make>> = {
  "stamped-1.0": async (directory, by) => {
    const day = by === "honest" ? "2026-03-01 10:00:00" : "2026-04-12 23:59:58";
    const date = await sh(directory, "date", "-R", "-d", day);
    await writeFile(join(directory, "about"), `stamped 1.0\nbuilt on ${date}with care\n`);
  },
  "level-1.0": async (directory, by) => {
    await writeFile(join(directory, "manual"), TEXT);
    await sh(directory, "gzip", "-n", by === "honest" ? "-9" : "-1", "manual");
  },
  "clocked-1.0": async (directory, by) => {
    await writeFile(join(directory, "manual"), TEXT);
    await sh(directory, "touch", "-d", by === "honest" ? "2026-03-01" : "2026-04-12", "manual");
    await sh(directory, "gzip", "manual");
  },
  "ordered-1.0": async (directory, by) => {
    const names = ["one", "two", "three"];
    for (const name of names) await writeFile(join(directory, name), `this is ${name}\n`);
    const flags = [
      "--format=pax",
      "--owner=0",
      "--group=0",
      "--mtime=@1",
      "--pax-option=delete=atime,delete=ctime",
    ];
    await sh(directory, "tar", ...flags, "-cf", "all.tar", ...(by === "honest" ? names : names.toReversed()));
    for (const name of names) await unlink(join(directory, name));
  },
  "library-1.0": async (directory, by) => {
    const names = ["first_of_the_functions", "second_of_the_functions"];
    for (const name of names) {
      await writeFile(join(directory, `${name}.c`), `int ${name}(void) { return 1; }\n`);
      await sh(directory, "gcc", "-c", `${name}.c`);
      await unlink(join(directory, `${name}.c`));
    }
    const objects = (by === "honest" ? names : names.toReversed()).map((name) => `${name}.o`);
    await sh(directory, "ar", "rcsD", "library.a", ...objects);
    for (const object of objects) await unlink(join(directory, object));
  },
  "moded-1.0": async (directory, by) => {
    await writeFile(join(directory, "script"), "#!/bin/sh\n");
    await chmod(join(directory, "script"), by === "honest" ? 0o755 : 0o644);
  },
  "missing-a-file-1.0": async (directory, by) => {
    await mkdir(join(directory, "share"));
    await writeFile(join(directory, "share/kept"), "kept\n");
    if (by === "honest") await writeFile(join(directory, "share/lost"), "lost\n");
  },
  "patched-1.0": async (directory, by) => {
    const program = await compile(directory, C(5));
    if (by === "honest") return;
    // The byte that the program is compared with, where readelf says its code is.
    const sections = await sh(directory, "readelf", "-SW", "program");
    const [, offset, size] = / \.text +PROGBITS +[0-9a-f]+ ([0-9a-f]+) ([0-9a-f]+)/.exec(sections)!;
    const bytes = await readFile(program);
    const text = bytes.subarray(
      Number.parseInt(offset!, 16),
      Number.parseInt(offset!, 16) + Number.parseInt(size!, 16),
    );
    // cmp $0x5,%edi
    const at = text.indexOf(Buffer.from([0x83, 0xff, 0x05]));
    expect(at).toBeGreaterThanOrEqual(0);
    text[at + 2] = 0x07;
    await writeFile(program, bytes);
  },
  "recompiled-1.0": async (directory, by) => {
    await compile(directory, C(by === "honest" ? 5 : 7));
  },
  "held-1.0": async (directory, by) => {
    await writeFile(join(directory, "file"), by);
  },
  "same-1.0": async (directory) => {
    await writeFile(join(directory, "file"), "the same\n");
  },
};

/** What a builder says of a path, and its NAR. */
interface Output {
  readonly facts: Pick<NarInfo, "storePath" | "narHash" | "narSize" | "references">;
  readonly nar: Buffer;
}

async function outputOf(name: string, directory: string): Promise<Output> {
  const pieces: Uint8Array[] = [];
  for await (const piece of dumpPath(directory)) pieces.push(Uint8Array.from(piece));
  const nar = Buffer.concat(pieces);
  const hashPart = createHash("sha256")
    .update(`diff ${name}`)
    .digest("hex")
    .slice(0, 32)
    .replaceAll("e", "z");
  const narHash = { algorithm: "sha256", bytes: createHash("sha256").update(nar).digest() } as const;
  const storePath = parseStorePath(`/nix/store/${hashPart}-${name}`);
  return { facts: { storePath, narHash, narSize: nar.length, references: [] }, nar };
}

/** Paths below a cache that are begun to be answered, and no more. */
const held = new Set<string>();

/** A cache as `nix copy --to file://` leaves it in a directory, over HTTP. */
async function serveFiles(directory: string, outputs: readonly Output[]): Promise<Server> {
  await mkdir(join(directory, "nar"), { recursive: true });
  await writeFile(join(directory, "nix-cache-info"), "StoreDir: /nix/store\n");
  for (const [index, { facts, nar }] of outputs.entries()) {
    const compression = ["none", "zstd"][index % 2]!;
    const file = compression === "zstd" ? zstdCompressSync(nar) : nar;
    const url = `nar/${index}.nar`;
    await writeFile(join(directory, url), file);
    const fileHash = { algorithm: "sha256", bytes: createHash("sha256").update(file).digest() } as const;
    const info = formatNarInfo({
      ...facts,
      url,
      compression,
      fileHash,
      fileSize: file.length,
      signatures: [],
    });
    await writeFile(join(directory, `${hashPartOf(facts.storePath)}.narinfo`), info);
  }
  return await serve((request, response) => {
    if (held.has(request.url ?? "")) response.write("a beginning");
    else
      readFile(join(directory, new URL(request.url ?? "", "http://x").pathname)).then(
        (bytes) => response.end(bytes),
        () => response.writeHead(404).end(),
      );
  });
}

interface Answer {
  readonly disputed: boolean;
  readonly diff: PathDiffJson;
  readonly diffoscope: string | null;
}

describe("trustix diff", () => {
  const started = new AsyncDisposableStack();
  let root: string;
  let user: string;
  let daemon: RunningDaemon;
  let caches: Record<"honest" | "other", Server>;
  const outputs: Record<"honest" | "other", Output[]> = { honest: [], other: [] };

  beforeAll(async () => {
    root = await mkdtemp(join(tmpdir(), "trustix-e2e-diff-"));
    started.defer(() => rm(root, { recursive: true, force: true }));
    for (const [name, make] of Object.entries(PACKAGES)) {
      for (const by of ["honest", "other"] as const) {
        const directory = join(root, "built", by, name);
        await mkdir(directory, { recursive: true });
        await make(directory, by);
        outputs[by].push(await outputOf(name, directory));
      }
    }
    const start = async (name: string, by: "honest" | "other"): Promise<RunningBuilder> =>
      started.use(await startBuilder(root, name, outputs[by]));
    const builders = [
      await start("alice", "honest"),
      await start("bob", "honest"),
      await start("chuck", "other"),
    ];
    caches = {
      honest: started.use(await serveFiles(join(root, "cache-honest"), outputs.honest)),
      other: started.use(await serveFiles(join(root, "cache-other"), outputs.other)),
    };
    const upstreams = Object.entries(caches).map(
      ([name, { url }]) => `[[upstream]]\nname = "${name}"\nurl = "${url}"\n`,
    );
    user = join(root, "user");
    await mkdir(user);
    await writeFile(
      join(user, "trustix.toml"),
      `${NODE}${listenTo(builders)}[policy]\nthreshold = 2\nmembers = ["alice", "bob", "chuck"]\n${upstreams.join("")}`,
    );
    daemon = started.use(await startDaemon(HERE, user));
    const claimed = async () => await trustixJson(HERE, user, "status");
    await eventually(claimed, (status) => {
      const { subscriptions } = status as { subscriptions: readonly { health: string; lag: number }[] };
      return subscriptions.every(({ health, lag }) => health === "ok" && lag === 0);
    });
  });
  afterAll(() => started.disposeAsync());

  /** Names may be those of other paths in the store of this machine. */
  const pathOf = (name: string): string =>
    outputs.honest.find(({ facts }) => facts.storePath.endsWith(`-${name}-1.0`))!.facts.storePath;
  const run = (name: string, ...options: readonly string[]) =>
    trustix(HERE, user, "diff", pathOf(name), ...options);
  const diff = async (name: string, ...options: readonly string[]): Promise<Answer> =>
    (await trustixJson(HERE, user, "diff", pathOf(name), "--no-diffoscope", ...options)) as Answer;
  const only = async (name: string): Promise<DifferenceJson> => {
    const { differences, unlisted, before, after } = (await diff(name)).diff;
    expect([before.operators, after.operators]).toEqual([["alice", "bob"], ["chuck"]]);
    expect([differences.length, unlisted]).toEqual([1, 0]);
    return differences[0]!;
  };

  test("a timestamp in a file", async () => {
    expect(await only("stamped")).toMatchObject({
      path: "about",
      kind: "contents",
      causes: ["timestamp"],
      text: {
        hunks: [
          {
            before: 1,
            after: 1,
            lines: [
              " stamped 1.0",
              "-built on Sun, 01 Mar 2026 10:00:00 +0000",
              "+built on Sun, 12 Apr 2026 23:59:58 +0000",
              " with care",
            ],
          },
        ],
        isWhole: true,
      },
    });
  });

  test("another compression level in a gzip, and another time in its header", async () => {
    expect(await only("level")).toMatchObject({
      path: "manual.gz",
      causes: ["compression"],
      inside: { format: "gzip", differences: [{ path: "", kind: "compression" }], unlisted: 0 },
    });
    expect(await only("clocked")).toMatchObject({
      path: "manual.gz",
      causes: ["timestamp"],
      inside: {
        differences: [
          { kind: "time", before: "2026-03-01T00:00:00.000Z", after: "2026-04-12T00:00:00.000Z" },
        ],
      },
    });
  });

  test("archives with their members in another order", async () => {
    for (const [name, format] of [
      ["ordered", "tar"],
      ["library", "ar"],
    ] as const) {
      expect(await only(name)).toMatchObject({
        kind: "contents",
        causes: ["order"],
        inside: { format, reordered: true, differences: [] },
      });
    }
  });

  test("another mode, and a missing file", async () => {
    expect(await only("moded")).toEqual({ path: "script", kind: "mode", before: true, after: false });
    expect(await only("missing-a-file")).toEqual({
      path: "share/lost",
      kind: "removed",
      type: "regular",
      files: 1,
      bytes: 5,
    });
  });

  test("a program with one byte of its code changed, and one compiled from another source", async () => {
    expect(await only("patched")).toMatchObject({
      path: "program",
      causes: [],
      text: null,
      elf: { where: ".text", changed: [".text"] },
    });
    const recompiled = await only("recompiled");
    expect(recompiled).toMatchObject({ causes: [], elf: { where: ".note.gnu.build-id" } });
    const { changed } = (recompiled as Extract<DifferenceJson, { kind: "contents" }>).elf!;
    expect(changed).toEqual([".note.gnu.build-id", ".text"]);
  });

  test("says when a path is not disputed, or nobody has built it", async () => {
    expect(await diff("same")).toMatchObject({ disputed: false, diff: null });
    const { status, stdout } = await run("same");
    expect([status, stdout]).toEqual([
      0,
      expect.stringMatching(/not disputed: alice, bob, chuck built sha256:/),
    ]);
    const unknown = await trustix(HERE, user, "diff", "0".repeat(32));
    expect([unknown.status, unknown.stdout]).toEqual([0, expect.stringMatching(/nobody .* has built it/)]);
  });

  test("compares whom it is told to", async () => {
    const { before, after } = (await diff("missing-a-file", "--builders", "chuck,alice")).diff;
    expect([before.operators, after.operators]).toEqual([["chuck"], ["alice", "bob"]]);
    const alone = (await diff("missing-a-file", "--builders", "chuck")).diff;
    expect([alone.before.operators, alone.after.operators]).toEqual([["alice", "bob"], ["chuck"]]);
    const hashes = [after, before].map(({ narHash }) => narHash).join(",");
    expect((await diff("missing-a-file", "--hashes", hashes)).diff.differences).toMatchObject([
      { kind: "removed" },
    ]);
    const same = await run("missing-a-file", "--builders", "alice,bob");
    expect([same.status, same.stderr]).toEqual([1, expect.stringMatching(/they state the same/)]);
    const wrong = await run("missing-a-file", "--hashes", "sha256:abc");
    expect(wrong.status).toBe(2);
    const byName = await trustix(HERE, user, "diff", "missing-a-file-1.0", "--no-diffoscope");
    expect([byName.status, byName.stdout]).toEqual([0, expect.stringContaining("- share/lost  5 bytes")]);
  });

  test("fits a screen", async () => {
    const { status, stdout, stderr } = await run("patched", "--no-diffoscope");
    expect([status, stderr]).toEqual([0, ""]);
    expect(stdout).not.toContain("\x1b");
    expect(stdout.split("\n").length).toBeLessThan(20);
    expect(stdout).toMatch(
      /~ program {2}[\d,]+ bytes, first differs in \.text at 0x[0-9a-f]+\n {4}sections that differ: \.text\n/,
    );
    expect(stdout).toMatch(/\n {4}- 0x[0-9a-f]+ {2}.*\n {4}\+ 0x[0-9a-f]+ {2}/);
  });

  test("keeps results, also across a restart, and asks no cache again", async () => {
    const asked = () => caches.honest.requests.length + caches.other.requests.length;
    const { comparedAt } = (await diff("stamped")).diff;
    await daemon.end("SIGKILL");
    daemon = started.use(await startDaemon(HERE, user));
    const before = asked();
    const again = await eventually(
      () => diff("stamped"),
      ({ disputed }) => disputed,
    );
    expect(again.diff.comparedAt).toBe(comparedAt);
    expect(asked()).toBe(before);
    expect(await readdir(join(user, "state/diffs"))).toEqual(["kept"]);
  });

  test("leaves nothing behind when it is killed in the middle", async () => {
    const index = outputs.other.findIndex(({ facts }) => facts.storePath.endsWith("-held-1.0"));
    held.add(`/nar/${index}.nar`);
    const work = join(user, "state/diffs/work");
    const given = run("held");
    await eventually(
      async () =>
        (await readdir(work, { recursive: true }).catch(() => [])).filter((name) => name.endsWith(".nar")),
      (files) => files.length === 2,
    );
    await daemon.end("SIGKILL");
    expect((await given).status).toBe(3);
    held.clear();
    daemon = started.use(await startDaemon(HERE, user));
    await expect(readdir(work)).rejects.toThrow();
    const again = await eventually(
      () => diff("held"),
      ({ disputed }) => disputed,
    );
    expect(again.diff.differences).toMatchObject([{ path: "file", kind: "contents" }]);
    expect(await readdir(work)).toEqual([]);
  });

  test("lets diffoscope compare the trees as they were built", async () => {
    const bin = join(root, "bin");
    const seen = join(root, "seen");
    await mkdir(bin);
    const script = `#!/bin/sh
{ pwd; echo "$@"; echo "home $HOME"; } >"${seen}.args"
cp -a before "${seen}.before"; cp -a after "${seen}.after"
printf 'what diffoscope says \\033]0;title\\007\\n'
exit 1
`;
    await writeFile(join(bin, "diffoscope"), script, { mode: 0o755 });
    const place: Place = { ...HERE, env: { ...process.env, PATH: `${bin}:${process.env.PATH}` } };
    const { status, stdout } = await trustix(place, user, "diff", pathOf("moded"));
    expect(status).toBe(0);
    expect(stdout).toContain("what diffoscope says \\u{1b}]0;title\\u{7}");
    const [cwd, args, home] = (await readFile(`${seen}.args`, "utf8")).trimEnd().split("\n");
    expect(args).toMatch(/^--text - --text-color never before after$/);
    expect(home).toBe(`home ${cwd}`);
    // What it was shown is what was built, and is gone.
    await expect(readdir(cwd!)).rejects.toThrow();
    const name = (await readdir(`${seen}.before`))[0]!;
    const trees = [
      ["before", "honest"],
      ["after", "other"],
    ] as const;
    for (const [side, by] of trees) {
      const restored = await outputOf("moded-1.0", join(`${seen}.${side}`, name));
      const built = outputs[by].find(({ facts }) => facts.storePath.endsWith(name))!;
      expect(formatHash(restored.facts.narHash)).toBe(formatHash(built.facts.narHash));
    }
    // Not unless it is asked for, where a program reads the result.
    await cp(`${seen}.args`, `${seen}.first`);
    expect(((await trustixJson(place, user, "diff", pathOf("moded"))) as Answer).diffoscope).toBeNull();
    const asked = (await trustixJson(place, user, "diff", pathOf("moded"), "--diffoscope")) as Answer;
    expect(asked.diffoscope).toContain("what diffoscope says");
    await writeFile(join(bin, "diffoscope"), "#!/bin/sh\necho broken >&2\nexit 2\n", { mode: 0o755 });
    const broken = await trustix(place, user, "diff", pathOf("moded"));
    expect([broken.status, broken.stderr]).toEqual([
      1,
      expect.stringMatching(/diffoscope ended with 2: broken/),
    ]);
  });
});
