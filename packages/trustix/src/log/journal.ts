// The write-ahead journal of one log: entries that were acknowledged and are not yet in a published checkpoint.
//
// A journal is a directory of numbered segments. A segment is a header and frames; a frame is what one `append` wrote, and
// its entries are acknowledged only after the frame was synced. Integers are big-endian.
//
//     segment   "TRXJRNL1" | log id [32] | salt [8] | first index u64 | durable bytes u64 | crc32 of all before
//     frame     salt [8] | body length u32 | entries u32 | first index u64 | crc32 of all before and the body | body
//     body      (length u16 | entry)*
//
// The order of the entries here is their order in the log. A later segment replaces whatever earlier ones hold at and
// after its first index. Two rules follow from what a failed write or sync may leave behind: a segment that failed once is
// never written again, and a journal that was found at start is first copied into a new segment, because data that reads
// well may exist in the page cache only.
//
// Only the last frame of a segment can be torn, because the next is written after its sync; it was never acknowledged, and
// is cut. Damage before that is damage to acknowledged entries and refused. Frames start with the segment's random salt,
// so that no submitted entry can look like one.

import { randomBytes } from "node:crypto";
import { dirname, join } from "node:path";
import { crc32 } from "node:zlib";
import { TrustixError } from "../errors.ts";
import { writeFully } from "../store/durable-files.ts";
import type { FileSystem, WritableFile } from "../store/file-system.ts";

const MAGIC = Buffer.from("TRXJRNL1");
const SEGMENT_HEADER = 68;
const FRAME_HEADER = 28;
/** A frame's body stays below this when entries are copied into a new segment. */
const COPY_BODY_BYTES = 4 << 20;
/** Far more than the bound on pending entries lets a segment become. */
const MAX_SEGMENT_BYTES = 1 << 30;

/** How a journal is kept. */
export interface JournalOptions {
  /** The journal's own directory; its parent must exist. */
  readonly directory: string;
  /** 32 bytes that name the log, so that the journal of another one is never replayed into it. */
  readonly logId: Uint8Array;
  /** A segment that has grown beyond this is followed by a new one. Default 8 MiB. */
  readonly segmentBytes?: number;
}

interface Segment {
  readonly path: string;
  /** Index after its last entry. */
  end: number;
}

interface ActiveSegment extends Segment {
  readonly file: WritableFile;
  readonly salt: Uint8Array;
  length: number;
}

interface ParsedSegment {
  readonly firstIndex: number;
  readonly entries: Uint8Array[];
}

function corrupt(path: string, what: string): TrustixError {
  return new TrustixError("STATE_CORRUPT", `${path}: ${what}`, {
    hint: "Entries that were acknowledged may be lost: check the disk, and restore the newest copy of the state directory.",
  });
}

function encodeFrame(salt: Uint8Array, firstIndex: number, entries: readonly Uint8Array[]): Buffer {
  const body = entries.reduce((sum, entry) => sum + 2 + entry.length, 0);
  const frame = Buffer.allocUnsafe(FRAME_HEADER + body);
  frame.set(salt, 0);
  frame.writeUInt32BE(body, 8);
  frame.writeUInt32BE(entries.length, 12);
  frame.writeBigUInt64BE(BigInt(firstIndex), 16);
  let offset = FRAME_HEADER;
  for (const entry of entries) {
    offset = frame.writeUInt16BE(entry.length, offset);
    frame.set(entry, offset);
    offset += entry.length;
  }
  frame.writeUInt32BE(crc32(frame.subarray(FRAME_HEADER), crc32(frame.subarray(0, 24))), 24);
  return frame;
}

/** The frame at an offset, or `undefined` when there is no whole and undamaged one. Its entries are views. */
function parseFrame(
  bytes: Buffer,
  offset: number,
  salt: Uint8Array,
): { readonly firstIndex: number; readonly entries: Uint8Array[]; readonly end: number } | undefined {
  if (offset + FRAME_HEADER > bytes.length || bytes.compare(salt, 0, 8, offset, offset + 8) !== 0)
    return undefined;
  const start = offset + FRAME_HEADER;
  const end = start + bytes.readUInt32BE(offset + 8);
  if (end > bytes.length) return undefined;
  const checksum = crc32(bytes.subarray(start, end), crc32(bytes.subarray(offset, offset + 24)));
  if (checksum !== bytes.readUInt32BE(offset + 24)) return undefined;
  const entries: Uint8Array[] = [];
  for (let at = start; at < end; ) {
    const next = at + 2 + bytes.readUInt16BE(at);
    entries.push(bytes.subarray(at + 2, next));
    at = next;
  }
  return { firstIndex: Number(bytes.readBigUInt64BE(offset + 16)), entries, end };
}

function encodeSegmentHeader(
  logId: Uint8Array,
  salt: Uint8Array,
  firstIndex: number,
  durable: number,
): Buffer {
  const header = Buffer.alloc(SEGMENT_HEADER);
  header.set(MAGIC, 0);
  header.set(logId, 8);
  header.set(salt, 40);
  header.writeBigUInt64BE(BigInt(firstIndex), 48);
  header.writeBigUInt64BE(BigInt(durable), 56);
  header.writeUInt32BE(crc32(header.subarray(0, 64)), 64);
  return header;
}

function parseSegment(path: string, bytes: Buffer, logId: Uint8Array): ParsedSegment {
  if (bytes.length < SEGMENT_HEADER || bytes.compare(MAGIC, 0, 8, 0, 8) !== 0)
    throw corrupt(path, "no journal header");
  if (bytes.readUInt32BE(64) !== crc32(bytes.subarray(0, 64))) throw corrupt(path, "the header is damaged");
  if (bytes.compare(logId, 0, 32, 8, 40) !== 0) {
    throw new TrustixError("LOG_MISMATCH", `${path} is the journal of another log`, {
      hint: "Each log needs its own directory; its origin and key cannot be changed.",
    });
  }
  const salt = bytes.subarray(40, 48);
  const firstIndex = Number(bytes.readBigUInt64BE(48));
  const durable = Number(bytes.readBigUInt64BE(56));
  const entries: Uint8Array[] = [];
  let offset = SEGMENT_HEADER;
  while (offset < bytes.length) {
    const frame = parseFrame(bytes, offset, salt);
    if (frame?.firstIndex !== firstIndex + entries.length) break;
    for (const entry of frame.entries) entries.push(entry);
    offset = frame.end;
  }
  if (offset < durable) throw corrupt(path, `damaged at byte ${offset}`);
  for (let at = bytes.indexOf(salt, offset); at >= 0; at = bytes.indexOf(salt, at + 1)) {
    if (parseFrame(bytes, at, salt)) throw corrupt(path, `damaged at byte ${offset}, before more entries`);
  }
  return { firstIndex, entries };
}

/** The journal of one log. One `append` at a time; everything else may be called while it runs. */
export class Journal implements AsyncDisposable {
  readonly #fs: FileSystem;
  readonly #directory: string;
  readonly #logId: Uint8Array;
  readonly #segmentBytes: number;
  /** Index of the first entry kept here: the log's size as of the last trim. */
  #start: number;
  /** Entries from `#start`. */
  #entries: Uint8Array[];
  /** How many of them, counted from `#start`, may be signed for. */
  #durableCount = 0;
  /** Older segments, to be removed when nothing in them is needed. */
  #old: Segment[];
  #nextSequence: number;
  /** The segment being appended to; `undefined` after a failure, and at first. */
  #active: ActiveSegment | undefined;

  private constructor(
    fs: FileSystem,
    options: JournalOptions,
    start: number,
    entries: Uint8Array[],
    old: Segment[],
    nextSequence: number,
  ) {
    this.#fs = fs;
    this.#directory = options.directory;
    this.#logId = options.logId;
    this.#segmentBytes = options.segmentBytes ?? 8 << 20;
    this.#start = start;
    this.#entries = entries;
    this.#old = old;
    this.#nextSequence = nextSequence;
  }

  /**
   * Reads what a stopped or crashed process left. What it finds counts as durable only after the next `append`, which may
   * be of no entries.
   *
   * @param size the log's size by its stored checkpoint: entries below it are not needed any more.
   *
   * Throws `STATE_CORRUPT` when acknowledged entries are damaged, `STATE_ROLLED_BACK` when the journal continues a longer
   * log than that checkpoint, `LOG_MISMATCH` when it is another log's, and the system's errors.
   */
  static async open(fs: FileSystem, options: JournalOptions, size: number): Promise<Journal> {
    await fs.makeDirectory(options.directory);
    await fs.syncDirectory(dirname(options.directory));
    const names = (await fs.list(options.directory)).sort();
    let first = size;
    let entries: Uint8Array[] = [];
    const old: Segment[] = [];
    let nextSequence = 0;
    for (const name of names) {
      const path = join(options.directory, name);
      if (!/^\d{16}$/.test(name)) {
        await fs.removeFile(path);
        continue;
      }
      nextSequence = Number(name) + 1;
      const bytes = Buffer.from((await fs.readFile(path, MAX_SEGMENT_BYTES)) ?? []);
      const segment = parseSegment(path, bytes, options.logId);
      const kept = old.length === 0 ? 0 : segment.firstIndex - first;
      if (kept > entries.length && segment.firstIndex > size) {
        throw corrupt(
          path,
          `entries ${first + entries.length} to ${segment.firstIndex} are missing before it`,
        );
      }
      if (kept < 0 || kept > entries.length || old.length === 0) {
        first = segment.firstIndex;
        entries = segment.entries;
      } else {
        entries = entries.slice(0, kept).concat(segment.entries);
      }
      old.push({ path, end: first + entries.length });
    }
    if (first > size) {
      throw new TrustixError(
        "STATE_ROLLED_BACK",
        `${options.directory} continues a log of ${first} entries, but the stored checkpoint has only ${size}`,
        {
          hint: "Part of the state directory was restored from an older copy: restore all of it from the newest one.",
        },
      );
    }
    return new Journal(fs, options, size, entries.slice(size - first), old, nextSequence);
  }

  /** Index of the first entry that is here: the size of the log as of the last trim. */
  get firstIndex(): number {
    return this.#start;
  }

  /** Index that the next entry appended will have. */
  get nextIndex(): number {
    return this.#start + this.#entries.length;
  }

  /** The log may be signed up to this size: every entry below it is on stable storage, at this index for ever. */
  get durableSize(): number {
    return this.#start + this.#durableCount;
  }

  /** Entries from index `from` up to, not including, `to`. */
  entries(from: number, to: number): readonly Uint8Array[] {
    return this.#entries.slice(from - this.#start, to - this.#start);
  }

  /**
   * Writes entries behind the others; when it returns they are on stable storage. Each has 1 to 65,535 bytes.
   *
   * Throws the system's error; then none of these entries is in the journal, as far as this process is concerned. After a
   * crash they may be.
   */
  async append(entries: readonly Uint8Array[]): Promise<void> {
    const active = this.#active;
    if (active && active.length <= this.#segmentBytes) {
      if (entries.length === 0) return;
      const frame = encodeFrame(active.salt, this.nextIndex, entries);
      this.#active = undefined;
      try {
        await writeFully(active.file, frame);
        await active.file.sync();
      } catch (error) {
        await this.#retire(active);
        throw error;
      }
      active.length += frame.length;
      this.#active = active;
    } else if (active) {
      this.#active = undefined;
      await this.#retire(active);
      await this.#startSegment(this.nextIndex, entries);
    } else {
      await this.#startSegment(this.#start, [...this.#entries, ...entries]);
    }
    for (const entry of entries) this.#entries.push(entry);
    this.#durableCount = this.#entries.length;
    if (this.#active) this.#active.end = this.nextIndex;
  }

  /** Forgets entries below `size`, which are in the tiles and under a published checkpoint. */
  async trim(size: number): Promise<void> {
    const count = size - this.#start;
    this.#entries = this.#entries.slice(count);
    this.#durableCount -= count;
    this.#start = size;
    for (const segment of [...this.#old]) {
      if (segment.end > size) continue;
      // What cannot be removed now is tried again at the next trim; it does no harm.
      await this.#fs.removeFile(segment.path).then(
        () => this.#old.splice(this.#old.indexOf(segment), 1),
        () => {},
      );
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const active = this.#active;
    this.#active = undefined;
    if (active) await this.#retire(active);
  }

  async #retire(segment: ActiveSegment): Promise<void> {
    this.#old.push(segment);
    await segment.file.close().catch(() => {});
  }

  /** Opens a segment that holds the entries from `firstIndex` and replaces all older ones from there on. */
  async #startSegment(firstIndex: number, entries: readonly Uint8Array[]): Promise<void> {
    const salt = randomBytes(8);
    const frames: Buffer[] = [];
    let bytes = 0;
    let start = 0;
    for (let end = 1; end <= entries.length; end++) {
      bytes += 2 + entries[end - 1]!.length;
      if (end < entries.length && bytes < COPY_BODY_BYTES) continue;
      frames.push(encodeFrame(salt, firstIndex + start, entries.slice(start, end)));
      bytes = 0;
      start = end;
    }
    const length = frames.reduce((sum, frame) => sum + frame.length, SEGMENT_HEADER);
    const path = join(this.#directory, String(this.#nextSequence++).padStart(16, "0"));
    const file = await this.#fs.createFile(`${path}.tmp`);
    try {
      await writeFully(file, encodeSegmentHeader(this.#logId, salt, firstIndex, length));
      for (const frame of frames) await writeFully(file, frame);
      await file.sync();
      await this.#fs.rename(`${path}.tmp`, path);
      await this.#fs.syncDirectory(this.#directory);
    } catch (error) {
      await file.close().catch(() => {});
      await this.#fs.removeFile(`${path}.tmp`).catch(() => {});
      throw error;
    }
    this.#active = { path, file, salt, length, end: firstIndex + entries.length };
    // Entries at and after `firstIndex` are here now, so older segments are needed only for what comes before it.
    for (const segment of this.#old) segment.end = Math.min(segment.end, firstIndex);
  }
}
