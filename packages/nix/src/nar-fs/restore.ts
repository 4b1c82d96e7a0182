/**
 * Restores an archive to disk.
 *
 * Why nothing can get out of the target: names have no `/` and are not `.` or `..` (the parser saw to that); nodes nest,
 * so the parent of every node is a directory that was made here, by a `mkdir` that fails when anything, even a dangling
 * link, has that name; files are made with `O_EXCL`, which does the same. So a name that a file system takes for an
 * earlier one (`A` and `a`, two spellings of `é`) is an error and never a way through a link. What this cannot guard
 * against is another process that can write to the target while it is being restored.
 */

import { closeSync, constants, mkdirSync, openSync, rmSync, symlinkSync, writeSync } from "node:fs";
import { NixError } from "../errors.ts";
import type { ByteSource } from "../nar/events.ts";
import type { NarLimits } from "../nar/format.ts";
import { type NarFile, type NarHandler, NarParser } from "../nar/parser.ts";
import {
  type ByteString,
  byteName,
  bytePath,
  type FsPath,
  ioError,
  joinName,
  showPath,
  toNode,
} from "./byte-path.ts";

const CREATE_FLAGS = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW;

/**
 * Restores an archive to a path that does not exist yet, in a directory that does. Modes are those of `nix-store
 * --restore`: 0666, or 0777 for directories and executables, less the umask. Nothing is synced to the disk.
 *
 * On any error, what was made is removed again, so the target either is whole or does not exist. (If removing fails too,
 * the message says so.)
 * @param source the archive; read to its end and closed on an error
 * @returns the size of the archive in bytes
 * @throws NixError the codes of `NarParser`; `NAR_TARGET_EXISTS`; `NAR_NAME_COLLISION` (the file system takes two names of
 * one directory for the same); `NAR_IO` (with the operating system's error as `cause`); `NAR_PLATFORM`; whatever
 * `source` throws
 */
export async function restorePath(source: ByteSource, target: FsPath, limits?: NarLimits): Promise<number> {
  const restorer = new Restorer(bytePath(target));
  const parser = new NarParser(restorer, limits);
  try {
    for await (const chunk of source) parser.write(chunk);
    parser.end();
  } catch (error) {
    throw restorer.undo(error);
  }
  return parser.sizeBytes;
}

/** Makes what a parser reports. */
class Restorer implements NarHandler {
  readonly #target: ByteString;
  readonly #open: ByteString[] = [];
  /** The file in work. */
  #path: ByteString;
  #fd = -1;
  #made = false;

  constructor(target: ByteString) {
    this.#target = target;
    this.#path = target;
  }

  openDirectory(name: Uint8Array | undefined): void {
    const path = this.#pathOf(name);
    this.#make("make the directory", path, () => mkdirSync(toNode(path)));
    this.#open.push(path);
  }

  closeDirectory(): void {
    this.#open.pop();
  }

  openFile(name: Uint8Array | undefined, file: NarFile): void {
    const path = this.#pathOf(name);
    this.#make("make the file", path, () => {
      this.#fd = openSync(toNode(path), CREATE_FLAGS, file.executable ? 0o777 : 0o666);
    });
    this.#path = path;
  }

  contents(chunk: Uint8Array): void {
    try {
      let written = 0;
      while (written < chunk.length) written += writeSync(this.#fd, chunk, written);
    } catch (cause) {
      throw ioError("write to", this.#path, cause);
    }
  }

  closeFile(): void {
    const fd = this.#fd;
    this.#fd = -1;
    try {
      closeSync(fd);
    } catch (cause) {
      throw ioError("close", this.#path, cause);
    }
  }

  symlink(name: Uint8Array | undefined, target: Uint8Array): void {
    const path = this.#pathOf(name);
    this.#make("make the symlink", path, () => symlinkSync(toNode(byteName(target)), toNode(path)));
  }

  /** Removes all that was made; gives the error to throw in place of the one given. */
  undo(error: unknown): unknown {
    if (this.#fd >= 0) closeSync(this.#fd);
    if (!this.#made) return error;
    try {
      rmSync(toNode(this.#target), { recursive: true, force: true });
    } catch (cause) {
      const why = error instanceof Error ? error.message : String(error);
      const path = showPath(this.#target);
      return new NixError(
        "NAR_IO",
        `${why}; and the part of ${path} made so far cannot be removed: do so by hand`,
        {
          cause: new AggregateError([error, cause]),
        },
      );
    }
    return error;
  }

  #pathOf(name: Uint8Array | undefined): ByteString {
    return name === undefined ? this.#target : joinName(this.#open.at(-1)!, byteName(name));
  }

  #make(doing: string, path: ByteString, call: () => void): void {
    try {
      call();
      this.#made = true;
    } catch (cause) {
      if (!(cause instanceof Error && "code" in cause && cause.code === "EEXIST"))
        throw ioError(doing, path, cause);
      if (!this.#made) {
        throw new NixError(
          "NAR_TARGET_EXISTS",
          `${showPath(path)} exists already: give a path that does not`,
          { cause },
        );
      }
      throw new NixError(
        "NAR_NAME_COLLISION",
        `this file system takes ${showPath(path)} for another entry of its directory (upper and lower case?)`,
        { cause },
      );
    }
  }
}
