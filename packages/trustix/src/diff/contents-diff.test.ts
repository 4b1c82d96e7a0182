import { gzipSync } from "node:zlib";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { makeAr, makeElf, makeTar, makeZip, type TestMember } from "./archives.test.util.ts";
import { type Budget, type ContentsFindings, examine } from "./contents-diff.ts";

const bytes = (text: string): Buffer => Buffer.from(text);
const budget = (workBytes = 64 << 20): Budget => ({ workBytes, textLines: 1000 });
const look = (before: Uint8Array, after: Uint8Array): ContentsFindings => examine(before, after, budget());
const LONG = "some words that come again and again, ".repeat(500);

const ONE: TestMember = { name: "one", contents: "first\n" };
const TWO: TestMember = { name: "two", contents: "second\n" };
const HASH = (character: string): string => `/nix/store/${character.repeat(32)}-x`;

describe.each([
  ["tar", makeTar, 1_700_000_000, 0o77777777777],
  ["ar", makeAr, 1_700_000_000, 999_999_999_999],
  ["zip", (members: readonly TestMember[]) => makeZip(members), 0x5555_6666, 0xaaaa_aaaa],
  ["zip", (members: readonly TestMember[]) => makeZip(members, true), 0x5555_6666, 0xaaaa_aaaa],
] as const)("examine of %s archives", (format, make, time, lastTime) => {
  test("names another order", () => {
    expect(look(make([ONE, TWO]), make([TWO, ONE]))).toEqual({
      causes: ["order"],
      text: null,
      elf: null,
      inside: { format, reordered: true, differences: [], unlisted: 0 },
    });
  });

  test("names times and modes", () => {
    const found = look(make([ONE, TWO]), make([ONE, { ...TWO, time, mode: 0o755 }]));
    expect(found.causes).toEqual(["timestamp", "metadata"]);
    expect(found.inside?.differences).toMatchObject([
      { path: "two", kind: "metadata" },
      { path: "two", kind: "time" },
    ]);
  });

  test("looks into members, and explains nothing that it cannot", () => {
    const built = (day: string) => make([{ ...ONE, contents: `built on 2026-01-${day}\n` }, TWO]);
    expect(look(built("01"), built("02"))).toMatchObject({
      causes: ["timestamp"],
      inside: { differences: [{ path: "one", kind: "contents", text: { isWhole: true } }] },
    });
    const evil = make([{ ...ONE, time, contents: "evil\n" }, TWO]);
    expect(look(make([ONE, TWO]), evil)).toMatchObject({ causes: [], inside: { reordered: false } });
    expect(look(make([ONE]), make([ONE, TWO]))).toMatchObject({
      causes: [],
      inside: { differences: [{ path: "two", kind: "added", files: 1, bytes: 7 }] },
    });
  });

  test("says what is certain of archives with a byte changed anywhere", () => {
    const before = make([ONE, TWO]);
    for (let at = 0; at < before.length; at++) {
      const after = Buffer.from(before);
      after[at]! ^= 1;
      const { causes, inside } = look(before, after);
      // Every change is shown in some way, or nothing is said to explain it.
      expect(causes).not.toContain("order");
      if (causes.length > 0) expect(inside?.differences.length).toBeGreaterThan(0);
    }
  });

  test("hides no byte behind a time", () => {
    const dated = (seconds: number) => make([ONE, TWO].map((each) => ({ ...each, time: seconds })));
    const [before, after] = [dated(0), dated(time)];
    for (let at = 0; at < after.length; at++) {
      const changed = Buffer.from(after);
      changed[at]! ^= 1;
      const { causes, inside } = look(before, changed);
      const isTime = [dated(lastTime), after].some((other) => other[at] !== before[at]);
      const shows = inside?.differences.every(({ kind }) => kind === "time") ?? false;
      if (!isTime && causes.length > 0) expect([at, shows]).toEqual([at, false]);
    }
  });

  test("does not call it another order when there are bytes behind the end", () => {
    const { causes } = look(make([ONE, TWO]), Buffer.concat([make([TWO, ONE]), bytes("hidden")]));
    expect(causes).toEqual([]);
  });

  test("tells members of the same name apart", () => {
    const twice = (first: string, second: string) =>
      make([
        { ...ONE, contents: first },
        { ...ONE, contents: second },
      ]);
    expect(look(twice("a", "b"), twice("a", "c")).inside?.differences).toMatchObject([
      { path: "one", kind: "contents" },
    ]);
    expect(look(twice("a", "b"), twice("b", "a")).causes).toEqual([]);
  });
});

describe("examine", () => {
  test("takes a reordered library for one, with its symbol table", () => {
    const symbols = { one: ["first", "begin"], two: ["second"] };
    expect(look(makeAr([ONE, TWO], symbols), makeAr([TWO, ONE], symbols)).causes).toEqual(["order"]);
    const other = look(
      makeAr([ONE, TWO], symbols),
      makeAr([ONE, TWO], { one: ["first"], two: ["second", "begin"] }),
    );
    expect(other).toMatchObject({
      causes: [],
      inside: {
        differences: [
          {
            path: "symbol table",
            text: { hunks: [{ lines: expect.arrayContaining(["-begin in one", "+begin in two"]) }] },
          },
        ],
      },
    });
  });

  test("names another compression", () => {
    expect(look(gzipSync(LONG, { level: 1 }), gzipSync(LONG, { level: 9 }))).toMatchObject({
      causes: ["compression"],
      inside: { format: "gzip", differences: [{ path: "", kind: "compression" }] },
    });
    const zip = (level: number) => makeZip([{ ...ONE, contents: LONG, level }]);
    for (const level of [0, 1]) expect(look(zip(level), zip(9)).causes).toEqual(["compression"]);
  });

  test("looks behind compression, and into an archive there", () => {
    const page = (text: string) => gzipSync(`${LONG}\n${text}\n`);
    expect(look(page("good"), page("evil"))).toMatchObject({
      causes: [],
      inside: {
        differences: [
          {
            kind: "contents",
            text: {
              hunks: [{ lines: [expect.stringMatching(/^ some words/), "-good", "+evil"] }],
            },
          },
        ],
      },
    });
    expect(look(page(HASH("a")), page(HASH("b"))).causes).toEqual(["store-path"]);
    const ball = (...members: readonly TestMember[]) => gzipSync(makeTar(members), { level: members.length });
    expect(look(ball(ONE, TWO), ball(TWO, ONE)).causes).toEqual(["order"]);
    // So deep, and no deeper.
    const nested = (depth: number, text: string): Buffer =>
      depth === 0 ? bytes(text) : gzipSync(nested(depth - 1, text));
    const depthOf = ({ inside }: ContentsFindings): number => {
      const [first] = inside?.differences ?? [];
      return first?.kind === "contents" ? 1 + depthOf(first) : 0;
    };
    expect(depthOf(look(nested(8, "a"), nested(8, "b")))).toBe(3);
  });

  test("explains no gzip file with bytes that decompressors pass over", () => {
    const [a, b] = [gzipSync(LONG, { level: 1 }), gzipSync(LONG, { level: 9 })];
    expect(look(a, Buffer.concat([b, bytes("hidden")])).causes).toEqual([]);
    // Several parts are one file, as for gzip.
    expect(look(gzipSync(`${LONG}${LONG}`), Buffer.concat([a, a])).inside?.differences).not.toContainEqual(
      expect.objectContaining({ kind: "contents" }),
    );
  });

  test("lets no bomb take more than there is to spend", () => {
    const bomb = (text: string) => gzipSync(Buffer.concat([Buffer.alloc(32 << 20), bytes(text)]));
    const spent = budget(1 << 20);
    expect(examine(bomb("a"), bomb("b"), spent)).toMatchObject({ inside: null, text: null });
    expect(spent.workBytes).toBeLessThan(1 << 20);
    expect(examine(bytes("a"), bytes("b"), budget(1))).toMatchObject({ causes: [], text: null });
  });

  test("pays for what comes out of a bomb, also when the other file is none or the bomb is broken", () => {
    const bomb = gzipSync(Buffer.alloc(8 << 20));
    const zip = makeZip([{ name: "bomb", contents: Buffer.alloc(8 << 20) }]);
    for (const file of [bomb, bomb.subarray(0, -1), Buffer.concat([bomb.subarray(0, -8), bomb]), zip]) {
      const spent = budget(64 << 20);
      examine(file, bytes("text"), spent);
      expect(spent.workBytes).toBeLessThan((64 - 8) << 20);
    }
  });

  test("reads no archive whose names are longer than any, or are said again for each symbol", () => {
    const [a, b] = ["a", "b"].map((contents) =>
      makeAr([{ name: "x", contents }], { x: Array<string>(200).fill("s") }),
    ) as [Buffer, Buffer];
    expect(look(a, b).inside?.differences).toHaveLength(1);
    const long = (ar: Buffer, length: number): Buffer => {
      const table = Buffer.from(`${"n".repeat(length)}/\n`);
      const header = `${"//".padEnd(48)}${String(table.length).padEnd(10)}\`\n`;
      const named = Buffer.from(ar.toString("latin1").replace("x/".padEnd(16), "/0".padEnd(16)), "latin1");
      return Buffer.concat([named, Buffer.from(header), table, bytes(length % 2 === 1 ? "\n" : "")]);
    };
    expect(look(long(a, 4000), long(b, 4000)).inside?.differences).toHaveLength(1);
    expect(look(long(a, 5000), long(b, 5000)).inside).toBeNull();
    const many = ["a", "b"].map((contents) =>
      makeAr([{ name: "x", contents }], { x: Array<string>(9000).fill("s") }),
    ) as [Buffer, Buffer];
    expect(look(long(many[0], 4000), long(many[1], 4000)).inside).toBeNull();
  });

  test("takes no file for ELF whose sections lie on top of each other", () => {
    const file = makeElf(
      Array.from({ length: 20 }, (_, at) => [`.s${at}`, bytes("contents of a section")] as const),
    );
    const stacked = Buffer.from(file);
    const table = Number(file.readBigUInt64LE(40));
    for (let index = 1; index <= 20; index++) {
      stacked.writeBigUInt64LE(64n, table + 64 * index + 24);
      stacked.writeBigUInt64LE(BigInt(table - 64), table + 64 * index + 32);
    }
    const other = Buffer.from(stacked);
    other[8] = 9;
    expect(look(stacked, other).elf).toBeNull();
    const sound = Buffer.from(file);
    sound[8] = 9;
    expect(look(file, sound).elf).toMatchObject({ where: "[ELF header]" });
  });

  test.each([
    [true, true],
    [true, false],
    [false, true],
    [false, false],
  ])("names sections of ELF files (64 bits: %s, little end first: %s)", (is64, isLittle) => {
    const elf = (text: string, id: string, more: readonly (readonly [string, Uint8Array])[] = []) =>
      makeElf(
        [[".note.gnu.build-id", bytes(id)], [".text", bytes(text)], [".data", bytes("data")], ...more],
        { is64, isLittle },
      );
    const code = "\x01code\x02";
    expect(look(elf(code, "id-1"), elf(code, "id-2"))).toMatchObject({
      causes: ["build-id"],
      elf: { where: ".note.gnu.build-id", offset: 3, changed: [".note.gnu.build-id"] },
      text: null,
    });
    expect(look(elf(code, "id-1"), elf("\x01cope\x02", "id-1"))).toMatchObject({
      causes: [],
      elf: { where: ".text", offset: 3, changed: [".text"] },
    });
    const dated = (day: string) => elf(`\x01at 2026-01-0${day}`, `id-${day}`);
    expect(look(dated("1"), dated("2"))).toMatchObject({
      causes: ["timestamp", "build-id"],
      elf: { changed: [".note.gnu.build-id", ".text"] },
    });
    const grown = look(elf(code, "id-1"), elf(code, "id-1", [[".debug", bytes("more")]]));
    expect(grown).toMatchObject({
      causes: [],
      elf: { where: "[ELF header]", changed: [".shstrtab", ".debug"] },
    });
  });

  test("compares text with text only", () => {
    expect(look(bytes("a\n"), bytes("b\n")).text?.hunks).toHaveLength(1);
    expect(look(bytes("a\0"), bytes("b\n")).text).toBeNull();
  });

  const anything = fc.oneof(
    fc.uint8Array({ maxLength: 2000 }),
    fc.constantFrom<Uint8Array>(
      makeTar([ONE, TWO]),
      makeAr([ONE, TWO], { one: ["a"] }),
      makeZip([ONE, TWO]),
      makeZip([ONE, TWO], true),
      gzipSync(makeTar([ONE])),
      makeElf([[".text", bytes("x")]]),
      makeElf([[".text", bytes("x")]], { is64: false, isLittle: false }),
    ),
  );
  const damaged = fc
    .tuple(anything, fc.array(fc.tuple(fc.nat(), fc.nat(255)), { maxLength: 6 }), fc.nat({ max: 60 }))
    .map(([original, changes, cut]) => {
      const result = Buffer.from(original);
      for (const [at, value] of changes) if (result.length > 0) result[at % result.length] = value;
      return result.subarray(0, Math.max(0, result.length - (cut > 30 ? cut : 0)));
    });

  test("never throws, whatever it is given", () => {
    fc.assert(
      fc.property(damaged, damaged, (a, b) => {
        if (Buffer.compare(a, b) === 0) return;
        const { causes, inside } = look(a, b);
        if (inside !== null) expect(inside.reordered || inside.differences.length > 0).toBe(true);
        expect(new Set(causes).size).toBe(causes.length);
        const back = look(b, a);
        expect(back.causes).toEqual(causes);
        expect(back.inside?.differences.length).toBe(inside?.differences.length);
      }),
      { numRuns: 3000 },
    );
  });
});
