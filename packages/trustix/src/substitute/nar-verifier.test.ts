import { createHash } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { brotliDecompressSync, gunzipSync, zstdDecompressSync } from "node:zlib";
import fc from "fast-check";
import { afterAll, describe, expect, it } from "vitest";
import { COMPRESS } from "./caches.test.util.ts";
import { type CreateNarVerifier, type ExpectedNar, narVerifiers } from "./nar-verifier.ts";
import { XzPool } from "./xz-pool.ts";

const pool = new XzPool(1);
afterAll(() => pool[Symbol.asyncDispose]());
const create: CreateNarVerifier = narVerifiers(pool);

const sha256 = (data: Uint8Array) => createHash("sha256").update(data).digest();
const expectedOf = (nar: Uint8Array): ExpectedNar => ({
  narHash: { algorithm: "sha256", bytes: sha256(nar) },
  narSize: nar.length,
});

/** Whether a file, in pieces, is taken for the NAR. */
async function isAccepted(
  compression: string,
  expected: ExpectedNar,
  ...pieces: readonly Uint8Array[]
): Promise<boolean> {
  using verifier = create(compression, expected);
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

it("a NAR in two members of gzip is as good as in one", async () => {
  for (const size of [4_000, 3_000_000]) {
    const nar = narOf(size);
    const members = [nar.subarray(0, 100), nar.subarray(100)].map((part) => COMPRESS.gzip!(part));
    expect(await isAccepted("gzip", expectedOf(nar), Buffer.concat(members))).toBe(true);
    expect(await isAccepted("gzip", expectedOf(nar), ...members)).toBe(true);
  }
});

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
