import fc from "fast-check";
import { expect, test } from "vitest";
import { emptyRoot } from "../merkle/hash.ts";
import { MemoryLog, sampleEntries } from "../tiles/memory-log.test.util.ts";
import { TreeBuilder } from "../tiles/tree-builder.ts";
import { type VerifiedCounts, verifyLog } from "./verify-log.ts";

const found = (path: string) =>
  expect.objectContaining({
    path,
    code: expect.stringMatching(/^(TILE_INVALID|BUNDLE_MALFORMED|BUNDLE_MISMATCH)$/),
  });

function logOf(size: number): { log: MemoryLog; checkpoint: { size: number; root: Uint8Array } } {
  const log = new MemoryLog();
  const { root, files } = TreeBuilder.empty().append(sampleEntries(0, size));
  log.write(files);
  return { log, checkpoint: { size, root } };
}

const small = logOf(1500);
const large = logOf(70_000);

test("a good log, with its counts and progress", async () => {
  const steps: VerifiedCounts[] = [];
  const counts = await verifyLog({
    checkpoint: large.checkpoint,
    source: large.log,
    onProgress: (progress) => steps.push(progress),
  });
  expect(counts).toEqual({ entries: 70_000, bundles: 274, tiles: 274 + 2 + 1 });
  expect(counts.tiles + counts.bundles).toBe(large.log.files.size);
  expect(steps).toHaveLength(275);
  expect(steps[0]).toEqual({ entries: 256, bundles: 1, tiles: 1 });
  expect(steps.at(-1)).toEqual(counts);
});

test("logs of every size around full bundles and tiles", async () => {
  for (const size of [0, 1, 2, 255, 256, 257, 511, 512, 513]) {
    const { log, checkpoint } = logOf(size);
    expect((await verifyLog({ checkpoint, source: log })).entries).toBe(size);
  }
  const { log, checkpoint } = logOf(65_536);
  expect((await verifyLog({ checkpoint, source: log })).tiles).toBe(256 + 1 + 1);
});

/** The log with one byte of one file changed, chosen by position over all bytes of the log. */
function flip(
  { log }: { log: MemoryLog },
  position: number,
  mask: number,
): { source: MemoryLog; path: string } {
  const total = [...log.files.values()].reduce((sum, bytes) => sum + bytes.length, 0);
  const source = new MemoryLog();
  let left = position % total;
  let hit = "";
  for (const [path, bytes] of log.files) {
    if (hit === "" && left < bytes.length) {
      const changed = bytes.slice();
      changed[left]! ^= mask;
      source.files.set(path, changed);
      hit = path;
    } else {
      left -= bytes.length;
      source.files.set(path, bytes);
    }
  }
  return { source, path: hit };
}

test("a flipped byte at any position is found, and its file named", async () => {
  await fc.assert(
    fc.asyncProperty(fc.nat(), fc.integer({ min: 1, max: 255 }), async (position, mask) => {
      const { source, path } = flip(small, position, mask);
      await expect(verifyLog({ checkpoint: small.checkpoint, source })).rejects.toThrowError(found(path));
    }),
    { numRuns: 150 },
  );
});

test("also in each tile of a small log, where few positions of the above fall", async () => {
  for (const path of small.log.files.keys()) {
    for (let at = 0; at < 32; at++) {
      const source = new MemoryLog();
      for (const [name, bytes] of small.log.files) source.files.set(name, bytes);
      const changed = source.files.get(path)!.slice();
      changed[Math.floor((changed.length * at) / 32)]! ^= 0x80;
      source.files.set(path, changed);
      await expect(verifyLog({ checkpoint: small.checkpoint, source })).rejects.toThrowError(found(path));
    }
  }
});

test("a flipped byte in a log of 70,000 entries", async () => {
  await fc.assert(
    fc.asyncProperty(fc.nat(), fc.integer({ min: 1, max: 255 }), async (position, mask) => {
      const { source, path } = flip(large, position, mask);
      await expect(verifyLog({ checkpoint: large.checkpoint, source })).rejects.toThrowError(found(path));
    }),
    { numRuns: 8 },
  );
  for (const path of ["tile/1/000", "tile/1/001.p/17", "tile/2/000.p/1", "tile/0/272", "tile/0/273.p/112"]) {
    const source = new MemoryLog();
    for (const [name, bytes] of large.log.files) source.files.set(name, bytes);
    const changed = source.files.get(path)!.slice();
    changed[0]! ^= 1;
    source.files.set(path, changed);
    await expect(verifyLog({ checkpoint: large.checkpoint, source })).rejects.toThrowError(found(path));
  }
});

test("a missing file is named", async () => {
  for (const path of small.log.files.keys()) {
    const source = new MemoryLog();
    for (const [name, bytes] of small.log.files) if (name !== path) source.files.set(name, bytes);
    await expect(verifyLog({ checkpoint: small.checkpoint, source })).rejects.toThrowError(
      expect.objectContaining({ code: "RESOURCE_MISSING", path }),
    );
  }
});

test("a bundle and its tile forged together are found under the tile above", async () => {
  const entries = sampleEntries(0, 70_000);
  entries[300] = new Uint8Array(1);
  const forged = new MemoryLog();
  forged.write(TreeBuilder.empty().append(entries).files);
  const source = new MemoryLog();
  for (const [name, bytes] of large.log.files) source.files.set(name, bytes);
  for (const path of ["tile/0/001", "tile/entries/001"]) source.files.set(path, forged.files.get(path)!);
  await expect(verifyLog({ checkpoint: large.checkpoint, source })).rejects.toThrowError(
    expect.objectContaining({ code: "TILE_INVALID", path: "tile/0/001" }),
  );
  await expect(verifyLog({ checkpoint: large.checkpoint, source: forged })).rejects.toThrowError(
    expect.objectContaining({ code: "ROOT_MISMATCH", path: "checkpoint" }),
  );
});

test("an empty log has one root", async () => {
  const source = new MemoryLog();
  await verifyLog({ checkpoint: { size: 0, root: emptyRoot() }, source });
  await expect(verifyLog({ checkpoint: { size: 0, root: new Uint8Array(32) }, source })).rejects.toThrowError(
    expect.objectContaining({ code: "ROOT_MISMATCH" }),
  );
});

test("ends with the signal", async () => {
  const stop = new AbortController();
  const pending = verifyLog({
    checkpoint: small.checkpoint,
    source: { fetch: () => new Promise(() => {}) },
    signal: stop.signal,
  });
  stop.abort(new Error("enough"));
  await expect(pending).rejects.toThrowError("enough");
});
