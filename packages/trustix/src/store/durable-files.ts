// Whole files that are on stable storage, complete, once the call returns: written beside their place, synced, renamed.

import { dirname } from "node:path";
import type { FileSystem, WritableFile } from "./file-system.ts";

/** A file to write: absolute path and content. */
export interface FileContent {
  readonly path: string;
  readonly bytes: Uint8Array;
}

/**
 * Files in flight at once. Each takes five round trips to libuv's threads, and on a busy event loop a round trip takes a
 * turn of the loop, however quick the disk is; so many go together.
 */
const CONCURRENCY = 64;
/** Directories remembered as durable; beyond it the memory starts afresh, which costs a few needless syncs. */
const MAX_REMEMBERED = 4096;

/** Appends all of `bytes`, however little the system takes at a time. */
export async function writeFully(file: WritableFile, bytes: Uint8Array): Promise<void> {
  for (let offset = 0; offset < bytes.length; ) {
    const written = await file.write(bytes.subarray(offset));
    if (written === 0) throw Object.assign(new Error("the system wrote nothing"), { code: "EIO" });
    offset += written;
  }
}

/** Runs `action` on every item, a few at a time, and returns when none is running any more; then throws the first error. */
async function forEachConcurrently<T>(
  items: readonly T[],
  action: (item: T) => Promise<void>,
): Promise<void> {
  const queue = items.values();
  const run = async () => {
    for (const item of queue) await action(item);
  };
  const runs = Array.from({ length: Math.min(CONCURRENCY, items.length) }, run);
  const failed = (await Promise.allSettled(runs)).find((result) => result.status === "rejected");
  if (failed) throw failed.reason;
}

/**
 * Writes files under one root directory durably: after `write` returns, a power cut leaves every file whole and in place.
 * A reader sees the old content or the new, never a part. After a failure any of the files may be in place; write them
 * all again.
 *
 * Temporary files are named `<name>.tmp`, so that a repeated write takes the place of one that a crash left behind.
 */
export class DurableFiles {
  readonly #fs: FileSystem;
  readonly #root: string;
  /** Directories whose own name is known to be on stable storage. */
  readonly #durableDirectories = new Set<string>();

  /** `root` is created by the first write; its parent must exist. */
  constructor(fs: FileSystem, root: string) {
    this.#fs = fs;
    this.#root = root;
  }

  /** Writes all files; each directory is synced once. Throws the system's error. */
  async write(files: readonly FileContent[]): Promise<void> {
    const toSync = new Set<string>();
    const created: string[] = [];
    for (const { path } of files) {
      const directory = dirname(path);
      await this.#makeDirectory(directory, toSync, created);
      toSync.add(directory);
    }
    await forEachConcurrently(files, async ({ path, bytes }) => {
      const temporary = `${path}.tmp`;
      const file = await this.#fs.createFile(temporary);
      try {
        await writeFully(file, bytes);
        await file.sync();
      } finally {
        await file.close();
      }
      await this.#fs.rename(temporary, path);
    });
    await forEachConcurrently([...toSync], (directory) => this.#fs.syncDirectory(directory));
    if (this.#durableDirectories.size > MAX_REMEMBERED) this.#durableDirectories.clear();
    for (const directory of created) this.#durableDirectories.add(directory);
  }

  /** Removes a directory under the root and all in it. Not durable by itself: after a power cut it may be back. */
  async removeDirectory(path: string): Promise<void> {
    this.#durableDirectories.delete(path);
    await this.#fs.removeDirectory(path);
  }

  /** A directory that a crash left may have a name that never reached the disk, so one seen first is synced like a new one. */
  async #makeDirectory(path: string, toSync: Set<string>, created: string[]): Promise<void> {
    if (this.#durableDirectories.has(path) || created.includes(path)) return;
    const parent = dirname(path);
    if (path !== this.#root) await this.#makeDirectory(parent, toSync, created);
    await this.#fs.makeDirectory(path);
    toSync.add(parent);
    created.push(path);
  }
}
