// The few file operations that the daemon's durable files need, so that tests can fail any one of them or cut the power.

import { constants } from "node:fs";
import { type FileHandle, mkdir, open, readdir, rename, rm, unlink } from "node:fs/promises";

/** A file being written, front to back. */
export interface WritableFile {
  /** Appends some of `bytes` and returns how many, which may be fewer than asked for. */
  write(bytes: Uint8Array): Promise<number>;
  /** Returns once everything written is on stable storage. After it throws, nothing is known: write a new file. */
  sync(): Promise<void>;
  close(): Promise<void>;
}

/**
 * The operations that durable storage is built from. Paths are absolute. Failures are the system's own errors, with
 * their `code` (`ENOSPC`, `EIO`).
 */
export interface FileSystem {
  /** The whole file, or `undefined` when there is none. Throws `EFBIG` when it has more than `maxBytes`. */
  readFile(path: string, maxBytes: number): Promise<Uint8Array | undefined>;
  /** The names in a directory, in no order; none when the directory is missing. */
  list(directory: string): Promise<string[]>;
  /** Creates one directory; that it exists already is no error. */
  makeDirectory(path: string): Promise<void>;
  /** Opens a file for writing, empty. */
  createFile(path: string): Promise<WritableFile>;
  /** Replaces `to` by `from` in one step. */
  rename(from: string, to: string): Promise<void>;
  /** Removes a file; that it is missing is no error. */
  removeFile(path: string): Promise<void>;
  /** Removes a directory and all in it; that it is missing is no error. */
  removeDirectory(path: string): Promise<void>;
  /** Returns once the names in the directory are on stable storage. */
  syncDirectory(path: string): Promise<void>;
}

/** The `code` of a system error, such as `ENOENT`. */
export function systemErrorCode(error: unknown): string | undefined {
  return error instanceof Error && "code" in error && typeof error.code === "string" ? error.code : undefined;
}

/** The first `sizeBytes` bytes of a file; fewer when it has fewer by now. */
export async function readUpTo(file: FileHandle, sizeBytes: number): Promise<Uint8Array> {
  const bytes = new Uint8Array(sizeBytes);
  let length = 0;
  while (length < sizeBytes) {
    const { bytesRead } = await file.read(bytes, length, sizeBytes - length, length);
    if (bytesRead === 0) break;
    length += bytesRead;
  }
  return bytes.subarray(0, length);
}

/** The file system of the machine. New files get mode 0644 and directories 0755, less the process's umask. */
export const nodeFileSystem: FileSystem = {
  async readFile(path, maxBytes) {
    let file: FileHandle;
    try {
      file = await open(path, constants.O_RDONLY);
    } catch (error) {
      if (systemErrorCode(error) === "ENOENT") return undefined;
      throw error;
    }
    try {
      const { size } = await file.stat();
      if (size > maxBytes) {
        throw Object.assign(new Error(`${path} has ${size} bytes, more than ${maxBytes}`), { code: "EFBIG" });
      }
      return await readUpTo(file, size);
    } finally {
      await file.close();
    }
  },

  async list(directory) {
    try {
      return await readdir(directory);
    } catch (error) {
      if (systemErrorCode(error) === "ENOENT") return [];
      throw error;
    }
  },

  async makeDirectory(path) {
    try {
      await mkdir(path);
    } catch (error) {
      if (systemErrorCode(error) !== "EEXIST") throw error;
    }
  },

  async createFile(path) {
    const file = await open(path, "w");
    return {
      async write(bytes) {
        return (await file.write(bytes)).bytesWritten;
      },
      sync: () => file.datasync(),
      close: () => file.close(),
    };
  },

  rename,

  async removeFile(path) {
    try {
      await unlink(path);
    } catch (error) {
      if (systemErrorCode(error) !== "ENOENT") throw error;
    }
  },

  removeDirectory: (path) => rm(path, { recursive: true, force: true }),

  async syncDirectory(path) {
    const directory = await open(path, constants.O_RDONLY | constants.O_DIRECTORY);
    try {
      await directory.sync();
    } finally {
      await directory.close();
    }
  },
};
