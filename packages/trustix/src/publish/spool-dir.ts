// The spool as a directory of files that anyone who may write there could have put there.
//
// Only plain files of bounded size are ever opened for reading. Whatever else lies there is moved to `rejected/`, with
// the reason beside it, so that it neither blocks good messages nor is lost.

import { constants } from "node:fs";
import {
  chmod,
  lstat,
  mkdir,
  open,
  opendir,
  readdir,
  rename,
  rmdir,
  unlink,
  writeFile,
} from "node:fs/promises";
import { join } from "node:path";
import { TrustixError } from "../errors.ts";
import { readUpTo, systemErrorCode } from "../store/file-system.ts";
import { MAX_SPOOL_MESSAGE_BYTES } from "./spool-message.ts";

/** Folder within the spool for what is no message. */
const REJECTED_DIR = "rejected";

/** Mode of a spool directory: closed to others; setgid, so that the daemon's group may read what root's hook writes. */
export const SPOOL_DIR_MODE = 0o2750;

/** More files than this are looked at in the next scan. */
const MAX_LISTED = 10_000;

/** Things kept in `rejected/`; what is rejected beyond that is deleted. */
const MAX_REJECTED = 1000;

/** Something in the spool. */
export interface SpoolFile {
  readonly name: string;
  /** When it was last written to, in milliseconds since 1970. */
  readonly modifiedMs: number;
}

/** One spool directory. */
export class SpoolDir {
  /** Absolute path. */
  readonly path: string;
  #rejectedCount = 0;

  constructor(path: string) {
    this.path = path;
  }

  /**
   * Makes the directory when it is missing; one that is there keeps its mode.
   * @throws TrustixError `STORAGE_FAILED`
   */
  async create(): Promise<void> {
    await this.#storage("create the spool", async () => {
      // Modes given to mkdir are cut by the umask and lose setgid, so the mode is set apart.
      if ((await mkdir(this.path, { recursive: true, mode: 0o700 })) !== undefined)
        await chmod(this.path, SPOOL_DIR_MODE);
      await mkdir(join(this.path, REJECTED_DIR), { recursive: true, mode: 0o700 });
    });
  }

  /**
   * What lies in the spool, oldest first; at most 10,000 things.
   * @throws TrustixError `STORAGE_FAILED`
   */
  async list(): Promise<SpoolFile[]> {
    return await this.#storage("read the spool", async () => {
      const files: SpoolFile[] = [];
      for await (const { name } of await opendir(this.path)) {
        if (name === REJECTED_DIR) continue;
        const stat = await lstat(join(this.path, name)).catch(ignoreMissing);
        if (stat !== undefined) files.push({ name, modifiedMs: stat.mtimeMs });
        if (files.length === MAX_LISTED) break;
      }
      return files.sort((a, b) => a.modifiedMs - b.modifiedMs || (a.name < b.name ? -1 : 1));
    });
  }

  /**
   * The bytes of one file; undefined when it is gone.
   * @throws TrustixError `SPOOL_INVALID` when it is not a readable plain file of bounded size, `STORAGE_FAILED`
   */
  async read(name: string): Promise<Uint8Array | undefined> {
    return await this.#storage("read the spool", async () => {
      try {
        // A link is not followed, and a pipe does not block.
        await using file = await open(
          join(this.path, name),
          constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK,
        );
        const stat = await file.stat();
        if (!stat.isFile()) throw invalid("not a plain file");
        if (stat.size > MAX_SPOOL_MESSAGE_BYTES)
          throw invalid(`larger than ${MAX_SPOOL_MESSAGE_BYTES} bytes`);
        return await readUpTo(file, stat.size);
      } catch (error) {
        const code = systemErrorCode(error);
        if (code === "ENOENT") return undefined;
        if (code === "ELOOP" || code === "EMLINK") throw invalid("a symbolic link");
        if (code === "ENXIO" || code === "EOPNOTSUPP") throw invalid("not a plain file");
        if (code === "EACCES" || code === "EPERM") throw invalid("this user may not read it");
        throw error;
      }
    });
  }

  /**
   * Deletes one file; no error when it is gone.
   * @throws TrustixError `STORAGE_FAILED`
   */
  async remove(name: string): Promise<void> {
    await this.#storage("delete from the spool", () => unlink(join(this.path, name)).catch(ignoreMissing));
  }

  /**
   * Moves something that is no message to `rejected/<n>`, and writes its name and the reason to `rejected/<n>.reason`.
   * When `rejected/` is full, it is deleted instead, unless it is a directory with contents: that stays where it is.
   * @param nowMs the time, which names it
   * @throws TrustixError `STORAGE_FAILED`
   */
  async reject(name: string, reason: string, nowMs: number): Promise<void> {
    const from = join(this.path, name);
    const rejectedDir = join(this.path, REJECTED_DIR);
    await this.#storage("clear the spool", async () => {
      await mkdir(rejectedDir, { recursive: true, mode: 0o700 });
      if ((await readdir(rejectedDir)).length >= 2 * MAX_REJECTED) {
        await unlink(from).catch(() => rmdir(from).catch(() => undefined));
        return;
      }
      const to = join(rejectedDir, `${nowMs}-${process.pid}-${this.#rejectedCount++}`);
      await writeFile(`${to}.reason`, `${JSON.stringify(name)}: ${reason}\n`, { mode: 0o600, flag: "wx" });
      await rename(from, to);
    });
  }

  async #storage<T>(what: string, action: () => Promise<T>): Promise<T> {
    try {
      return await action();
    } catch (cause) {
      if (cause instanceof TrustixError) throw cause;
      throw new TrustixError("STORAGE_FAILED", `cannot ${what} at ${this.path}`, {
        cause,
        hint: "Check that the directory exists, that this user owns it, and that the disk is not full.",
      });
    }
  }
}

function invalid(why: string): TrustixError {
  return new TrustixError("SPOOL_INVALID", `not a spool message: ${why}`);
}

function ignoreMissing(error: unknown): undefined {
  if (systemErrorCode(error) !== "ENOENT") throw error;
}
