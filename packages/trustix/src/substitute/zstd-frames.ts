// Where the frames of a zstd file begin and end (RFC 8878, section 3.1), told from their headers alone. Programs with several
// threads write a file as many frames, and put skippable ones between them; decompressors stop at the end of each.
import { narMismatch } from "./nar-mismatch.ts";

const MAGIC = 0xfd2fb528;
const SKIPPABLE_MAGIC = 0x184d2a50;
const RESERVED_BLOCK = 3;
const ONE_BYTE_BLOCK = 1;
/** Frames that any file may have. */
const FREE_FRAMES = 64;
/** Beyond those, one for so many bytes of the NAR: starting a frame costs about as much as decompressing so much. */
const BYTES_PER_FRAME = 4096;

/** The number that comes next, and how many bytes it has. */
const FIELDS = { magic: 4, skippableSize: 4, descriptor: 1, blockHeader: 3, end: 0 } as const;

/**
 * Follows one file. Contents are not looked at: that is the decompressor's part. Refused is what is no frame, and a file of
 * so many that starting them would be most of the work.
 */
export class ZstdFrames {
  readonly #maxFrames: number;
  #frames = 0;
  #field: keyof typeof FIELDS = "magic";
  #value = 0;
  #missingBytes: number = FIELDS.magic;
  /** Bytes that come before the next field. */
  #skipBytes = 0;
  #hasChecksum = false;

  /** @param narSize bytes that the frames should have together */
  constructor(narSize: number) {
    this.#maxFrames = FREE_FRAMES + Math.floor(narSize / BYTES_PER_FRAME);
  }

  /** Whether the file may end here. */
  get isComplete(): boolean {
    return this.#frames > 0 && this.#field === "magic" && this.#missingBytes === FIELDS.magic;
  }

  /**
   * Takes the next bytes, and cuts them after the end of each frame.
   * @throws TrustixError `NAR_MISMATCH`
   */
  split(chunk: Uint8Array): readonly Uint8Array[] {
    const pieces: Uint8Array[] = [];
    let start = 0;
    for (let at = 0; at < chunk.length; ) {
      if (this.#skipBytes > 0) {
        const skipped = Math.min(this.#skipBytes, chunk.length - at);
        this.#skipBytes -= skipped;
        at += skipped;
      } else {
        const shift = 8 * (FIELDS[this.#field] - this.#missingBytes--);
        this.#value += chunk[at++]! * 2 ** shift;
      }
      while (this.#missingBytes === 0 && this.#skipBytes === 0) {
        if (this.#take(this.#value) !== "magic") continue;
        pieces.push(chunk.subarray(start, at));
        start = at;
      }
    }
    if (start < chunk.length) pieces.push(chunk.subarray(start));
    return pieces;
  }

  /** The field is complete. @returns the one after it */
  #take(value: number): keyof typeof FIELDS {
    switch (this.#field) {
      case "magic":
        if (++this.#frames > this.#maxFrames) throw narMismatch("the zstd file has too many frames");
        if (value === MAGIC) return this.#expect("descriptor");
        if ((value & ~15) === SKIPPABLE_MAGIC) return this.#expect("skippableSize");
        throw narMismatch("the file has something else where a zstd frame should begin");
      case "skippableSize":
        return this.#expect("end", value);
      case "descriptor": {
        this.#hasChecksum = (value & 4) !== 0;
        const isSingleSegment = (value & 32) !== 0;
        const windowBytes = isSingleSegment ? 0 : 1;
        const dictionaryBytes = [0, 1, 2, 4][value & 3]!;
        const contentSizeBytes = [isSingleSegment ? 1 : 0, 2, 4, 8][value >> 6]!;
        return this.#expect("blockHeader", windowBytes + dictionaryBytes + contentSizeBytes);
      }
      case "blockHeader": {
        const type = (value >> 1) & 3;
        if (type === RESERVED_BLOCK) throw narMismatch("the zstd file has a block of no known type");
        const blockBytes = type === ONE_BYTE_BLOCK ? 1 : value >> 3;
        const isLast = (value & 1) !== 0;
        if (!isLast) return this.#expect("blockHeader", blockBytes);
        return this.#expect("end", blockBytes + (this.#hasChecksum ? 4 : 0));
      }
      case "end":
        return this.#expect("magic");
      default:
        return this.#field satisfies never;
    }
  }

  #expect(field: keyof typeof FIELDS, skipBytes = 0): keyof typeof FIELDS {
    this.#value = 0;
    this.#field = field;
    this.#skipBytes = skipBytes;
    this.#missingBytes = FIELDS[field];
    return field;
  }
}
