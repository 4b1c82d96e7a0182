// Checks a NAR while it passes by: compressed bytes go in, hash and size of what they decompress to come out. No more is
// decompressed than the statement allows, so a decompression bomb ends at its first byte too many.
import { createHash, type Hash } from "node:crypto";
import type { Transform } from "node:stream";
import { createBrotliDecompress, createGunzip, createZstdDecompress } from "node:zlib";
import { formatHash } from "@trustix/nix";
import { TrustixError } from "../errors.ts";
import type { XzPool } from "./xz-pool.ts";

/** The facts of a statement that bytes can be held against. */
export interface ExpectedNar {
  /** SHA-256. */
  readonly narHash: { readonly algorithm: string; readonly bytes: Uint8Array };
  readonly narSize: number;
}

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

export function narMismatch(why: string, cause?: unknown): TrustixError {
  return new TrustixError("NAR_MISMATCH", why, { cause });
}

function tooLarge({ narSize }: ExpectedNar): TrustixError {
  return narMismatch(`the NAR has more than the ${narSize} bytes stated`);
}

/** @throws TrustixError `NAR_MISMATCH` unless hash and size are the stated ones */
export function expectNar(expected: ExpectedNar, digest: Uint8Array, size: number): void {
  const { narHash, narSize } = expected;
  if (size !== narSize) throw narMismatch(`the NAR has ${size} bytes, stated are ${narSize}`);
  if (!Buffer.from(narHash.bytes).equals(digest)) {
    const found = formatHash({ algorithm: "sha256", bytes: digest });
    throw narMismatch(
      `the NAR's hash is ${found}, stated is ${formatHash({ ...narHash, algorithm: "sha256" })}`,
    );
  }
}

/** What a decompressor yields at a time. */
const MAX_PIECE_BYTES = 64 * 1024;

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

/** Decompresses in the thread pool and hashes here, one chunk ahead of the caller. */
class ZlibVerifier implements NarVerifier {
  readonly #expected: ExpectedNar;
  readonly #stream: Decompressor;
  readonly #hash: Hash = createHash("sha256");
  readonly #ended: Promise<void>;
  #size = 0;
  #writing: Promise<void> = Promise.resolve();

  constructor(stream: Decompressor, expected: ExpectedNar) {
    this.#expected = expected;
    this.#stream = stream;
    stream.on("data", (chunk: Buffer) => {
      this.#size += chunk.length;
      if (this.#size > expected.narSize) stream.destroy(tooLarge(expected));
      else this.#hash.update(chunk);
    });
    this.#ended = new Promise((resolve, reject) => {
      stream.once("end", resolve);
      stream.once("error", (error) => reject(asMismatch(error)));
      stream.once("close", () => {
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

  /** A decompressor drops what follows the end of a frame in the same chunk; there may be another frame. */
  async #feed(chunk: Uint8Array): Promise<void> {
    for (let rest = chunk; rest.length > 0; ) {
      const before = this.#stream.bytesWritten;
      await Promise.race([this.#ended, new Promise((done) => this.#stream.write(rest, done))]);
      const taken = this.#stream.bytesWritten - before;
      if (this.#stream.destroyed) return await this.#ended;
      if (taken <= 0) throw narMismatch("there are bytes after the end of the compressed NAR");
      rest = rest.subarray(taken);
    }
  }

  async finish(): Promise<void> {
    await this.#writing;
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

/** Each piece is a job for the thread pool: small NARs come in one, others in few. */
function piecesFor({ narSize }: ExpectedNar): { readonly chunkSize: number } {
  return { chunkSize: Math.min(Math.max(narSize + 1, 1024), MAX_PIECE_BYTES) };
}

/** Verifiers for every compression in {@link VERIFIABLE}; xz is decompressed in worker threads. */
export function narVerifiers(xz: XzPool): CreateNarVerifier {
  return (compression, expected) => {
    switch (compression) {
      case "none":
        return new PlainVerifier(expected);
      case "xz":
        return xz.verify(expected);
      case "zstd":
        return new ZlibVerifier(createZstdDecompress(piecesFor(expected)), expected);
      case "gzip":
        return new ZlibVerifier(createGunzip(piecesFor(expected)), expected);
      case "br":
        return new ZlibVerifier(createBrotliDecompress(piecesFor(expected)), expected);
      default:
        throw new TrustixError("INVALID_ARGUMENT", `no decompressor for ${compression}`);
    }
  };
}
