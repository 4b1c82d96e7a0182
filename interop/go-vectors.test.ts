// Vectors made by Go's sumdb packages (vectors/tlog/go-*.json, by interop/go/vectors) hold for our code, both ways.

import { createHash } from "node:crypto";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  createSigner,
  createVerifier,
  deriveVerifierKey,
  formatCheckpoint,
  formatPrivateKey,
  formatVerifierKey,
  leafHash,
  logFilePath,
  openNote,
  parseCheckpoint,
  parsePrivateKey,
  parseTilePath,
  parseVerifierKey,
  proveConsistency,
  proveInclusion,
  signNote,
  TreeBuilder,
  verifyConsistency,
  verifyInclusion,
} from "@trustix/tlog";
import { describe, expect, test } from "vitest";
import { run } from "../scripts/outside-tools/process.ts";
import { MemoryTree } from "./memory-tree.ts";
import { buildGoProgram, findTool } from "./outside.ts";

const VECTORS = join(import.meta.dirname, "../vectors/tlog");

async function load<T>(name: string): Promise<T> {
  return JSON.parse(await readFile(join(VECTORS, name), "utf8"));
}

interface Notes {
  readonly notes: readonly {
    readonly about: string;
    readonly skeys: readonly string[];
    readonly vkeys: readonly string[];
    readonly text: string;
    readonly note: string;
  }[];
}

interface Proofs {
  readonly roots: Readonly<Record<string, string>>;
  readonly inclusion: readonly {
    readonly size: number;
    readonly index: number;
    readonly proof: readonly string[];
  }[];
  readonly consistency: readonly {
    readonly old: number;
    readonly size: number;
    readonly proof: readonly string[];
  }[];
  readonly all: { readonly maxSize: number; readonly inclusion: string; readonly consistency: string };
}

interface Tiles {
  readonly paths: readonly {
    readonly level: number;
    readonly index: number;
    readonly width: number;
    readonly path: string;
  }[];
  readonly size: number;
  readonly root: string;
  readonly tilesSha256: Readonly<Record<string, string>>;
}

const { notes } = await load<Notes>("go-notes.json");
const proofs = await load<Proofs>("go-proofs.json");
const tiles = await load<Tiles>("go-tiles.json");

const toBase64 = (bytes: Uint8Array): string => Buffer.from(bytes).toString("base64");
const fromBase64 = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text, "base64"));
const sha256Hex = (bytes: Uint8Array): string => createHash("sha256").update(bytes).digest("hex");

const entries = Array.from({ length: tiles.size }, (_, index) => new TextEncoder().encode(`entry ${index}`));

describe("notes signed by Go", () => {
  test.each(notes)("$about", async ({ skeys, vkeys, text, note }) => {
    const opened = await openNote(note, vkeys.map(createVerifier));
    expect(opened.text).toBe(text);
    expect(opened.verified).toHaveLength(vkeys.length);
    expect(await signNote(text, await Promise.all(skeys.map(createSigner)))).toBe(note);
    for (const [index, skey] of skeys.entries()) {
      const key = parsePrivateKey(skey);
      expect(formatPrivateKey(key)).toBe(skey);
      expect(formatVerifierKey(await deriveVerifierKey(key))).toBe(vkeys[index]);
      expect(formatVerifierKey(parseVerifierKey(vkeys[index]!))).toBe(vkeys[index]);
    }
  });

  test.each(notes.filter(({ about }) => about.startsWith("checkpoint")))(
    "$about, as a checkpoint",
    ({ text }) => {
      expect(formatCheckpoint(parseCheckpoint(text))).toBe(text);
    },
  );
});

describe("trees and proofs made by Go", () => {
  const tree = new MemoryTree(entries);
  const headOf = (size: number) => ({ size, root: fromBase64(proofs.roots[size]!) });

  test("roots of all sizes", () => {
    const roots = Object.entries(proofs.roots);
    expect(roots.length).toBeGreaterThan(300);
    for (const [size, root] of roots) expect(toBase64(tree.root(Number(size)))).toBe(root);
  });

  test("inclusion proofs are the same, and hold", async () => {
    for (const { size, index, proof } of proofs.inclusion) {
      expect((await proveInclusion(index, size, tree)).map(toBase64)).toEqual(proof);
      verifyInclusion(leafHash(entries[index]!), index, headOf(size), proof.map(fromBase64));
    }
  });

  test("consistency proofs are the same, and hold", async () => {
    for (const { old, size, proof } of proofs.consistency) {
      expect((await proveConsistency(old, size, tree)).map(toBase64)).toEqual(proof);
      verifyConsistency(headOf(old), headOf(size), proof.map(fromBase64));
    }
  });

  test(`every proof of every tree to size ${proofs.all.maxSize}`, async () => {
    const inclusion = createHash("sha256");
    const consistency = createHash("sha256");
    for (let size = 1; size <= proofs.all.maxSize; size++) {
      for (let index = 0; index < size; index++) {
        for (const hash of await proveInclusion(index, size, tree)) inclusion.update(hash);
        for (const hash of await proveConsistency(index + 1, size, tree)) consistency.update(hash);
      }
    }
    expect(inclusion.digest("hex")).toBe(proofs.all.inclusion);
    expect(consistency.digest("hex")).toBe(proofs.all.consistency);
  });
});

describe("tiles made by Go", () => {
  test("paths", () => {
    for (const { level, index, width, path } of tiles.paths) {
      const file = { level: level < 0 ? ("entries" as const) : level, index, width };
      expect(logFilePath(file)).toBe(path);
      expect(parseTilePath(path)).toEqual(file);
    }
  });

  test(`contents of a log of ${tiles.size} entries`, () => {
    const { root, files } = TreeBuilder.empty().append(entries);
    expect(toBase64(root)).toBe(tiles.root);
    const hashes = files.filter(({ path }) => !path.startsWith("tile/entries/"));
    expect(Object.fromEntries(hashes.map(({ path, bytes }) => [path, sha256Hex(bytes)]))).toEqual(
      tiles.tilesSha256,
    );
  });
});

const go = await findTool("go");

test.skipIf(go === undefined)("the vectors are what the generator writes today", async () => {
  const directory = await mkdtemp(join(tmpdir(), "trustix-vectors-"));
  try {
    await run(await buildGoProgram("vectors", go!), [directory], { check: true });
    for (const name of ["go-notes.json", "go-proofs.json", "go-tiles.json"]) {
      expect(await readFile(join(directory, name), "utf8")).toBe(await readFile(join(VECTORS, name), "utf8"));
    }
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
});
