/**
 * NAR writer for a file, symlink or directory on disk. The bytes are those of `nix-store --dump`.
 *
 * One open-fstat-read-close for each file. Small files are read with synchronous calls straight into
 * the output buffer (a thread-pool round trip costs more than the read itself); the event loop gets a turn after every
 * buffer. Nothing here follows a symlink except those in the directory part of the path that the caller gave.
 */

import {
  closeSync,
  constants,
  fstatSync,
  lstatSync,
  openSync,
  readdirSync,
  readlinkSync,
  readSync,
  type Stats,
} from "node:fs";
import { setImmediate } from "node:timers/promises";
import { NixError } from "../errors.ts";
import { defaultNarLimits } from "../nar/format.ts";
import { NarOutput, TOKENS } from "../nar/output.ts";
import { type ByteString, bytePath, type FsPath, ioError, joinName, showPath, toNode } from "./byte-path.ts";

const CHUNK_BYTES = 256 * 1024;

/** Not a fifo that blocks, not a symlink put in the place of a file since its lstat. */
const OPEN_FLAGS = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;

interface OpenDirectory {
  readonly path: ByteString;
  /** Entries in archive order. */
  readonly entries: readonly Entry[];
  next: number;
}

/** A name and what has it. A `Dirent` is one. */
interface Entry {
  readonly name: string;
  isFile(): boolean;
  isDirectory(): boolean;
  isSymbolicLink(): boolean;
}

/**
 * The archive of what is at a path, as chunks of up to 256 KiB that belong to the caller.
 * @throws NixError `NAR_IO` (with the operating system's error as `cause`), `NAR_FILE_TYPE` (a socket, device or fifo),
 * `NAR_FILE_CHANGED` (a file changed its size or type while it was read), `NAR_LIMIT` (deeper than 2048 directories),
 * `NAR_PLATFORM`
 */
export async function* dumpPath(path: FsPath): AsyncGenerator<Uint8Array, void, undefined> {
  for (const chunk of dumpChunks(path, () => Buffer.allocUnsafeSlow(CHUNK_BYTES))) {
    yield chunk;
    await setImmediate();
  }
}

/**
 * Writes the archive of what is at a path to a sink, through one buffer that is used again and again: faster than
 * `dumpPath` where the sink is done with a chunk when its promise resolves.
 * @param write takes each chunk; the chunk's bytes are only valid until the promise it returns resolves
 * @returns the size of the archive in bytes
 * @throws NixError as `dumpPath`; whatever `write` throws
 */
export async function dumpPathTo(
  path: FsPath,
  write: (chunk: Uint8Array) => void | Promise<void>,
): Promise<number> {
  let sizeBytes = 0;
  // Two buffers: the writer asks for the next before it hands on the one that is full.
  const buffers = [Buffer.allocUnsafeSlow(CHUNK_BYTES), Buffer.allocUnsafeSlow(CHUNK_BYTES)] as const;
  let turn = 0;
  for (const chunk of dumpChunks(path, () => buffers[turn++ & 1]!)) {
    sizeBytes += chunk.length;
    await write(chunk);
    await setImmediate();
  }
  return sizeBytes;
}

function* dumpChunks(from: FsPath, allocate: () => Uint8Array): Generator<Uint8Array, void, undefined> {
  const output = new NarOutput(allocate);
  const open: OpenDirectory[] = [];
  let path = bytePath(from);
  let entry: Omit<Entry, "name"> | undefined = lstat(path);
  output.fixed(TOKENS.root);
  while (entry !== undefined) {
    if (entry.isDirectory()) {
      if (open.length >= defaultNarLimits.maxDepth) {
        throw new NixError(
          "NAR_LIMIT",
          `more than ${defaultNarLimits.maxDepth} nested directories at ${showPath(path)}`,
        );
      }
      output.fixed(TOKENS.directory);
      open.push({ path, entries: readEntries(path), next: 0 });
    } else {
      if (entry.isFile()) yield* dumpFile(output, path);
      else if (entry.isSymbolicLink()) {
        output.fixed(TOKENS.symlink);
        output.string(attempt("read the link", path, () => readlinkSync(toNode(path), "buffer")));
      } else throw wrongType(path);
      output.fixed(open.length === 0 ? TOKENS.close : TOKENS.closeEntry);
    }
    entry = undefined;
    while (entry === undefined && open.length > 0) {
      const directory = open.at(-1)!;
      const next = directory.entries[directory.next++];
      if (next === undefined) {
        open.pop();
        output.fixed(open.length === 0 ? TOKENS.close : TOKENS.closeEntry);
      } else {
        output.fixed(TOKENS.entry);
        output.string(Buffer.from(next.name, "latin1"));
        output.fixed(TOKENS.node);
        path = joinName(directory.path, next.name as ByteString);
        entry = next;
      }
    }
    yield* output.take();
  }
  output.flush();
  yield* output.take();
}

function lstat(path: ByteString): Stats {
  return attempt("look at", path, () => lstatSync(toNode(path)));
}

/** The entries of a directory in archive order: `<` on byte strings is bytewise. */
function readEntries(path: ByteString): readonly Entry[] {
  return listEntries(path).sort((a, b) => (a.name < b.name ? -1 : 1));
}

function listEntries(path: ByteString): Entry[] {
  const node = toNode(path);
  try {
    return readdirSync(node, { withFileTypes: true, encoding: "latin1" });
  } catch {
    // On file systems that give no types with names, Node asks for each type, by a name it takes for UTF-8.
    return attempt("list", path, () => readdirSync(node, "latin1")).map((name) =>
      Object.assign(lstat(joinName(path, name as ByteString)), { name }),
    );
  }
}

function* dumpFile(output: NarOutput, path: ByteString): Generator<Uint8Array, void, undefined> {
  const fd = attempt("open", path, () => openSync(toNode(path), OPEN_FLAGS));
  try {
    const stats = attempt("look at", path, () => fstatSync(fd));
    if (!stats.isFile()) throw wrongType(path);
    const { size } = stats;
    output.fixed((stats.mode & constants.S_IXUSR) === 0 ? TOKENS.regular : TOKENS.executable);
    output.length(size);
    let done = 0;
    // Each read asks for one byte more than there should be: a file that grew shows without another call.
    while (true) {
      const space = output.space();
      yield* output.take();
      const read = attempt("read", path, () =>
        readSync(fd, space, 0, Math.min(space.length, size - done + 1), null),
      );
      done += read;
      if (done > size || (read === 0 && done < size)) {
        const now = fstatSync(fd).size;
        throw new NixError(
          "NAR_FILE_CHANGED",
          `${showPath(path)} changed while it was read (from ${size} to ${now} bytes): try again when it is at rest`,
        );
      }
      output.advance(read);
      if (done === size && read < space.length) break;
    }
    output.pad(size);
  } finally {
    closeSync(fd);
  }
}

function wrongType(path: ByteString): NixError {
  return new NixError(
    "NAR_FILE_TYPE",
    `${showPath(path)} is no regular file, directory or symlink: an archive cannot hold it`,
  );
}

function attempt<Result>(doing: string, path: ByteString, call: () => Result): Result {
  try {
    return call();
  } catch (cause) {
    throw ioError(doing, path, cause);
  }
}
