// Decompresses a NAR into a file and proves it against what was stated: nothing of it is looked at before. No more is
// written than the statement allows, so a decompression bomb ends at its first byte too many. Runs in a worker thread.
import { createHash } from "node:crypto";
import { closeSync, openSync, writeSync } from "node:fs";
import type { Transform } from "node:stream";
import { createBrotliDecompress, createGunzip, createZstdDecompress } from "node:zlib";
import { encodeNix32 } from "@trustix/nix";
import xz from "xz-decompress";
import { TrustixError } from "../errors.ts";

/** What is known of a NAR from its statement. */
export interface StatedNar {
  /** SHA-256. */
  readonly digest: Uint8Array;
  readonly narSize: number;
}

const mismatch = (why: string, cause?: unknown): TrustixError =>
  new TrustixError("NAR_MISMATCH", why, { cause });

/** A decompressor of node:zlib, with the count that its documentation promises. */
type Decompressor = Transform & { readonly bytesWritten: number };

/** What comes out of a decompressor. It drops what follows the end of a frame in one piece; there may be another frame. */
async function* through(stream: Decompressor, source: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  const feed = async (): Promise<void> => {
    for await (const chunk of source) {
      for (let rest = chunk; rest.length > 0; ) {
        const before = stream.bytesWritten;
        await new Promise<void>((done) => stream.write(rest, () => done()));
        if (stream.destroyed) return;
        const taken = stream.bytesWritten - before;
        if (taken <= 0) throw mismatch("there are bytes after the end of the compressed NAR");
        rest = rest.subarray(taken);
      }
    }
    stream.end();
  };
  feed().catch((error: Error) => stream.destroy(error));
  yield* stream as AsyncIterable<Buffer>;
}

function decompressed(source: AsyncIterable<Uint8Array>, compression: string): AsyncIterable<Uint8Array> {
  switch (compression) {
    case "none":
      return source;
    case "xz":
      return new xz.XzReadableStream(ReadableStream.from(source)) as unknown as AsyncIterable<Uint8Array>;
    case "zstd":
      return through(createZstdDecompress(), source);
    case "gzip":
      return through(createGunzip(), source);
    case "br":
      return through(createBrotliDecompress(), source);
    default:
      throw new TrustixError("INVALID_ARGUMENT", `no decompressor for ${compression.slice(0, 20)}`);
  }
}

/** What was thrown on the way; whatever a decompressor throws, it is about what was sent to it. */
function asMismatch(error: unknown): TrustixError {
  if (error instanceof TrustixError) return error;
  const reason = (error as NodeJS.ErrnoException).code ?? String(error);
  return mismatch(`the NAR cannot be decompressed (${reason.slice(0, 200)})`, error);
}

/**
 * Writes the NAR of a compressed file to `path`.
 * @param onBytes told how many bytes of the NAR are there, now and then
 * @throws TrustixError `NAR_MISMATCH` when it is not the stated one, `STORAGE_FAILED`
 */
export async function unpackNar(
  source: AsyncIterable<Uint8Array>,
  compression: string,
  { digest, narSize }: StatedNar,
  path: string,
  onBytes: (bytes: number) => void,
): Promise<void> {
  const hash = createHash("sha256");
  const file = onDisk(path, () => openSync(path, "w", 0o600));
  let size = 0;
  try {
    for await (const piece of decompressed(source, compression)) {
      size += piece.length;
      if (size > narSize) throw mismatch(`the NAR has more than the ${narSize} bytes stated`);
      hash.update(piece);
      for (let at = 0; at < piece.length; ) at += onDisk(path, () => writeSync(file, piece, at));
      onBytes(size);
    }
  } catch (error) {
    throw asMismatch(error);
  } finally {
    closeSync(file);
  }
  if (size !== narSize) throw mismatch(`the NAR has ${size} bytes, stated are ${narSize}`);
  const found = hash.digest();
  if (!found.equals(digest)) {
    throw mismatch(`the NAR's hash is sha256:${encodeNix32(found)}, stated is sha256:${encodeNix32(digest)}`);
  }
}

function onDisk<T>(path: string, action: () => T): T {
  try {
    return action();
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    throw new TrustixError("STORAGE_FAILED", `${path} cannot be written (${code})`, {
      hint: "Check the disk of the state directory: it may be full or failing.",
      cause,
    });
  }
}
