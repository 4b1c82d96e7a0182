/** What Go's sumdb packages made (vectors/tlog/go-*.json) holds for this code, both ways, in Node and in a browser. */
import { describe, expect, test } from "vitest";
import { formatCheckpoint, parseCheckpoint } from "./checkpoint.ts";
import { decodeBase64Exact, encodeBase64, encodeHex, encodeUtf8 } from "./encoding.ts";
import { sha256 } from "./hasher/sha256.ts";
import {
  createSigner,
  createVerifier,
  deriveVerifierKey,
  formatPrivateKey,
  formatVerifierKey,
  parsePrivateKey,
  parseVerifierKey,
} from "./keys.ts";
import { leafHash } from "./merkle/hash.ts";
import { type HashSource, proveConsistency, proveInclusion, subtreeHash } from "./merkle/prove.ts";
import { verifyConsistency, verifyInclusion } from "./merkle/verify.ts";
import { openNote, signNote } from "./note.ts";
import { MemoryLog } from "./tiles/memory-log.test.util.ts";
import { logFilePath, parseTilePath } from "./tiles/tile.ts";
import { TreeBuilder } from "./tiles/tree-builder.ts";
import { VerifiedTiles } from "./tiles/verified-tiles.ts";
import { readVectors } from "./vectors.test.util.ts";

const { notes } = readVectors<{
  readonly notes: readonly {
    readonly about: string;
    readonly skeys: readonly string[];
    readonly vkeys: readonly string[];
    readonly text: string;
    readonly note: string;
  }[];
}>("go-notes.json");

const proofs = readVectors<{
  readonly roots: Readonly<Record<string, string>>;
  readonly inclusion: readonly { size: number; index: number; proof: readonly string[] }[];
  readonly consistency: readonly { old: number; size: number; proof: readonly string[] }[];
  /** SHA-256 over all hashes of all proofs, in the order of the loops below. */
  readonly all: { readonly maxSize: number; readonly inclusion: string; readonly consistency: string };
}>("go-proofs.json");

const tiles = readVectors<{
  readonly paths: readonly { level: number; index: number; width: number; path: string }[];
  readonly size: number;
  readonly root: string;
  readonly tilesSha256: Readonly<Record<string, string>>;
}>("go-tiles.json");

const entries = Array.from({ length: tiles.size }, (_, index) => encodeUtf8(`entry ${index}`));
const log = new MemoryLog();
const grown = TreeBuilder.empty().append(entries);
log.write(grown.files);
const verified = new VerifiedTiles({ checkpoint: grown, source: log });

/** Hashes out of the tiles, each computed once: the proofs below ask for the same few again and again. */
const known = new Map<string, Promise<Uint8Array>>();
const tree: HashSource = {
  readHashes: (nodes) =>
    Promise.all(
      nodes.map((node) => {
        const key = `${node.level}/${node.index}`;
        const hash = known.get(key) ?? verified.readHashes([node]).then(([only]) => only!);
        known.set(key, hash);
        return hash;
      }),
    ),
};

const hashOf = (text: string) => decodeBase64Exact(text, 32);
const headOf = (size: number) => ({ size, root: hashOf(proofs.roots[size]!) });

describe("notes signed by Go", () => {
  test.each(notes)("$about", async ({ about, skeys, vkeys, text, note }) => {
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
    if (about.startsWith("checkpoint")) expect(formatCheckpoint(parseCheckpoint(text))).toBe(text);
  });
});

describe("trees and proofs made by Go", () => {
  test("roots of all sizes", async () => {
    const roots = Object.entries(proofs.roots);
    expect(roots.length).toBeGreaterThan(300);
    for (const [size, root] of roots) {
      expect(encodeBase64(await subtreeHash(0, Number(size), tree))).toBe(root);
    }
  });

  test("inclusion proofs are the same, and hold", async () => {
    for (const { size, index, proof } of proofs.inclusion) {
      expect((await proveInclusion(index, size, tree)).map(encodeBase64)).toEqual(proof);
      verifyInclusion(leafHash(entries[index]!), index, headOf(size), proof.map(hashOf));
    }
  });

  test("consistency proofs are the same, and hold", async () => {
    for (const { old, size, proof } of proofs.consistency) {
      expect((await proveConsistency(old, size, tree)).map(encodeBase64)).toEqual(proof);
      verifyConsistency(headOf(old), headOf(size), proof.map(hashOf));
    }
  });

  test(`every proof of every tree to size ${proofs.all.maxSize}`, async () => {
    const inclusion: Uint8Array[] = [];
    const consistency: Uint8Array[] = [];
    for (let size = 1; size <= proofs.all.maxSize; size++) {
      for (let index = 0; index < size; index++) {
        for (const hash of await proveInclusion(index, size, tree)) inclusion.push(hash);
        for (const hash of await proveConsistency(index + 1, size, tree)) consistency.push(hash);
      }
    }
    expect(digest(inclusion)).toBe(proofs.all.inclusion);
    expect(digest(consistency)).toBe(proofs.all.consistency);
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
    expect(encodeBase64(grown.root)).toBe(tiles.root);
    const hashes = grown.files.filter(({ path }) => !path.startsWith("tile/entries/"));
    expect(Object.fromEntries(hashes.map(({ path, bytes }) => [path, encodeHex(sha256(bytes))]))).toEqual(
      tiles.tilesSha256,
    );
  });
});

/** SHA-256 over hashes one after another, in hex. */
function digest(parts: readonly Uint8Array[]): string {
  const whole = new Uint8Array(parts.length * 32);
  for (const [i, part] of parts.entries()) whole.set(part, i * 32);
  return encodeHex(sha256(whole));
}
