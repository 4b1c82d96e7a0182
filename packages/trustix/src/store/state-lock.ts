// One daemon per state directory. The lock is SQLite's file lock: the system drops it when the process dies, however it
// dies, so there is no stale lock to clean up; and SQLite refuses a second one within the same process too.

import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { hostname } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { TrustixError } from "../errors.ts";

const SQLITE_BUSY = 5;

/** Whether an error of `node:sqlite` says that someone else holds the database. */
export function isDatabaseBusy(error: unknown): boolean {
  return error instanceof Error && "errcode" in error && error.errcode === SQLITE_BUSY;
}

/** Who holds a state directory, as the holder wrote it down. */
export interface StateOwner {
  readonly pid: number;
  /** Start time of the process, RFC 3339. */
  readonly started: string;
  readonly host: string;
}

function readOwner(path: string): StateOwner | undefined {
  try {
    const owner: unknown = JSON.parse(readFileSync(path, "utf8"));
    if (typeof owner !== "object" || owner === null) return undefined;
    const { pid, started, host } = owner as Record<string, unknown>;
    if (typeof pid !== "number" || typeof started !== "string" || typeof host !== "string") return undefined;
    return { pid, started, host };
  } catch {
    return undefined;
  }
}

/** The right to use a state directory, held until disposed of or until the process ends in any way. */
export class StateLock implements Disposable {
  readonly #database: DatabaseSync;
  readonly #ownerPath: string;

  private constructor(database: DatabaseSync, ownerPath: string) {
    this.#database = database;
    this.#ownerPath = ownerPath;
  }

  /**
   * Takes the lock of an existing directory, at once or not at all.
   *
   * Throws `STATE_LOCKED`, naming the process that holds it; `STORAGE_FAILED` when the directory is not writable.
   */
  static acquire(directory: string, now: () => number = Date.now): StateLock {
    const ownerPath = join(directory, "lock-owner.json");
    let database: DatabaseSync | undefined;
    try {
      database = new DatabaseSync(join(directory, "lock"), { timeout: 0 });
      database.exec("BEGIN EXCLUSIVE");
    } catch (error) {
      database?.close();
      if (!isDatabaseBusy(error)) {
        throw new TrustixError("STORAGE_FAILED", `cannot lock the state directory ${directory}`, {
          hint: "Check that the directory exists and that this user may write to it.",
          cause: error,
        });
      }
      const owner = readOwner(ownerPath);
      const who = owner
        ? `process ${owner.pid} on ${owner.host}, started ${owner.started}`
        : "another process, which did not leave its name";
      throw new TrustixError("STATE_LOCKED", `the state directory ${directory} is in use by ${who}`, {
        hint: "Stop that process, or give this one its own state directory.",
        cause: error,
      });
    }
    const owner: StateOwner = {
      pid: process.pid,
      started: new Date(now() - Math.round(process.uptime() * 1000)).toISOString(),
      host: hostname(),
    };
    // The file only informs: a full disk must not keep the daemon from starting, nor leave a wrong name.
    try {
      writeFileSync(ownerPath, `${JSON.stringify(owner)}\n`);
    } catch {
      rmSync(ownerPath, { force: true });
    }
    return new StateLock(database, ownerPath);
  }

  [Symbol.dispose](): void {
    if (!this.#database.isOpen) return;
    rmSync(this.#ownerPath, { force: true });
    this.#database.close();
  }
}
