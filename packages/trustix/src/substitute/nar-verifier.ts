// Checks a NAR while it passes by: compressed bytes go in, hash and size of what they decompress to come out. No more is
// decompressed than the statement allows, so a decompression bomb ends at its first byte too many.
import { createHash, type Hash, hash } from "node:crypto";
import type { Transform } from "node:stream";
import {
  brotliDecompressSync,
  createBrotliDecompress,
  createGunzip,
  createZstdDecompress,
  gunzipSync,
  zstdDecompressSync,
} from "node:zlib";
import { TrustixError } from "../errors.ts";
import { type ExpectedNar, expectNar, narMismatch } from "./nar-mismatch.ts";
import type { XzPool } from "./xz-pool.ts";
import { ZstdFrames } from "./zstd-frames.ts";

/** Checks one NAR. Dispose it when it is not needed to its end. */
export interface NarVerifier extends Disposable {
  /**
   * Takes the next bytes, which the caller must not change afterwards. A promise asks the caller to wait with more.
   * @throws TrustixError `NAR_MISMATCH`, here or from the promise, as soon as it is sure
   */
  write(chunk: Uint8Array): Promise<void> | undefined;
  /**
   * After the last byte.
   * @throws TrustixError `NAR_MISMATCH`
   */
  finish(): Promise<void>;
}

/** Makes a verifier for bytes of a compression among {@link VERIFIABLE}. */
export type CreateNarVerifier = (compression: string, expected: ExpectedNar) => NarVerifier;

/** Compressions that are understood here. Caches that have a NAR in another one are passed over. */
export const VERIFIABLE: readonly string[] = ["none", "xz", "zstd", "gzip", "br"];

function tooLarge({ narSize }: ExpectedNar): TrustixError {
  return narMismatch(`the NAR has more than the ${narSize} bytes stated`);
}

/** What a decompressor yields at a time; each time is a job for the thread pool, which costs more than filling 64 KiB. */
const MAX_PIECE_BYTES = 256 * 1024;

class PlainVerifier implements NarVerifier {
  readonly #expected: ExpectedNar;
  readonly #hash: Hash = createHash("sha256");
  #size = 0;

  constructor(expected: ExpectedNar) {
    this.#expected = expected;
  }

  write(chunk: Uint8Array): undefined {
    this.#size += chunk.length;
    if (this.#size > this.#expected.narSize) throw tooLarge(this.#expected);
    this.#hash.update(chunk);
  }

  async finish(): Promise<void> {
    expectNar(this.#expected, this.#hash.digest(), this.#size);
  }

  [Symbol.dispose](): void {}
}

/** A decompressor of node:zlib, with the count that its documentation promises. */
type Decompressor = Transform & { readonly bytesWritten: number };

/** A way to decompress all at once, with what the documentation of `info` promises and the types of Node omit. */
type DecompressAll = (
  file: Uint8Array,
  options: { readonly info: true; readonly maxOutputLength: number; readonly chunkSize: number },
) => unknown;

/** NARs up to this size are decompressed all at once, where requests are served: in 2 ms at most. */
const AT_ONCE_BYTES = { zstd: 1 << 20, gzip: 1 << 18, br: 1 << 18 } as const;
/** Smaller buffers share their memory with others. */
const MIN_OWN_BYTES = 64 * 1024;

/**
 * Frees a buffer that nobody will look at again. Left to the garbage collector, which counts such memory, a few dozen NARs
 * make it go through the whole heap.
 */
function release({ buffer }: Uint8Array): void {
  if (buffer instanceof ArrayBuffer) buffer.transfer(0);
}

/**
 * Waits until the small NAR is there and decompresses it in one call: most NARs of a closure are small, and handing each
 * to the thread pool and back costs several times as much. Only a "yes" is final: whatever is not right at first sight
 * goes the long way, which says what is wrong with it.
 */
class SmallVerifier implements NarVerifier {
  readonly #expected: ExpectedNar;
  readonly #decompress: DecompressAll;
  readonly #createThorough: () => NarVerifier;
  readonly #chunks: Uint8Array[] = [];

  constructor(expected: ExpectedNar, decompress: DecompressAll, createThorough: () => NarVerifier) {
    this.#expected = expected;
    this.#decompress = decompress;
    this.#createThorough = createThorough;
  }

  /** Whoever downloads has a bound for the file. */
  write(chunk: Uint8Array): undefined {
    this.#chunks.push(chunk);
  }

  async finish(): Promise<void> {
    const file = this.#chunks.length === 1 ? this.#chunks[0]! : Buffer.concat(this.#chunks);
    if (this.#isRight(file)) return;
    using thorough = this.#createThorough();
    await thorough.write(file);
    await thorough.finish();
  }

  #isRight(file: Uint8Array): boolean {
    const { narSize, narHash } = this.#expected;
    const chunkSize = Math.max(narSize + 1, MIN_OWN_BYTES);
    try {
      const { buffer: nar, engine } = this.#decompress(file, {
        info: true,
        maxOutputLength: narSize,
        chunkSize,
      }) as { readonly buffer: Buffer; readonly engine: { readonly bytesWritten: number } };
      const isAll = nar.length === narSize && engine.bytesWritten === file.length;
      const isRight = isAll && hash("sha256", nar, "buffer").equals(narHash.bytes);
      if (nar.buffer.byteLength === chunkSize) release(nar);
      return isRight;
    } catch {
      return false;
    }
  }

  [Symbol.dispose](): void {}
}

/** Decompresses in the thread pool and hashes here, one chunk ahead of the caller. */
class ZlibVerifier implements NarVerifier {
  readonly #expected: ExpectedNar;
  readonly #stream: Decompressor;
  readonly #hash: Hash = createHash("sha256");
  readonly #ended: Promise<void>;
  readonly #frames: ZstdFrames | undefined;
  #size = 0;
  #last: Buffer | undefined;
  /** Ends the wait for a write: a broken decompressor does not answer. */
  #wake = (): void => {};
  #writing: Promise<void> = Promise.resolve();

  /** @param frames follows a file that may consist of several frames, which the decompressor has to be given one by one */
  constructor(stream: Decompressor, expected: ExpectedNar, frames?: ZstdFrames) {
    this.#expected = expected;
    this.#stream = stream;
    this.#frames = frames;
    stream.on("data", (piece: Buffer) => {
      this.#size += piece.length;
      if (this.#size > expected.narSize) stream.destroy(tooLarge(expected));
      else this.#hash.update(piece);
      // Once there is a piece in another buffer, the decompressor has done with the last one.
      if (this.#last !== undefined && this.#last.buffer !== piece.buffer) release(this.#last);
      this.#last = piece.buffer.byteLength === MAX_PIECE_BYTES ? piece : undefined;
    });
    this.#ended = new Promise((resolve, reject) => {
      stream.once("end", resolve);
      stream.once("error", (error) => reject(asMismatch(error)));
      stream.once("close", () => {
        this.#wake();
        if (!stream.readableEnded) reject(narMismatch("the verifier was closed"));
      });
    });
    this.#ended.catch(() => {});
  }

  write(chunk: Uint8Array): Promise<void> {
    const before = this.#writing;
    this.#writing = before.then(() => this.#feed(chunk));
    this.#writing.catch(() => {});
    return before;
  }

  async #feed(chunk: Uint8Array): Promise<void> {
    for (const piece of this.#frames?.split(chunk) ?? [chunk]) {
      const before = this.#stream.bytesWritten;
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
        this.#stream.write(piece, () => resolve());
      });
      if (this.#stream.destroyed) return await this.#ended;
      if (this.#stream.bytesWritten - before < piece.length) {
        throw narMismatch("there are bytes after the end of the compressed NAR");
      }
    }
  }

  async finish(): Promise<void> {
    await this.#writing;
    if (this.#frames?.isComplete === false) throw narMismatch("the zstd file ends in the middle of a frame");
    this.#stream.end();
    await this.#ended;
    expectNar(this.#expected, this.#hash.digest(), this.#size);
  }

  [Symbol.dispose](): void {
    this.#stream.destroy();
  }
}

function asMismatch(error: Error): TrustixError {
  return error instanceof TrustixError
    ? error
    : narMismatch(
        `the NAR cannot be decompressed (${(error as NodeJS.ErrnoException).code ?? error.message})`,
        error,
      );
}

/** Small NARs come in one piece. */
function piecesFor({ narSize }: ExpectedNar): { readonly chunkSize: number } {
  return { chunkSize: Math.min(Math.max(narSize + 1, 1024), MAX_PIECE_BYTES) };
}

/** Verifiers for every compression in {@link VERIFIABLE}; xz is decompressed in worker threads. */
export function narVerifiers(xz: XzPool): CreateNarVerifier {
  const zlib = (
    compression: keyof typeof AT_ONCE_BYTES,
    expected: ExpectedNar,
    createStream: (options: { readonly chunkSize: number }) => Decompressor,
    decompress: DecompressAll,
  ): NarVerifier => {
    const createThorough = (): NarVerifier =>
      new ZlibVerifier(
        createStream(piecesFor(expected)),
        expected,
        compression === "zstd" ? new ZstdFrames(expected.narSize) : undefined,
      );
    return expected.narSize <= AT_ONCE_BYTES[compression]
      ? new SmallVerifier(expected, decompress, createThorough)
      : createThorough();
  };
  return (compression, expected) => {
    switch (compression) {
      case "none":
        return new PlainVerifier(expected);
      case "xz":
        return xz.verify(expected);
      case "zstd":
        return zlib(compression, expected, createZstdDecompress, zstdDecompressSync);
      case "gzip":
        return zlib(compression, expected, createGunzip, gunzipSync);
      case "br":
        return zlib(compression, expected, createBrotliDecompress, brotliDecompressSync);
      default:
        throw new TrustixError("INVALID_ARGUMENT", `no decompressor for ${compression}`);
    }
  };
}
