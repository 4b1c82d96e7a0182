import { constants, zstdCompressSync } from "node:zlib";
import fc from "fast-check";
import { expect, it } from "vitest";
import { skippableFrame } from "./compressed-forms.test.util.ts";
import { ZstdFrames } from "./zstd-frames.ts";

const mismatch = expect.objectContaining({ code: "NAR_MISMATCH" });

/** A frame of noise (blocks as they are), of one byte many times, of text, or of nothing. */
const dataFrame = fc
  .record({
    contents: fc.oneof(
      fc.uint8Array({ maxLength: 300 }),
      fc.nat(400_000).map((size) => new Uint8Array(size)),
      fc.nat(20_000).map((words) => Buffer.from("a word and another ".repeat(words))),
    ),
    checksumFlag: fc.integer({ min: 0, max: 1 }),
    contentSizeFlag: fc.integer({ min: 0, max: 1 }),
  })
  .map(({ contents, checksumFlag, contentSizeFlag }) =>
    zstdCompressSync(contents, {
      params: {
        [constants.ZSTD_c_checksumFlag]: checksumFlag,
        [constants.ZSTD_c_contentSizeFlag]: contentSizeFlag,
      },
    }),
  );
const frame = fc.oneof(
  dataFrame,
  fc.tuple(fc.nat(300), fc.nat(15)).map(([size, kind]) => skippableFrame(size, kind)),
);

it("files are cut where their frames end, however they come", () => {
  fc.assert(
    fc.property(
      fc.array(frame, { minLength: 1, maxLength: 8 }),
      fc.infiniteStream(fc.nat(700)),
      (all, sizes) => {
        const frames = new ZstdFrames(0);
        const file = Buffer.concat(all);
        const ends = new Set<number>();
        let [end, at] = [0, 0];
        for (const { length } of all) {
          end += length;
          ends.add(end);
        }
        const cuts: number[] = [];
        while (at < file.length) {
          const chunk = file.subarray(at, at + 1 + sizes.next().value!);
          for (const piece of frames.split(chunk)) {
            expect(piece.length).toBeGreaterThan(0);
            expect(Buffer.from(piece).equals(file.subarray(at, at + piece.length))).toBe(true);
            at += piece.length;
            cuts.push(at);
          }
          expect(frames.isComplete).toBe(ends.has(at));
        }
        for (const each of ends) expect(cuts).toContain(each);
      },
    ),
    { numRuns: 200 },
  );
});

it("what is no frame is refused", () => {
  expect(new ZstdFrames(0).isComplete).toBe(false);
  expect(() => new ZstdFrames(0).split(Buffer.from("nix-archive-1"))).toThrow(mismatch);
  const reserved = Buffer.from(zstdCompressSync("x"));
  // The block's header is after magic number, descriptor and size of the contents.
  reserved[6]! |= 6;
  expect(() => new ZstdFrames(0).split(reserved)).toThrow(mismatch);
});

it("frames may be many for a large NAR only", () => {
  const file = Buffer.concat(Array<Buffer>(66).fill(skippableFrame(0)));
  expect(() => new ZstdFrames(4096).split(file)).toThrow(mismatch);
  expect(new ZstdFrames(8192).split(file)).toHaveLength(66);
});
