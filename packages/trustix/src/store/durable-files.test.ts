import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, describe, expect, it } from "vitest";
import { DurableFiles, type FileContent } from "./durable-files.ts";
import { nodeFileSystem } from "./file-system.ts";
import { SimulatedDisk } from "./simulated-disk.ts";

const root = mkdtempSync(join(tmpdir(), "trustix-durable-"));
afterAll(() => rmSync(root, { recursive: true }));

/** A small deterministic generator, so that a failing seed can be run again. */
function randomFrom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
}

const contents = fc.uniqueArray(
  fc.record({
    path: fc
      .array(fc.constantFrom("a", "b", "c"), { minLength: 1, maxLength: 3 })
      .map((names) => `/root/d${names.join("/d")}/file`),
    bytes: fc.uint8Array({ maxLength: 2000 }),
  }),
  { selector: (file) => file.path, minLength: 1, maxLength: 8 },
);

const same = (found: Map<string, Uint8Array>, files: readonly FileContent[]) => {
  for (const { path, bytes } of files) expect(Buffer.from(found.get(path) ?? [])).toEqual(Buffer.from(bytes));
};

describe("DurableFiles", () => {
  it("writes real files, creates their directories and leaves no temporary ones", async () => {
    const files = new DurableFiles(nodeFileSystem, join(root, "log"));
    const written = Array.from({ length: 40 }, (_, i) => ({
      path: join(root, "log", `x${i % 4}`, `${i}`),
      bytes: Buffer.from(`content ${i}`),
    }));
    await files.write(written);
    await files.write([{ path: join(root, "log", "x0", "0"), bytes: Buffer.from("new") }]);
    for (const { path, bytes } of written.slice(1)) expect(readFileSync(path)).toEqual(bytes);
    expect(readFileSync(join(root, "log", "x0", "0"), "utf8")).toBe("new");
    expect(
      readdirSync(join(root, "log"), { recursive: true }).filter((name) => `${name}`.endsWith(".tmp")),
    ).toEqual([]);
  });

  it("keeps everything over a power cut once it has returned", async () => {
    await fc.assert(
      fc.asyncProperty(contents, contents, fc.integer(), async (first, second, seed) => {
        const disk = new SimulatedDisk();
        const files = new DurableFiles(disk, "/root");
        await files.write(first);
        await files.write(second);
        const expected = new Map([...first, ...second].map((file) => [file.path, file]));
        same(disk.afterPowerCut(randomFrom(seed)).files(), [...expected.values()]);
      }),
    );
  });

  it("after a failure anywhere, leaves old or new content, and works when repeated", async () => {
    const old: FileContent[] = [
      { path: "/root/a/file", bytes: Buffer.alloc(1500, 1) },
      { path: "/root/b", bytes: Buffer.alloc(700, 1) },
    ];
    const fresh: FileContent[] = [
      { path: "/root/a/file", bytes: Buffer.alloc(1200, 2) },
      { path: "/root/b", bytes: Buffer.alloc(900, 2) },
      { path: "/root/c/d/file", bytes: Buffer.alloc(10, 2) },
    ];
    for (const fault of ["ENOSPC", "EIO", "short", "powerCut"] as const) {
      for (let failing = 0, failed = true; failed; failing++) {
        const disk = new SimulatedDisk();
        const files = new DurableFiles(disk, "/root");
        await files.write(old);
        const start = disk.operations;
        disk.plan = (index) => (index === start + failing ? fault : undefined);
        const error = await files.write(fresh).catch((reason: unknown) => reason);
        failed = disk.operations > start + failing;
        disk.plan = () => undefined;
        if (fault !== "short" && failed) expect(error).toBeInstanceOf(Error);
        const cut = fault === "powerCut" ? disk.afterPowerCut(randomFrom(failing)) : disk;
        for (const path of ["/root/a/file", "/root/b"]) {
          const options = [...old, ...fresh]
            .filter((file) => file.path === path)
            .map((file) => Buffer.from(file.bytes));
          expect(options).toContainEqual(Buffer.from(cut.files().get(path) ?? []));
        }
        const again = fault === "powerCut" ? new DurableFiles(cut, "/root") : files;
        await again.write(fresh);
        same(cut.afterPowerCut(randomFrom(failing)).files(), fresh);
      }
    }
  });
});
