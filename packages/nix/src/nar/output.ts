/**
 * The token writer below both NAR writers (of abstract trees and of directories on disk): it packs small tokens into
 * large buffers, and lends its free space so that file contents can be read in place. Runs in browsers.
 */

import { concatBytes, encodeUtf8 } from "../encoding.ts";

/** A NAR string: length, bytes, zero padding. */
function token(text: string): Uint8Array {
  const bytes = new Uint8Array(8 + text.length + (-text.length & 7));
  bytes[0] = text.length;
  bytes.set(encodeUtf8(text), 8);
  return bytes;
}

function tokens(...texts: readonly string[]): Uint8Array {
  return concatBytes(...texts.map(token));
}

/** The fixed runs of tokens between names, targets and contents. */
export const TOKENS = {
  /** Start of the archive, up to the root's type. */
  root: /* @__PURE__ */ tokens("nix-archive-1", "(", "type"),
  /** Before a regular file's size. */
  regular: /* @__PURE__ */ tokens("regular", "contents"),
  /** Before an executable file's size. */
  executable: /* @__PURE__ */ tokens("regular", "executable", "", "contents"),
  /** Before a link's target. */
  symlink: /* @__PURE__ */ tokens("symlink", "target"),
  /** Before a directory's entries. */
  directory: /* @__PURE__ */ tokens("directory"),
  /** Before an entry's name. */
  entry: /* @__PURE__ */ tokens("entry", "(", "name"),
  /** Between an entry's name and its node's type. */
  node: /* @__PURE__ */ tokens("node", "(", "type"),
  /** After the root node. */
  close: /* @__PURE__ */ token(")"),
  /** After the node of an entry. */
  closeEntry: /* @__PURE__ */ tokens(")", ")"),
} as const;

/** More than the longest of `TOKENS`, a length field and a padding together. */
const SMALL = 256;

/** See the head of this file. Filled buffers collect in `full` until `take`. */
export class NarOutput {
  readonly #allocate: () => Uint8Array;
  #full: Uint8Array[] = [];
  #buffer: Uint8Array;
  #used = 0;

  /** @param allocate gives a buffer of at least 4 KiB, all bytes of which are overwritten before they are handed on */
  constructor(allocate: () => Uint8Array) {
    this.#allocate = allocate;
    this.#buffer = allocate();
  }

  /** The filled buffers, in order; each is given once and belongs to the caller. */
  take(): readonly Uint8Array[] {
    if (this.#full.length === 0) return [];
    const full = this.#full;
    this.#full = [];
    return full;
  }

  /** Closes the buffer in work, so that `take` gives all that was written. */
  flush(): void {
    if (this.#used > 0) this.#rotate();
  }

  /** One of `TOKENS`. */
  fixed(run: Uint8Array): void {
    this.#reserve(SMALL);
    this.#buffer.set(run, this.#used);
    this.#used += run.length;
  }

  /** A length field; it must be followed by as many bytes and `pad`. */
  length(length: number): void {
    this.#reserve(SMALL);
    const buffer = this.#buffer;
    const at = this.#used;
    const high = Math.floor(length / 0x1_0000_0000);
    buffer[at] = length;
    buffer[at + 1] = length >>> 8;
    buffer[at + 2] = length >>> 16;
    buffer[at + 3] = length >>> 24;
    buffer[at + 4] = high;
    buffer[at + 5] = high >>> 8;
    buffer[at + 6] = high >>> 16;
    buffer[at + 7] = 0;
    this.#used += 8;
  }

  /** The zeros after a string of this length. */
  pad(length: number): void {
    this.#reserve(SMALL);
    const end = this.#used + ((8 - (length % 8)) % 8);
    this.#buffer.fill(0, this.#used, end);
    this.#used = end;
  }

  /** A whole string. */
  string(bytes: Uint8Array): void {
    this.length(bytes.length);
    this.bytes(bytes);
    this.pad(bytes.length);
  }

  /** Raw bytes, copied. */
  bytes(bytes: Uint8Array): void {
    let done = 0;
    while (done < bytes.length) {
      const space = this.space();
      const taken = Math.min(space.length, bytes.length - done);
      space.set(done === 0 && taken === bytes.length ? bytes : bytes.subarray(done, done + taken));
      this.advance(taken);
      done += taken;
    }
  }

  /** Free space, never empty, to write raw bytes into; `advance` says how many were. */
  space(): Uint8Array {
    this.#reserve(1);
    return this.#buffer.subarray(this.#used);
  }

  /** Takes the first bytes of the last `space` as written. */
  advance(length: number): void {
    this.#used += length;
  }

  #reserve(length: number): void {
    if (this.#buffer.length - this.#used < length) this.#rotate();
  }

  #rotate(): void {
    this.#full.push(this.#buffer.subarray(0, this.#used));
    this.#buffer = this.#allocate();
    this.#used = 0;
  }
}
