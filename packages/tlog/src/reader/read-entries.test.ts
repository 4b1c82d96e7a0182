import fc from "fast-check";
import { expect, test } from "vitest";
import { MemoryLog, sampleEntries } from "../tiles/memory-log.test.util.ts";
import type { TileSource } from "../tiles/tile-source.ts";
import { TreeBuilder } from "../tiles/tree-builder.ts";
import { VerifiedTiles } from "../tiles/verified-tiles.ts";
import { verifyGrowth } from "./growth.ts";
import { type EntryChunk, type ReadEntriesOptions, readEntries } from "./read-entries.ts";
import { formatResumePoint, parseResumePoint, type ResumePoint } from "./resume-point.ts";

const ENTRIES = sampleEntries(0, 1500);
const SIZES = [0, 1, 200, 256, 700, 1024, 1500];
const code = (name: string) => expect.objectContaining({ code: name });

const log = new MemoryLog();
const builder = TreeBuilder.empty();
const HEADS = SIZES.map((size) => {
  const { root, files } = builder.append(ENTRIES.slice(builder.size, size));
  log.write(files);
  return { size, root };
});
const last = HEADS.at(-1)!;

async function read(
  options: Omit<ReadEntriesOptions, "source"> & { source?: TileSource },
): Promise<EntryChunk[]> {
  const chunks: EntryChunk[] = [];
  for await (const chunk of readEntries({ source: log, ...options })) chunks.push(chunk);
  return chunks;
}

function copyOf(source: MemoryLog): MemoryLog {
  const copy = new MemoryLog();
  for (const [path, bytes] of source.files) copy.files.set(path, bytes);
  return copy;
}

test("the empty tree has one root", async () => {
  const forged = { size: 0, root: last.root };
  await expect(read({ checkpoint: forged })).rejects.toThrowError(code("ROOT_MISMATCH"));
  expect(() => new VerifiedTiles({ checkpoint: forged, source: log })).toThrowError(code("ROOT_MISMATCH"));
  const hashes = new VerifiedTiles({ checkpoint: last, source: log });
  await expect(verifyGrowth(HEADS[0]!, forged, hashes)).rejects.toThrowError(code("FORK"));
  await expect(verifyGrowth(forged, last, hashes)).rejects.toThrowError(code("FORK"));
  await verifyGrowth(HEADS[0]!, HEADS[0]!, hashes);
  await verifyGrowth(HEADS[0]!, last, hashes);
});

test("yields exactly the entries, from any index, in every tree", async () => {
  for (const checkpoint of HEADS) {
    for (const from of new Set([0, 1, 255, 256, checkpoint.size - 1, checkpoint.size])) {
      if (from < 0 || from > checkpoint.size) continue;
      const chunks = await read({ checkpoint, from });
      expect(chunks.flatMap((chunk) => chunk.entries)).toEqual(ENTRIES.slice(from, checkpoint.size));
      let next = from;
      for (const { startIndex, entries, resume } of chunks) {
        expect(startIndex).toBe(next);
        expect(entries.length).toBeGreaterThan(0);
        next += entries.length;
        expect(resume).toEqual({ nextIndex: next, verified: checkpoint });
      }
    }
  }
});

test("goes on behind the resume point while the log grows, restarting anywhere", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.infiniteStream(fc.nat(3)),
      fc.integer({ min: 1, max: 6 }),
      async (stops, concurrency) => {
        const seen: Uint8Array[] = [];
        let resume: ResumePoint | undefined;
        for (const checkpoint of HEADS) {
          let left = stops.next().value;
          for await (const chunk of readEntries({
            checkpoint,
            source: log,
            concurrency,
            ...(resume === undefined ? {} : { resume }),
          })) {
            seen.push(...chunk.entries);
            resume = parseResumePoint(formatResumePoint(chunk.resume));
            if (left-- === 0) break;
          }
        }
        for (const chunk of await read({ checkpoint: last, ...(resume === undefined ? {} : { resume }) })) {
          seen.push(...chunk.entries);
        }
        expect(seen).toEqual(ENTRIES);
      },
    ),
    { numRuns: 40 },
  );
});

test("refuses a rollback and a fork, even when there is nothing to read", async () => {
  const forked = new MemoryLog();
  const other = TreeBuilder.empty();
  const evil = ENTRIES.slice();
  evil[100] = new Uint8Array(3);
  const evilHeads = SIZES.map((size) => {
    const { root, files } = other.append(evil.slice(other.size, size));
    forked.write(files);
    return { size, root };
  });
  for (const verified of HEADS.slice(2)) {
    const resume = { nextIndex: verified.size, verified };
    for (const checkpoint of evilHeads) {
      const wanted = checkpoint.size < verified.size ? "ROLLBACK" : "FORK";
      await expect(read({ checkpoint, source: forked, resume })).rejects.toThrowError(code(wanted));
      await expect(read({ checkpoint, source: forked, resume, from: 0 })).rejects.toThrowError(code(wanted));
    }
  }
  // A tree served with the old log's files cannot be proven.
  await expect(read({ checkpoint: evilHeads.at(-1)!, source: log })).rejects.toThrowError(
    code("ROOT_MISMATCH"),
  );
});

test("a flipped bit anywhere in a file it reads stops it before the entry is yielded", async () => {
  const paths = [...log.files.keys()].filter((path) =>
    /entries\/00[0-4]$|entries\/005.p\/220|0\/005.p\/220|1\/000.p\/5/.test(path),
  );
  expect(paths).toHaveLength(8);
  await fc.assert(
    fc.asyncProperty(fc.constantFrom(...paths), fc.nat(), fc.nat(7), async (path, position, bit) => {
      const source = copyOf(log);
      const bytes = source.files.get(path)!.slice();
      bytes[position % bytes.length]! ^= 1 << bit;
      source.files.set(path, bytes);
      const seen: Uint8Array[] = [];
      const reading = (async () => {
        for await (const chunk of readEntries({ checkpoint: last, source })) seen.push(...chunk.entries);
      })();
      await expect(reading).rejects.toThrowError(
        expect.objectContaining({
          code: expect.stringMatching(/^(BUNDLE_MALFORMED|BUNDLE_MISMATCH|ROOT_MISMATCH)$/),
        }),
      );
      expect(seen).toEqual(ENTRIES.slice(0, seen.length));
    }),
    { numRuns: 60 },
  );
});

test("a whole wrong bundle, a missing one, an oversized one and a failing source are named", async () => {
  const source = copyOf(log);
  source.files.set("tile/entries/001", log.files.get("tile/entries/002")!);
  await expect(read({ checkpoint: last, source })).rejects.toThrowError(
    expect.objectContaining({ code: "BUNDLE_MISMATCH", path: "tile/entries/001" }),
  );
  source.files.delete("tile/entries/001");
  await expect(read({ checkpoint: last, source })).rejects.toThrowError(
    expect.objectContaining({ code: "RESOURCE_MISSING", path: "tile/entries/001" }),
  );
  const oversized: TileSource = {
    fetch: async (path, options) =>
      path === "tile/entries/001" ? new Uint8Array(options.maxBytes + 1) : log.fetch(path, options),
  };
  await expect(read({ checkpoint: last, source: oversized })).rejects.toThrowError(code("BUNDLE_MALFORMED"));
  const failing: TileSource = { fetch: () => Promise.reject(new Error("no route")) };
  await expect(read({ checkpoint: last, source: failing })).rejects.toThrowError(code("FETCH_FAILED"));
});

test("cuts a partial bundle and tile that are gone out of the full ones", async () => {
  const source = copyOf(log);
  for (const path of [...source.files.keys()]) {
    if (/\/00[0-3]\.p/.test(path) && !path.startsWith("tile/1")) source.files.delete(path);
  }
  const checkpoint = HEADS.find((head) => head.size === 700)!;
  const chunks = await read({ checkpoint, source });
  expect(chunks.flatMap((chunk) => chunk.entries)).toEqual(ENTRIES.slice(0, 700));
});

test("fetches a bounded number of bundles ahead, and stops when the consumer does", async () => {
  let underWay = 0;
  let most = 0;
  let aborted = 0;
  const source: TileSource = {
    async fetch(path, options) {
      if (!path.startsWith("tile/entries/")) return log.fetch(path, options);
      most = Math.max(most, ++underWay);
      await new Promise((resolve) => setTimeout(resolve, 1));
      underWay--;
      if (options.signal?.aborted) aborted++;
      return log.fetch(path, options);
    },
  };
  await read({ checkpoint: last, source, concurrency: 3 });
  expect(most).toBe(3);
  for await (const chunk of readEntries({ checkpoint: last, source, concurrency: 3 })) {
    expect(chunk.startIndex).toBe(0);
    break;
  }
  await new Promise((resolve) => setTimeout(resolve, 20));
  expect(underWay).toBe(0);
  expect(aborted).toBeGreaterThan(0);
});

test("a source that never answers ends with the signal", async () => {
  const source: TileSource = {
    fetch: (path, options) =>
      path.startsWith("tile/entries/") ? new Promise(() => {}) : log.fetch(path, options),
  };
  const stop = new AbortController();
  const reading = read({ checkpoint: last, source, signal: stop.signal });
  setTimeout(() => stop.abort(new Error("enough")), 5);
  await expect(reading).rejects.toThrowError("enough");
});

test("refuses ranges and options that make no sense", async () => {
  for (const from of [-1, 0.5, 1501]) {
    await expect(read({ checkpoint: last, from })).rejects.toThrowError(code("RANGE_INVALID"));
  }
  const resume = { nextIndex: 701, verified: HEADS[4]! };
  await expect(read({ checkpoint: last, resume })).rejects.toThrowError(code("RANGE_INVALID"));
  await expect(read({ checkpoint: last, concurrency: 0 })).rejects.toThrowError(RangeError);
});

test.each([
  "",
  "1\n2\n",
  "1\n2\nAAAA\n",
  "x\n2\n",
  "3\n2\nNmQuc8JUCrEh46a/lUWwokmCzYMOsT080Z3jzmwCHsE=\n",
  "1".repeat(200),
])("refuses the resume point %j", (text) => {
  expect(() => parseResumePoint(text)).toThrowError(
    expect.objectContaining({ code: expect.stringMatching(/_INVALID$/) }),
  );
});

test("resume points have one spelling", () => {
  const text = "1\n2\nNmQuc8JUCrEh46a/lUWwokmCzYMOsT080Z3jzmwCHsE=\n";
  expect(formatResumePoint(parseResumePoint(text))).toBe(text);
  for (const other of [text.slice(0, -1), `${text}\n`, `0${text}`, ` ${text}`]) {
    expect(() => parseResumePoint(other)).toThrowError(
      expect.objectContaining({ code: expect.stringMatching(/_INVALID$/) }),
    );
  }
  const root = fc.uint8Array({ minLength: 32, maxLength: 32 });
  fc.assert(
    fc.property(fc.maxSafeNat(), fc.maxSafeNat(), root, (a, b, bytes) => {
      const verified = { size: Math.max(a, b), root: new Uint8Array(bytes) };
      const point = { nextIndex: Math.min(a, b), verified };
      expect(parseResumePoint(formatResumePoint(point))).toEqual(point);
    }),
  );
  for (const wrong of [
    { nextIndex: 1501, verified: last },
    { nextIndex: -1, verified: last },
    { nextIndex: 0.5, verified: last },
    { nextIndex: 0, verified: { ...last, size: 2 ** 53 } },
    { nextIndex: 0, verified: { ...last, root: new Uint8Array(31) } },
  ]) {
    expect(() => formatResumePoint(wrong)).toThrowError(code("RANGE_INVALID"));
  }
});
