/**
 * Paths as bytes. A Unix path is bytes, not text, and Node's string paths would change those that are not UTF-8. Here a
 * path is a "byte string": one UTF-16 code unit (0..255) for each byte. Such strings are cheap to join, and `<` orders
 * them bytewise, as NAR wants.
 */

import { NixError } from "../errors.ts";

/** A path given by a caller: text (its UTF-8 bytes are meant) or the bytes themselves. */
export type FsPath = string | Uint8Array;

declare const byteStringBrand: unique symbol;

/** See the head of this file. */
export type ByteString = string & { readonly [byteStringBrand]: true };

/**
 * The byte string of a caller's path.
 * @throws NixError `NAR_IO` when it is empty or has a NUL; `NAR_PLATFORM` on Windows
 */
export function bytePath(path: FsPath): ByteString {
  if (process.platform === "win32") {
    throw new NixError(
      "NAR_PLATFORM",
      "directory trees of archives need a Unix file system; Windows is not supported",
    );
  }
  if (path.length === 0) throw new NixError("NAR_IO", "the path is empty");
  const bytes =
    typeof path === "string" ? Buffer.from(path) : Buffer.from(path.buffer, path.byteOffset, path.length);
  if (bytes.includes(0)) throw new NixError("NAR_IO", "the path has a NUL byte");
  return bytes.toString("latin1") as ByteString;
}

/** The byte string of a name. */
export function byteName(name: Uint8Array): ByteString {
  return Buffer.from(name.buffer, name.byteOffset, name.length).toString("latin1") as ByteString;
}

/** The path of an entry in a directory. */
export function joinName(directory: ByteString, name: ByteString): ByteString {
  return `${directory}/${name}` as ByteString;
}

const ASCII = /^[\0-\x7f]*$/;

/** What to give to `node:fs`: ASCII as it is, which is fastest; anything else as its bytes. */
export function toNode(path: ByteString): string | Buffer {
  return ASCII.test(path) ? path : Buffer.from(path, "latin1");
}

/** A path for an error message. */
export function showPath(path: ByteString): string {
  return JSON.stringify(Buffer.from(path, "latin1").toString());
}

/** An error of the operating system, told with the path it is about. */
export function ioError(doing: string, path: ByteString, cause: unknown): NixError {
  const reason = cause instanceof Error && "code" in cause ? String(cause.code) : String(cause);
  return new NixError("NAR_IO", `cannot ${doing} ${showPath(path)}: ${reason}`, { cause });
}
