/**
 * Peak memory of parsing and of restoring a 1 GiB archive, above what the process held before; each in its own process.
 *
 *     node --conditions=@trustix/source bench/nar-memory.ts [--json]
 *
 * The archive is made on the fly, out of one buffer: a file of 700 MiB, 300 of 1 MiB, 20,000 small ones. It is restored
 * below the directory for temporary files (1.1 GiB free space needed) and removed again. Goal: 64 MiB.
 */

import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type NarHandler, NarParser } from "@trustix/nix";
import { restorePath } from "@trustix/nix/fs";

const MIB = 2 ** 20;
const block = Buffer.alloc(MIB / 4, "0123456789abcde");

function* strings(...texts: readonly string[]): Generator<Uint8Array> {
  for (const text of texts) {
    const bytes = Buffer.alloc(8 + Math.ceil(text.length / 8) * 8);
    bytes.writeUInt32LE(text.length);
    bytes.write(text, 8);
    yield bytes;
  }
}

function* files(prefix: string, count: number, sizeBytes: number): Generator<Uint8Array> {
  const size = Buffer.alloc(8);
  size.writeUInt32LE(sizeBytes);
  for (let i = 0; i < count; i++) {
    const name = `${prefix}-${String(i).padStart(6, "0")}`;
    yield* strings("entry", "(", "name", name, "node", "(", "type", "regular", "contents");
    yield size;
    for (let left = sizeBytes; left > 0; left -= block.length) yield block.subarray(0, left);
    yield* strings(")", ")");
  }
}

/** Sizes are multiples of 8, so that there is no padding. */
function* archive(): Generator<Uint8Array> {
  yield* strings("nix-archive-1", "(", "type", "directory");
  yield* files("a-big", 1, 700 * MIB);
  yield* files("b-medium", 300, MIB);
  yield* files("c-small", 20_000, 1504);
  yield* strings(")");
}

const ignore = () => {};
const nothing: NarHandler = {
  openDirectory: ignore,
  closeDirectory: ignore,
  openFile: ignore,
  contents: ignore,
  closeFile: ignore,
  symlink: ignore,
};

function parse(): number {
  const parser = new NarParser(nothing);
  for (const chunk of archive()) parser.write(chunk);
  parser.end();
  return parser.sizeBytes;
}

async function restore(): Promise<number> {
  const scratch = mkdtempSync(join(tmpdir(), "trustix-nar-memory-"));
  try {
    return await restorePath(archive(), join(scratch, "out"));
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}

interface Measured {
  readonly narBytes: number;
  readonly extraBytes: number;
}

function measureInChild(what: string): Measured {
  const args = [...process.execArgv, import.meta.filename, what];
  return JSON.parse(execFileSync(process.execPath, args, { encoding: "utf8" }));
}

const what = process.argv[2];
if (what === "parse" || what === "restore") {
  const before = process.memoryUsage.rss();
  const narBytes = what === "parse" ? parse() : await restore();
  const measured: Measured = { narBytes, extraBytes: process.resourceUsage().maxRSS * 1024 - before };
  console.log(JSON.stringify(measured));
} else {
  const { narBytes, extraBytes: parseExtraBytes } = measureInChild("parse");
  const { extraBytes: restoreExtraBytes } = measureInChild("restore");
  if (what === "--json") console.log(JSON.stringify({ narBytes, parseExtraBytes, restoreExtraBytes }));
  else {
    const mib = (bytes: number) => `${(bytes / MIB).toFixed(1)} MiB`;
    console.log(
      `archive of ${mib(narBytes)}: parsing took ${mib(parseExtraBytes)} of extra memory at its peak,`,
    );
    console.log(`restoring ${mib(restoreExtraBytes)} (goal: 64 MiB)`);
  }
}
