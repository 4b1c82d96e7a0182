import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { TrustixError } from "../errors.ts";
import { SimulatedDisk } from "../store/simulated-disk.ts";
import { Journal } from "./journal.ts";

const logId = new Uint8Array(32).fill(7);
const options = { directory: "/journal", logId };
const code = (expected: TrustixError["code"]) => expect.objectContaining({ code: expected });
const entry = (n: number) => Buffer.from(`entry ${n} ${"x".repeat((n * 37) % 90)}`);
const range = (from: number, to: number) => Array.from({ length: to - from }, (_, i) => entry(from + i));
const textOf = (entries: readonly Uint8Array[]) => entries.map((bytes) => Buffer.from(bytes).toString());

async function write(
  disk: SimulatedDisk,
  groups: readonly number[],
  segmentBytes = 1 << 20,
): Promise<Journal> {
  const journal = await Journal.open(disk, { ...options, segmentBytes }, 0);
  let next = 0;
  for (const count of groups) {
    await journal.append(range(next, next + count));
    next += count;
  }
  return journal;
}

/** Writes one journal into one segment, and gives its path and content. */
async function segment(
  groups: readonly number[],
): Promise<{ disk: SimulatedDisk; path: string; bytes: Uint8Array }> {
  const disk = new SimulatedDisk();
  await write(disk, groups);
  const [[path, bytes] = ["", new Uint8Array()]] = disk.files();
  return { disk, path, bytes: Uint8Array.from(bytes) };
}

async function replace(disk: SimulatedDisk, path: string, bytes: Uint8Array): Promise<void> {
  const file = await disk.createFile(path);
  if (bytes.length > 0) await file.write(bytes);
  await file.sync();
}

describe("Journal", () => {
  it("gives back what was appended, from any size on, whatever the segments", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1, maxLength: 8 }),
        fc.integer({ min: 100, max: 5000 }),
        fc.nat(),
        async (groups, segmentBytes, cut) => {
          const disk = new SimulatedDisk();
          const total = groups.reduce((sum, count) => sum + count, 0);
          const size = cut % (total + 1);
          const journal = await write(disk, groups, segmentBytes);
          expect(journal.durableSize).toBe(total);
          await journal.trim(size);
          expect(textOf(journal.entries(size, total))).toEqual(textOf(range(size, total)));
          const again = await Journal.open(disk.afterPowerCut(Math.random), options, size);
          expect(textOf(again.entries(size, again.nextIndex))).toEqual(textOf(range(size, total)));
          expect(again.durableSize).toBe(size);
          await again.append([]);
          expect(again.durableSize).toBe(total);
        },
      ),
    );
  });

  it("removes segments once they are published", async () => {
    const disk = new SimulatedDisk();
    const journal = await write(disk, [30, 30, 30, 30], 1000);
    expect(disk.files().size).toBeGreaterThan(2);
    await journal.trim(120);
    expect(disk.files().size).toBe(1);
  });

  it("cuts a torn last frame", async () => {
    const { disk, path, bytes } = await segment([1, 5, 7]);
    const whole = bytes.length;
    const lastFrame = whole - 28 - range(6, 13).reduce((sum, { length }) => sum + length + 2, 0);
    for (let length = lastFrame; length < whole; length++) {
      await replace(disk, path, bytes.slice(0, length));
      expect((await Journal.open(disk, options, 0)).nextIndex).toBe(6);
      const zeroed = bytes.slice();
      zeroed.fill(0, length);
      await replace(disk, path, zeroed);
      expect((await Journal.open(disk, options, 0)).nextIndex).toBe(6);
    }
  });

  it("refuses damage to what was acknowledged, at every byte", async () => {
    const { disk, path, bytes } = await segment([2, 3, 4]);
    const lastFrame = bytes.length - 28 - range(5, 9).reduce((sum, { length }) => sum + length + 2, 0);
    for (let at = 0; at < bytes.length; at++) {
      const damaged = bytes.slice();
      damaged[at]! ^= 0x20;
      await replace(disk, path, damaged);
      const opened = Journal.open(disk, options, 0);
      if (at < lastFrame) await expect(opened).rejects.toEqual(code("STATE_CORRUPT"));
      else expect((await opened).nextIndex).toBe(5);
    }
  });

  it("refuses a gap, another log's journal, and one that continues a longer log", async () => {
    const { disk, path, bytes } = await segment([2, 3]);
    await expect(Journal.open(disk, { ...options, logId: new Uint8Array(32) }, 0)).rejects.toEqual(
      code("LOG_MISMATCH"),
    );
    const later = new SimulatedDisk();
    const journal = await Journal.open(later, options, 9);
    await journal.append(range(9, 12));
    await expect(Journal.open(later, options, 5)).rejects.toEqual(code("STATE_ROLLED_BACK"));
    const [[, laterBytes] = ["", new Uint8Array()]] = later.files();
    await replace(disk, path, bytes);
    await replace(disk, "/journal/0000000000000009", laterBytes);
    await expect(Journal.open(disk, options, 0)).rejects.toEqual(code("STATE_CORRUPT"));
    expect((await Journal.open(disk, options, 9)).nextIndex).toBe(12);
  });

  it("forgets what a failed append wrote, and never trusts that segment again", async () => {
    const disk = new SimulatedDisk();
    const journal = await write(disk, [3]);
    disk.plan = (_, operation) => (operation === "sync" ? "EIO" : undefined);
    await expect(journal.append([Buffer.from("lost")])).rejects.toThrow();
    await expect(journal.append([Buffer.from("lost again")])).rejects.toThrow();
    expect(journal.nextIndex).toBe(3);
    disk.plan = () => undefined;
    await journal.append([entry(3)]);
    for (const after of [disk.afterKill(), disk.afterPowerCut(Math.random)]) {
      const again = await Journal.open(after, options, 0);
      expect(textOf(again.entries(0, again.nextIndex))).toEqual(textOf(range(0, 4)));
    }
  });
});
