import fc from "fast-check";
import { expect, test } from "vitest";
import { leafHash, treeRoot } from "../merkle/hash.ts";
import { MemoryLog, sampleEntries } from "./memory-log.test.util.ts";
import { logFilePath, tilesBetween } from "./tile.ts";
import { TreeBuilder } from "./tree-builder.ts";

const ENTRIES = sampleEntries(0, 2000);
const LEAVES = ENTRIES.map(leafHash);
const code = (name: string) => expect.objectContaining({ code: name });

test("an empty log", async () => {
  const builder = TreeBuilder.empty();
  expect(builder.size).toBe(0);
  expect(builder.root()).toEqual(treeRoot([]));
  expect(builder.append([])).toEqual({ size: 0, root: treeRoot([]), files: [] });
  const resumed = await TreeBuilder.resume(0, new MemoryLog(), { expectedRoot: treeRoot([]) });
  expect(resumed.append(ENTRIES.slice(0, 3)).root).toEqual(treeRoot(LEAVES.slice(0, 3)));
});

test("root equals the definition at every size to 600", () => {
  const builder = TreeBuilder.empty();
  for (let size = 1; size <= 600; size++) {
    expect(builder.append(ENTRIES.slice(size - 1, size)).root).toEqual(treeRoot(LEAVES.slice(0, size)));
  }
});

test("any split into batches, with restarts between, gives the same files, exactly those implied", async () => {
  const whole = new MemoryLog();
  const { root, files } = TreeBuilder.empty().append(ENTRIES);
  whole.write(files);
  expect(files.map((file) => file.path).sort()).toEqual([...tilesBetween(0, 2000)].map(logFilePath).sort());
  await fc.assert(
    fc.asyncProperty(fc.array(fc.tuple(fc.nat(2000), fc.boolean()), { maxLength: 12 }), async (stops) => {
      const log = new MemoryLog();
      let builder = TreeBuilder.empty();
      for (const [stop, restart] of [...stops, [2000, false] as const].sort((a, b) => a[0] - b[0])) {
        const before = builder.size;
        const result = builder.append(ENTRIES.slice(before, stop));
        log.write(result.files);
        expect(result.files.map((file) => file.path).sort()).toEqual(
          [...tilesBetween(before, stop)].map(logFilePath).sort(),
        );
        if (restart) builder = await TreeBuilder.resume(stop, log, { expectedRoot: result.root });
      }
      expect(builder.root()).toEqual(root);
      for (const [path, bytes] of whole.files) expect(log.files.get(path)).toEqual(bytes);
    }),
    { numRuns: 40 },
  );
});

test("a fork is independent: a failed write can be tried again", () => {
  const builder = TreeBuilder.empty();
  builder.append(ENTRIES.slice(0, 300));
  const first = builder.fork().append(ENTRIES.slice(300, 700));
  const other = builder.fork().append(ENTRIES.slice(1000, 1400));
  expect(builder.size).toBe(300);
  expect(builder.append(ENTRIES.slice(300, 700))).toEqual(first);
  expect(other.root).not.toEqual(first.root);
});

test("files of an earlier batch are not changed by a later one", () => {
  const builder = TreeBuilder.empty();
  const { files } = builder.append(ENTRIES.slice(0, 100));
  const copies = files.map((file) => file.bytes.slice());
  builder.append(ENTRIES.slice(100, 600));
  expect(files.map((file) => file.bytes)).toEqual(copies);
});

test("a failed append changes nothing", () => {
  const builder = TreeBuilder.empty();
  builder.append(ENTRIES.slice(0, 5));
  expect(() => builder.append([...ENTRIES.slice(5, 300), new Uint8Array(0x10000)])).toThrowError(
    code("BUNDLE_MALFORMED"),
  );
  expect(builder.append(ENTRIES.slice(5, 6)).root).toEqual(treeRoot(LEAVES.slice(0, 6)));
});

test("entries of 0 and of 65,535 bytes", () => {
  const entries = [new Uint8Array(0), new Uint8Array(0xffff).fill(1), new Uint8Array(0)];
  const { root, files } = TreeBuilder.empty().append(entries);
  expect(root).toEqual(treeRoot(entries.map(leafHash)));
  expect(files[0]!.bytes.length).toBe(6 + 0xffff);
});

test("resume refuses any changed, cut or missing file of the right edge", async () => {
  const log = new MemoryLog();
  const { root } = (() => {
    const result = TreeBuilder.empty().append(ENTRIES.slice(0, 700));
    log.write(result.files);
    return result;
  })();
  const resume = () => TreeBuilder.resume(700, log, { expectedRoot: root });
  for (const [path, wrong] of [
    ["tile/0/002.p/188", "ROOT_MISMATCH"],
    ["tile/1/000.p/2", "ROOT_MISMATCH"],
    ["tile/entries/002.p/188", "BUNDLE_MISMATCH"],
  ] as const) {
    const bytes = log.files.get(path)!;
    const flipped = bytes.slice();
    flipped[40]! ^= 1;
    log.files.set(path, flipped);
    await expect(resume()).rejects.toThrowError(code(wrong));
    log.files.set(path, bytes.slice(0, -1));
    await expect(resume()).rejects.toThrowError(
      code(path.includes("entries") ? "BUNDLE_MALFORMED" : "TILE_INVALID"),
    );
    log.files.delete(path);
    await expect(resume()).rejects.toThrowError(code("RESOURCE_MISSING"));
    log.files.set(path, bytes);
  }
  await expect(TreeBuilder.resume(699, log, { expectedRoot: root })).rejects.toThrowError(
    code("RESOURCE_MISSING"),
  );
  expect((await resume()).size).toBe(700);
});

test("resume cuts what it needs out of full files when the partial ones are gone", async () => {
  const log = new MemoryLog();
  const builder = TreeBuilder.empty();
  const older = builder.append(ENTRIES.slice(0, 300));
  log.write(builder.append(ENTRIES.slice(300, 600)).files);
  log.files.set("tile/1/000.p/1", older.files.find((file) => file.path === "tile/1/000.p/1")!.bytes);
  const resumed = await TreeBuilder.resume(300, log, { expectedRoot: older.root });
  expect(resumed.append(ENTRIES.slice(300, 600)).root).toEqual(builder.root());
});
