/**
 * NAR speed against the real Nix, on the same trees in the same run.
 *
 *     node --conditions=@trustix/source bench/nar.ts [directory for the trees]
 *
 * Two trees: one file of 1 GiB, and 30,000 small files in 400 directories. Ours runs inside this process, Nix as
 * `nix-store --dump` (to /dev/null) and `nix-store --restore` (from a file); Nix's start, about 10 ms, is in its time.
 * Rounds alternate; the figure is the best of each. A directory in memory (/dev/shm) keeps the disk out of it. Goal: 1x.
 */

import { spawnSync } from "node:child_process";
import {
  closeSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readSync,
  rmSync,
  statSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { join } from "node:path";
import { NarParser } from "@trustix/nix";
import { dumpPath, dumpPathTo, hashPath, restorePath } from "@trustix/nix/fs";

const ROUNDS = 7;
const MIB = 2 ** 20;

function makeBig(path: string): void {
  mkdirSync(path);
  const block = Buffer.alloc(MIB, "0123456789abcde");
  const fd = openSync(join(path, "big"), "w");
  for (let i = 0; i < 1024; i++) writeSync(fd, block);
  closeSync(fd);
}

/** Sizes between 7 bytes and 22 KB, most of them small, the same in every run. */
function makeSmall(path: string): void {
  const block = Buffer.alloc(32_768, "0123456789abcde");
  mkdirSync(path);
  for (let d = 0; d < 400; d++) {
    const directory = join(path, `package-${d}`);
    mkdirSync(directory);
    for (let i = 0; i < 75; i++) {
      const sizeBytes = Math.floor(Math.exp(2 + (((d * 75 + i) * 7919) % 1000) / 125));
      writeFileSync(join(directory, `module-${i}.js`), block.subarray(0, sizeBytes), {
        mode: i % 7 ? 0o644 : 0o755,
      });
    }
  }
}

/** The file through one buffer; parser and restore keep no chunk. */
function* chunksOf(path: string): Generator<Uint8Array> {
  const buffer = Buffer.allocUnsafeSlow(MIB / 4);
  const fd = openSync(path, "r");
  try {
    for (let read = readSync(fd, buffer); read > 0; read = readSync(fd, buffer))
      yield buffer.subarray(0, read);
  } finally {
    closeSync(fd);
  }
}

function nixStore(args: readonly string[], stdin: string, stdout: string): void {
  const files = [openSync(stdin, "r"), openSync(stdout, "w")];
  const { status, error } = spawnSync("nix-store", args, { stdio: [files[0], files[1], "inherit"] });
  for (const fd of files) closeSync(fd);
  if (status !== 0) throw error ?? new Error(`nix-store ${args.join(" ")} failed`);
}

const ignore = () => {};

function parse(nar: string): void {
  const parser = new NarParser({
    openDirectory: ignore,
    closeDirectory: ignore,
    openFile: ignore,
    contents: ignore,
    closeFile: ignore,
    symlink: ignore,
  });
  for (const chunk of chunksOf(nar)) parser.write(chunk);
  parser.end();
}

const home = mkdtempSync(join(process.argv[2] ?? "/dev/shm", "trustix-bench-nar-"));
try {
  for (const [name, make] of [
    ["one big file", makeBig],
    ["small files", makeSmall],
  ] as const) {
    const tree = join(home, "tree");
    const nar = join(home, "tree.nar");
    const out = join(home, "out");
    make(tree);
    nixStore(["--dump", tree], "/dev/null", nar);
    const sizeBytes = statSync(nar).size;
    const tasks: readonly (readonly [what: string, against: string | undefined, run: () => unknown])[] = [
      ["nix-store --dump", undefined, () => nixStore(["--dump", tree], "/dev/null", "/dev/null")],
      ["dumpPathTo", "nix-store --dump", () => dumpPathTo(tree, ignore)],
      [
        "dumpPath",
        "nix-store --dump",
        async () => {
          for await (const chunk of dumpPath(tree)) void chunk;
        },
      ],
      ["hashPath", "nix-store --dump", () => hashPath(tree)],
      ["parse", "nix-store --dump", () => parse(nar)],
      ["nix-store --restore", undefined, () => nixStore(["--restore", out], nar, "/dev/null")],
      ["restorePath", "nix-store --restore", () => restorePath(chunksOf(nar), out)],
    ];
    const best = new Map<string, number>();
    for (let round = 0; round < ROUNDS; round++) {
      for (const [what, , run] of tasks) {
        const start = performance.now();
        await run();
        best.set(what, Math.min(best.get(what) ?? Number.POSITIVE_INFINITY, performance.now() - start));
        rmSync(out, { recursive: true, force: true });
      }
    }
    console.log(`${name}: ${(sizeBytes / 1e6).toFixed(0)} MB`);
    for (const [what, against] of tasks) {
      const ms = best.get(what)!;
      const ratio = against === undefined ? "" : `${(best.get(against)! / ms).toFixed(2)}x ${against}`;
      console.log(
        `  ${what.padEnd(20)} ${(sizeBytes / 1e3 / ms).toFixed(0).padStart(6)} MB/s  ${ratio}`.trimEnd(),
      );
    }
    rmSync(tree, { recursive: true });
    rmSync(nar);
  }
} finally {
  rmSync(home, { recursive: true, force: true });
}
