// One writer at a time of a file that several processes rewrite. The lock is SQLite's, as for the state directory: the system
// drops it when the process dies, however it dies.

import { mkdir } from "node:fs/promises";
import { dirname } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { setTimeout as sleep } from "node:timers/promises";
import { TrustixError } from "../errors.ts";
import { isDatabaseBusy } from "./state-lock.ts";

const RETRY_MS = 20;

/**
 * Waits until nobody else holds the lock of `path`, and holds it until disposed of. The lock is a file of its own beside it,
 * `<path>.lock`, which stays.
 * @throws TrustixError `STORAGE_FAILED` when there can be no lock file; `PUSHBACK` when others hold it for `waitMs`
 */
export async function lockFile(path: string, waitMs = 10_000): Promise<Disposable> {
  const lockPath = `${path}.lock`;
  for (let waitedMs = 0; ; waitedMs += RETRY_MS) {
    let database: DatabaseSync | undefined;
    try {
      await mkdir(dirname(path), { recursive: true });
      database = new DatabaseSync(lockPath, { timeout: 0 });
      database.exec("BEGIN EXCLUSIVE");
      const held = database;
      return { [Symbol.dispose]: () => held.close() };
    } catch (cause) {
      database?.close();
      if (!isDatabaseBusy(cause)) {
        throw new TrustixError("STORAGE_FAILED", `${lockPath} cannot be locked`, {
          hint: "Run this as the user who owns the file and its directory.",
          cause,
        });
      }
      if (waitedMs >= waitMs) {
        throw new TrustixError("PUSHBACK", `${path} is being changed by another process`, {
          hint: "Try again once that process has ended.",
          cause,
        });
      }
    }
    await sleep(RETRY_MS);
  }
}
