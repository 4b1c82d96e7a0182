import { execFileSync } from "node:child_process";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { Readable } from "node:stream";
import { constants, gzipSync, zstdCompressSync } from "node:zlib";
import { InvalidArgumentError } from "commander";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { temporary } from "../daemon/nodes.test.util.ts";
import { parseMoment } from "./options.ts";
import { parsePathList, readPathList } from "./path-list.ts";
import { partsOf } from "./report-request.ts";
import { parseFailures, reportExitStatus } from "./report-status.ts";

let root: Awaited<ReturnType<typeof temporary>>;
beforeAll(async () => {
  root = await temporary();
});
afterAll(() => root[Symbol.asyncDispose]());

const STORE = "/nix/store";
const baseName = (index: number): string => `${String(index).padStart(32, "0")}-hello`;
const listOf = (count: number): string =>
  Array.from({ length: count }, (_, index) => `${STORE}/${baseName(index)}\n`).join("");
const nothing = (): Readable => Readable.from([]);

const xz = (bytes: string | Buffer): Buffer => execFileSync("xz", ["-c"], { input: bytes });
const COMPRESSORS = {
  plain: (bytes: string) => Buffer.from(bytes),
  gzip: gzipSync,
  // As the program `zstd` does it.
  zstd: (bytes: string) => zstdCompressSync(bytes, { params: { [constants.ZSTD_c_checksumFlag]: 1 } }),
  xz,
} as const;

describe("a list of store paths", () => {
  test.each(Object.entries(COMPRESSORS))("is read from %s, by what its bytes say", async (name, compress) => {
    const file = join(root.path, `list-${name}`);
    // Files may consist of several compressed parts.
    await writeFile(file, Buffer.concat([compress(listOf(1000)), compress(`${STORE}/${baseName(1000)}`)]));
    const paths = await readPathList(file, STORE, nothing());
    expect([paths.length, paths[0], paths[1000]]).toEqual([1001, baseName(0), baseName(1000)]);
    const piped = await readPathList("-", STORE, Readable.from([compress(listOf(2))]));
    expect(piped).toEqual([baseName(0), baseName(1)]);
  });

  test.each(Object.entries(COMPRESSORS).slice(1))(
    "%s that is cut off or damaged is refused",
    async (_, compress) => {
      const bytes = compress(listOf(1000));
      const damaged = Buffer.from(bytes);
      damaged[damaged.length >> 1]! ^= 0xff;
      for (const each of [bytes.subarray(0, -4), Buffer.concat([bytes, Buffer.from("junk")]), damaged]) {
        await expect(readPathList("-", STORE, Readable.from([each]))).rejects.toMatchObject({
          code: "INVALID_ARGUMENT",
        });
      }
    },
  );

  test.each(Object.entries(COMPRESSORS).slice(1))("a bomb in %s ends early", async (_, compress) => {
    const bomb = Buffer.concat(Array<Buffer>(300).fill(compress("\n".repeat(1 << 20))));
    await expect(readPathList("-", STORE, Readable.from([bomb]))).rejects.toMatchObject({
      code: "INVALID_ARGUMENT",
      message: expect.stringContaining("too large"),
    });
  });

  test("every line must be a store path, and the first that is none is named", () => {
    const good = listOf(2);
    for (const bad of [
      "",
      "x",
      `${STORE}/x`,
      `/gnu/store/${baseName(0)}`,
      `${STORE}/${baseName(0)}\r`,
      `${STORE}/${baseName(0)}/bin`,
    ]) {
      expect(() => parsePathList(`${good}${bad}\n${good}`, STORE, "list")).toThrow(
        /^list, line 3: .* is no path/,
      );
    }
    const long = `${good}${"é\u001b".repeat(500)}`;
    expect(() => parsePathList(long, STORE, "list")).toThrow(/^[ -~…é]{1,600}$/);
    expect(() => parsePathList("", STORE, "list")).toThrow("no store path");
    expect(() => parsePathList(`${STORE}/${baseName(0)}\n`.repeat(1_000_001), STORE, "list")).toThrow(
      "too large",
    );
  });

  test("has each path once, in its order, whatever it is", () => {
    fc.assert(
      fc.property(fc.array(fc.nat(50), { minLength: 1 }), (numbers) => {
        const text = numbers.map((index) => `${STORE}/${baseName(index)}`).join("\n");
        expect(parsePathList(text, STORE, "list")).toEqual([...new Set(numbers)].map(baseName));
      }),
    );
  });

  test("that cannot be read is said", async () => {
    for (const place of [join(root.path, "nowhere"), root.path]) {
      await expect(readPathList(place, STORE, nothing())).rejects.toMatchObject({ code: "NOT_FOUND" });
    }
  });
});

test("parts of a list fit into a request, and are the list", () => {
  fc.assert(
    fc.property(
      fc.array(fc.string({ unit: fc.constantFrom("a", "b"), maxLength: 40 })),
      fc.nat(200),
      (paths, most) => {
        const parts = partsOf(paths, most);
        expect(parts.flat()).toEqual(paths);
        for (const part of parts) {
          if (part.length > 1) expect(JSON.stringify(part).length - 2).toBeLessThan(most);
        }
        for (const part of parts.slice(1)) expect(part.length).toBeGreaterThan(0);
      },
    ),
  );
});

describe("moments", () => {
  const nowMs = Date.UTC(2026, 10, 22, 18);

  test.each([
    ["2026-11-20", "2026-11-20T00:00:00.000Z", "2026-11-21T00:00:00.000Z"],
    ["2024-02-29", "2024-02-29T00:00:00.000Z", "2024-03-01T00:00:00.000Z"],
    ["2026-11-20T10:00:00Z", "2026-11-20T10:00:00.000Z", "2026-11-20T10:00:00.000Z"],
    ["2026-11-20T10:00:00+02:00", "2026-11-20T08:00:00.000Z", "2026-11-20T08:00:00.000Z"],
    ["7d", "2026-11-15T18:00:00.000Z", "2026-11-15T18:00:00.000Z"],
    ["12h", "2026-11-22T06:00:00.000Z", "2026-11-22T06:00:00.000Z"],
  ])("%s", (text, since, until) => {
    const { sinceMs, untilMs } = parseMoment(text, nowMs);
    expect([sinceMs, untilMs].map((each) => new Date(each).toISOString())).toEqual([since, until]);
  });

  test.each([
    "",
    "yesterday",
    "2026-02-30",
    "2026-13-01",
    "2026-11-20T25:00:00Z",
    "7",
    "7w",
    "99999d",
    "1969-01-01",
  ])("%j is none", (text) => {
    expect(() => parseMoment(text, nowMs)).toThrow(InvalidArgumentError);
  });
});

test.each([
  ["disputed", 4],
  ["single", 1],
  ["single,disputed", 4],
  ["unchecked", 0],
] as const)("a report that fails on %s exits with %d", (words, status) => {
  const total = { paths: 5, reproducible: 1, disputed: 1, single: 3, unchecked: 0 };
  expect(reportExitStatus(total, parseFailures(words))).toBe(status);
  expect(reportExitStatus(total, [])).toBe(0);
  expect(() => parseFailures("reproducible")).toThrow(InvalidArgumentError);
});
