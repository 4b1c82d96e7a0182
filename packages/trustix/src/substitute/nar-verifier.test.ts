import { createHash } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { brotliDecompressSync, gunzipSync, zstdDecompressSync } from "node:zlib";
import fc from "fast-check";
import { afterAll, describe, expect, it } from "vitest";
import { COMPRESS } from "./caches.test.util.ts";
import { COMPRESSED_FORMS } from "./compressed-forms.test.util.ts";
import type { ExpectedNar } from "./nar-mismatch.ts";
import { type CreateNarVerifier, narVerifiers } from "./nar-verifier.ts";
import { XzPool } from "./xz-pool.ts";

const pool = new XzPool(1);
afterAll(() => pool[Symbol.asyncDispose]());
const create: CreateNarVerifier = narVerifiers(pool);
/** With the program xz, where there is one; else as without. */
const programPool = new XzPool(1, "xz");
afterAll(() => programPool[Symbol.asyncDispose]());
const createWithProgram: CreateNarVerifier = narVerifiers(programPool);

const sha256 = (data: Uint8Array) => createHash("sha256").update(data).digest();
const expectedOf = (nar: Uint8Array): ExpectedNar => ({
  narHash: { algorithm: "sha256", bytes: sha256(nar) },
  narSize: nar.length,
});

/** Whether a file, in pieces, is taken for the NAR. */
function isAccepted(
  compression: string,
  expected: ExpectedNar,
  ...pieces: readonly Uint8Array[]
): Promise<boolean> {
  return isAcceptedBy(create, compression, expected, pieces);
}

async function isAcceptedBy(
  createVerifier: CreateNarVerifier,
  compression: string,
  expected: ExpectedNar,
  pieces: readonly Uint8Array[],
): Promise<boolean> {
  using verifier = createVerifier(compression, expected);
  try {
    for (const piece of pieces) await verifier.write(piece);
    await verifier.finish();
    return true;
  } catch (error) {
    expect(error).toMatchObject({ code: "NAR_MISMATCH" });
    return false;
  }
}

/** Compressible and not, so that files have every kind of block. */
const narOf = (size: number): Buffer =>
  Buffer.concat([
    createHash("shake256", { outputLength: size >> 1 }).digest(),
    Buffer.alloc(size >> 1, "ab"),
  ]);

/** Whatever is small is decompressed at once, the rest in a stream: both have to think the same of a file. */
describe.each(["zstd", "gzip", "br", "none", "xz"])("a NAR in %s", (compression) => {
  const compress = COMPRESS[compression]!;

  it.each([16, 4_000, 200_000, 3_000_000])("of %d bytes is right, or not", async (size) => {
    const nar = narOf(size);
    const file = compress(nar);
    const accepted = (...pieces: readonly Uint8Array[]): Promise<boolean> =>
      isAccepted(compression, expectedOf(nar), ...pieces);
    const half = file.length >> 1;
    expect(await accepted(file)).toBe(true);
    expect(await accepted(file.subarray(0, half), file.subarray(half))).toBe(true);
    expect(await accepted(file, Buffer.from("trailing"))).toBe(false);
    expect(await accepted(Buffer.concat([file, Buffer.from("trailing")]))).toBe(false);
    expect(await accepted(file.subarray(0, -1))).toBe(false);
    expect(await accepted()).toBe(false);
    expect(await accepted(compress(narOf(size + 2)))).toBe(false);
    expect(await accepted(compress(Buffer.alloc(size)))).toBe(false);
    expect(await accepted(compress(Buffer.alloc(size + 5_000_000)))).toBe(false);
  });
});

describe.each(COMPRESSED_FORMS)("$compression with $name", ({ compression, isVerified, write }) => {
  it.each([4_000, 3_000_000])(`${isVerified ? "is" : "is not"} a NAR of %d bytes`, async (size) => {
    const nar = narOf(size);
    const parts = write(nar).filter(({ length }) => length > 0);
    const file = Buffer.concat(parts);
    const ways: (readonly Uint8Array[])[] = [[file], parts];
    if (file.length < 10_000) ways.push(Array.from(file, (byte) => Buffer.of(byte)));
    for (const pieces of ways) {
      for (const createVerifier of compression === "xz" ? [create, createWithProgram] : [create]) {
        expect(await isAcceptedBy(createVerifier, compression, expectedOf(nar), pieces)).toBe(isVerified);
      }
    }
  });
});

it.each(["zstd", "gzip", "xz"])(
  "a bomb in the second part of %s ends at its first byte too many",
  async (compression) => {
    for (const size of [4_000, 3_000_000]) {
      const nar = narOf(size);
      const [right, more, bomb] = [nar, nar.subarray(0, 1), Buffer.alloc(32 << 20)].map((data) =>
        COMPRESS[compression]!(data),
      );
      for (const second of [more!, bomb!]) {
        expect(await isAccepted(compression, expectedOf(nar), right!, second)).toBe(false);
        expect(await isAccepted(compression, expectedOf(nar), Buffer.concat([right!, second]))).toBe(false);
      }
    }
  },
);

it.each([4_000, 3_000_000])(
  "empty zstd frames without end are not read to the end (NAR of %d bytes)",
  async (size) => {
    const nar = narOf(size);
    const empty = Buffer.concat(Array<Buffer>(1_000).fill(COMPRESS.zstd!(Buffer.alloc(0))));
    using verifier = create("zstd", expectedOf(nar));
    let taken = 0;
    const pour = async (): Promise<void> => {
      await verifier.write(COMPRESS.zstd!(nar));
      for (; taken < 20; taken++) await verifier.write(empty);
      await verifier.finish();
    };
    await expect(pour()).rejects.toMatchObject({ code: "NAR_MISMATCH" });
    // A small NAR is there as a whole before it is looked at.
    if (size === 3_000_000) expect(taken).toBeLessThan(5);
  },
);

it.each([
  ["zstd", zstdDecompressSync],
  ["gzip", gunzipSync],
  ["br", brotliDecompressSync],
] as const)("what is accepted as %s does decompress to the NAR", async (compression, decompress) => {
  const nar = narOf(2_000);
  const file = COMPRESS[compression]!(nar);
  await fc.assert(
    fc.asyncProperty(fc.nat(file.length - 1), fc.integer({ min: 1, max: 255 }), async (at, bits) => {
      const changed = Buffer.from(file);
      changed[at]! ^= bits;
      // A field that means nothing to the contents may be changed.
      if (await isAccepted(compression, expectedOf(nar), changed)) {
        expect(decompress(changed).equals(nar)).toBe(true);
      }
    }),
  );
});

/** Programs that ended and that nobody has waited for, by this process. */
function zombies(): string[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .map((pid) => {
      try {
        return readFileSync(`/proc/${pid}/stat`, "utf8");
      } catch {
        return "";
      }
    })
    .filter((stat) => stat.includes(`(xz) Z ${process.pid} `));
}

describe.runIf(process.platform === "linux")("the program xz", () => {
  const nar = Buffer.concat([narOf(3_000_000), Buffer.alloc(8 << 20)]);
  const file = COMPRESS.xz!(nar);

  it("leaves nothing behind, however a download ends", async () => {
    await using programs = new XzPool(2, "xz");
    const verify = async (narSize: number, bytes: Uint8Array, isWhole: boolean): Promise<void> => {
      using verifier = programs.verify({ ...expectedOf(nar), narSize });
      await verifier.write(bytes);
      if (isWhole) await verifier.finish();
    };
    for (let i = 0; i < 3; i++) {
      await verify(nar.length, file.subarray(0, 600_000), false);
      await expect(verify(nar.length - 1, file, true)).rejects.toMatchObject({ code: "NAR_MISMATCH" });
      await expect(verify(nar.length, nar, true)).rejects.toMatchObject({ code: "NAR_MISMATCH" });
      await verify(nar.length, file, true);
    }
    await expect.poll(zombies).toEqual([]);
  });
});
