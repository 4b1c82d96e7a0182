/**
 * Streaming NAR parser: a synchronous push parser that checks every byte and never holds the contents of a file.
 * Memory: one token (at most a name or a link target) and, for each open directory, the last name seen in it.
 * Chunks may be cut anywhere. Runs in browsers.
 */

import { NixError } from "../errors.ts";
import {
  checkNarName,
  checkNarTarget,
  compareNarNames,
  defaultNarLimits,
  type NarLimits,
  showBytes,
} from "./format.ts";
import {
  CLOSE,
  CONTENTS,
  DIRECTORY,
  EMPTY,
  ENTRY,
  EXECUTABLE,
  expectedIn,
  MAGIC,
  MAX_KEYWORD_BYTES,
  NAME,
  NODE,
  OPEN,
  REGULAR,
  State,
  SYMLINK,
  TARGET,
  TYPE,
} from "./grammar.ts";

/** A regular file as its header in the archive describes it. */
export interface NarFile {
  /** True when the file's owner may execute it. */
  readonly executable: boolean;
  /** Length of the contents. */
  readonly sizeBytes: number;
  /** Where in the archive the contents begin (`narOffset` of a listing). */
  readonly narOffset: number;
}

/**
 * Receives the nodes of an archive in archive order. `name` is undefined for the root only; names and targets are the
 * handler's to keep. A handler may throw: the parser then stops for good and `write` throws the same error.
 */
export interface NarHandler {
  /** A directory begins; what follows is inside it until `closeDirectory`. */
  openDirectory(name: Uint8Array | undefined): void;
  /** The innermost open directory ends. */
  closeDirectory(): void;
  /** A regular file begins; `contents` follows until all of `sizeBytes` has been given, then `closeFile`. */
  openFile(name: Uint8Array | undefined, file: NarFile): void;
  /** The next bytes of the open file: a view of the chunk that was written, never empty. Copy it to keep it. */
  contents(chunk: Uint8Array): void;
  /** All contents of the open file were given. */
  closeFile(): void;
  /** A symbolic link. Its target is any bytes without NUL: it may point anywhere. */
  symlink(name: Uint8Array | undefined, target: Uint8Array): void;
}

/** Bytes that a string of this length takes after its length field. */
function padded(length: number): number {
  return length + (-length & 7);
}

/** See the head of this file. Use: `write` every chunk in order, then `end`. */
export class NarParser {
  readonly #handler: NarHandler;
  readonly #limits: Required<NarLimits>;
  /** Last name seen in each open directory; the root's name is undefined. */
  readonly #lastNames: (Uint8Array | undefined)[] = [];
  #state: State = State.magic;
  #failure: { readonly error: unknown } | undefined;
  /** Archive offset of the first byte of the chunk in work. */
  #chunkOffset = 0;
  /** A token that chunks cut: its first bytes, and where it began. */
  readonly #carry: Uint8Array;
  #carried = 0;
  #carryOffset = 0;
  /** Name and executable bit of the node in work. */
  #name: Uint8Array | undefined;
  #executable = false;
  /** Contents, then padding, still to come. */
  #remaining = 0;
  #padding = 0;

  constructor(handler: NarHandler, limits?: NarLimits) {
    this.#handler = handler;
    this.#limits = { ...defaultNarLimits, ...limits };
    const longest = Math.max(MAX_KEYWORD_BYTES, this.#limits.maxNameBytes, this.#limits.maxTargetBytes);
    this.#carry = new Uint8Array(8 + padded(longest));
  }

  /** Bytes written so far; after `end`, the NAR size. */
  get sizeBytes(): number {
    return this.#chunkOffset;
  }

  /** True when the archive is complete: any further byte is an error. */
  get complete(): boolean {
    return this.#state === State.end;
  }

  /**
   * Parses the next bytes and calls the handler for all that they complete. The chunk is not kept.
   * @throws NixError `NAR_TOKEN_INVALID`, `NAR_PADDING_INVALID`, `NAR_NAME_INVALID`, `NAR_ORDER_INVALID`,
   * `NAR_TARGET_INVALID`, `NAR_LIMIT`, `NAR_TRAILING`; after any error, the same error again
   */
  write(chunk: Uint8Array): void {
    if (this.#failure !== undefined) throw this.#failure.error;
    try {
      if (this.#chunkOffset + chunk.length > this.#limits.maxNarBytes) {
        throw new NixError(
          "NAR_LIMIT",
          `archive is longer than the allowed ${this.#limits.maxNarBytes} bytes`,
        );
      }
      this.#consume(chunk);
      this.#chunkOffset += chunk.length;
    } catch (error) {
      this.#failure = { error };
      throw error;
    }
  }

  /**
   * Says that no more bytes come.
   * @throws NixError `NAR_TRUNCATED` when the archive is not complete; the error of `write` if there was one
   */
  end(): void {
    if (this.#failure !== undefined) throw this.#failure.error;
    if (!this.complete) {
      throw new NixError("NAR_TRUNCATED", `archive ends in the middle, after ${this.#chunkOffset} bytes`);
    }
  }

  #consume(chunk: Uint8Array): void {
    let position = 0;
    while (position < chunk.length) {
      switch (this.#state) {
        case State.contents: {
          const taken = Math.min(this.#remaining, chunk.length - position);
          this.#remaining -= taken;
          this.#handler.contents(chunk.subarray(position, position + taken));
          position += taken;
          if (this.#remaining === 0) this.#endContents();
          break;
        }
        case State.padding:
          if (chunk[position] !== 0) throw this.#badPadding(this.#chunkOffset + position);
          position++;
          if (--this.#padding === 0) this.#state = State.close;
          break;
        case State.end:
          throw new NixError(
            "NAR_TRAILING",
            `bytes after the end of the archive at offset ${this.#chunkOffset + position}`,
          );
        default:
          position = this.#carried === 0 ? this.#whole(chunk, position) : this.#pieces(chunk, position);
      }
    }
  }

  /** A token at `position` of the chunk: taken in place, or carried over when the chunk ends within it. */
  #whole(chunk: Uint8Array, position: number): number {
    const left = chunk.length - position;
    const offset = this.#chunkOffset + position;
    if (left >= 8) {
      const end = position + this.#tokenBytes(chunk, position, offset);
      if (end <= chunk.length) {
        this.#token(chunk, position, end, offset);
        return end;
      }
    }
    this.#carry.set(chunk.subarray(position));
    this.#carried = left;
    this.#carryOffset = offset;
    return chunk.length;
  }

  /** More bytes of a token that an earlier chunk began. */
  #pieces(chunk: Uint8Array, start: number): number {
    const carry = this.#carry;
    let position = start;
    const fill = (until: number): boolean => {
      const taken = Math.min(until - this.#carried, chunk.length - position);
      carry.set(chunk.subarray(position, position + taken), this.#carried);
      this.#carried += taken;
      position += taken;
      return this.#carried >= until;
    };
    if (fill(Math.max(8, this.#carried))) {
      const length = this.#tokenBytes(carry, 0, this.#carryOffset);
      if (fill(length)) {
        this.#carried = 0;
        this.#token(carry, 0, length, this.#carryOffset);
      }
    }
    return position;
  }

  /** Length of the whole token that begins here, from its length field, held against what may stand here. */
  #tokenBytes(bytes: Uint8Array, at: number, offset: number): number {
    if (this.#state === State.size) return 8;
    const length = readU64(bytes, at);
    if (this.#state === State.name) this.#checkLength("name", length, this.#limits.maxNameBytes, offset);
    else if (this.#state === State.target) {
      this.#checkLength("symlink target", length, this.#limits.maxTargetBytes, offset);
    } else if (length > MAX_KEYWORD_BYTES) {
      throw new NixError("NAR_TOKEN_INVALID", `expected ${expectedIn(this.#state)} at offset ${offset}`);
    }
    return 8 + padded(length);
  }

  #checkLength(what: string, length: number, most: number, offset: number): void {
    if (length <= most) return;
    throw new NixError(
      "NAR_LIMIT",
      `${what} of ${length} bytes at offset ${offset}, at most ${most} are allowed`,
    );
  }

  /** One whole token, padding included, in `bytes[start..end)`. */
  #token(bytes: Uint8Array, start: number, end: number, offset: number): void {
    if (this.#state === State.size) {
      this.#openFile(readU64(bytes, start), offset);
      return;
    }
    const from = start + 8;
    const length = readU64(bytes, start);
    for (let i = from + length; i < end; i++) if (bytes[i] !== 0) throw this.#badPadding(offset + i - start);
    const is = (keyword: Uint8Array): boolean => {
      if (length !== keyword.length) return false;
      for (let i = 0; i < length; i++) if (bytes[from + i] !== keyword[i]) return false;
      return true;
    };
    const state = this.#state;
    let next: State | undefined;
    switch (state) {
      case State.magic:
        if (is(MAGIC)) next = State.open;
        break;
      case State.open:
        if (is(OPEN)) next = State.type;
        break;
      case State.type:
        if (is(TYPE)) next = State.kind;
        break;
      case State.kind:
        if (is(REGULAR)) next = State.fileField;
        else if (is(DIRECTORY)) {
          this.#openDirectory(offset);
          next = State.entryOrClose;
        } else if (is(SYMLINK)) next = State.targetKey;
        break;
      case State.fileField:
        if (is(CONTENTS)) {
          this.#executable = false;
          next = State.size;
        } else if (is(EXECUTABLE)) {
          this.#executable = true;
          next = State.executableValue;
        }
        break;
      case State.executableValue:
        if (is(EMPTY)) next = State.contentsKey;
        break;
      case State.contentsKey:
        if (is(CONTENTS)) next = State.size;
        break;
      case State.targetKey:
        if (is(TARGET)) next = State.target;
        break;
      case State.target: {
        const target = copyOf(bytes, from, length);
        checkNarTarget(target, this.#limits.maxTargetBytes, ` at offset ${offset}`);
        this.#handler.symlink(this.#name, target);
        next = State.close;
        break;
      }
      case State.close:
        if (is(CLOSE)) next = this.#afterNode();
        break;
      case State.entryOrClose:
        if (is(ENTRY)) next = State.entryOpen;
        else if (is(CLOSE)) {
          this.#lastNames.pop();
          this.#handler.closeDirectory();
          next = this.#afterNode();
        }
        break;
      case State.entryOpen:
        if (is(OPEN)) next = State.nameKey;
        break;
      case State.nameKey:
        if (is(NAME)) next = State.name;
        break;
      case State.name:
        this.#takeName(copyOf(bytes, from, length), offset);
        next = State.nodeKey;
        break;
      case State.nodeKey:
        if (is(NODE)) next = State.open;
        break;
      case State.entryClose:
        if (is(CLOSE)) next = State.entryOrClose;
        break;
      case State.contents:
      case State.padding:
      case State.end:
        break;
      default:
        state satisfies never;
    }
    if (next === undefined) {
      const found = showBytes(bytes.subarray(from, from + length));
      throw new NixError(
        "NAR_TOKEN_INVALID",
        `expected ${expectedIn(this.#state)}, found ${found} at offset ${offset}`,
      );
    }
    this.#state = next;
  }

  #takeName(name: Uint8Array, offset: number): void {
    checkNarName(name, this.#limits.maxNameBytes, ` at offset ${offset}`);
    const directory = this.#lastNames.length - 1;
    const last = this.#lastNames[directory];
    if (last !== undefined && compareNarNames(last, name) >= 0) {
      throw new NixError(
        "NAR_ORDER_INVALID",
        `name ${showBytes(name)} at offset ${offset} does not sort after the one before it, ${showBytes(last)}`,
      );
    }
    this.#lastNames[directory] = name;
    this.#name = name;
  }

  #openDirectory(offset: number): void {
    if (this.#lastNames.length >= this.#limits.maxDepth) {
      throw new NixError(
        "NAR_LIMIT",
        `more than ${this.#limits.maxDepth} nested directories at offset ${offset}`,
      );
    }
    this.#handler.openDirectory(this.#name);
    this.#lastNames.push(undefined);
  }

  #openFile(sizeBytes: number, offset: number): void {
    const narOffset = offset + 8;
    if (sizeBytes > this.#limits.maxNarBytes - narOffset) {
      throw new NixError(
        "NAR_LIMIT",
        `file of ${sizeBytes} bytes at offset ${offset} takes the archive past ${this.#limits.maxNarBytes} bytes`,
      );
    }
    this.#remaining = sizeBytes;
    // Not `& 7` of the size itself: that would cut sizes past 2^31.
    this.#padding = (8 - (sizeBytes % 8)) % 8;
    this.#state = State.contents;
    this.#handler.openFile(this.#name, { executable: this.#executable, sizeBytes, narOffset });
    if (sizeBytes === 0) this.#endContents();
  }

  #endContents(): void {
    this.#state = this.#padding === 0 ? State.close : State.padding;
    this.#handler.closeFile();
  }

  #afterNode(): State {
    return this.#lastNames.length === 0 ? State.end : State.entryClose;
  }

  #badPadding(offset: number): NixError {
    return new NixError("NAR_PADDING_INVALID", `padding at offset ${offset} is not zero`);
  }
}

/** Little-endian u64 as a number. Past 2^53 it is inexact but still too large for every limit it is held against. */
function readU64(bytes: Uint8Array, at: number): number {
  const low = (bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24)) >>> 0;
  const high =
    (bytes[at + 4]! | (bytes[at + 5]! << 8) | (bytes[at + 6]! << 16) | (bytes[at + 7]! << 24)) >>> 0;
  return high * 0x1_0000_0000 + low;
}

/** A copy. Not `slice`: on a Node Buffer that is a view, and chunks may be overwritten after `write`. */
function copyOf(bytes: Uint8Array, from: number, length: number): Uint8Array {
  return new Uint8Array(bytes.subarray(from, from + length));
}
