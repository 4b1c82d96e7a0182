// Watches the spool and publishes what the hook noted there.
//
// A message is deleted only after every claim that follows from it is durable in the log. So a crash anywhere repeats
// work and loses none: the log takes the same statement only once.

import { type FSWatcher, watch } from "node:fs";
import type { StorePath } from "@trustix/nix";
import { TrustixError } from "../errors.ts";
import type { LocalNix } from "../nix/local-nix.ts";
import type { Sleep } from "../sleep.ts";
import type { Build, Outcome, Publisher } from "./publisher.ts";
import type { SpoolDir, SpoolFile } from "./spool-dir.ts";
import { parseSpoolMessage, type SpoolMessage } from "./spool-message.ts";

/** What happens in the spool, for logs and counters. */
export type SpoolEvent =
  /** What became of one output of a build. */
  | { readonly type: "outcome"; readonly file: string; readonly outcome: Outcome }
  /** A build without any valid output left; its message is done with. */
  | { readonly type: "no-outputs"; readonly file: string; readonly drvPath: StorePath }
  /** Something in the spool is no message. It was moved to `rejected/`. */
  | { readonly type: "rejected"; readonly file: string; readonly reason: string }
  /** A pass failed; the messages stay, and the next pass is after `delayMs`. */
  | { readonly type: "failed"; readonly error: unknown; readonly delayMs: number };

/** What a {@link Spool} needs. */
export interface SpoolOptions {
  readonly dir: SpoolDir;
  readonly nix: Pick<LocalNix, "storeDir" | "validOutputsOf">;
  readonly publisher: Pick<Publisher, "publish">;
  readonly onEvent: (event: SpoolEvent) => void;
  /** The time in milliseconds since 1970. */
  readonly now: () => number;
  readonly sleep: Sleep;
  /** Look at the spool this often even when the system reports no change. Default 10,000. */
  readonly scanIntervalMs?: number | undefined;
}

/** Messages that are published together. */
const BATCH_SIZE = 64;

/** Let a burst of builds arrive before the spool is read, in milliseconds. */
const SETTLE_MS = 20;

/** A message without its end is being written for this long, in milliseconds; after that it was cut off. */
const INCOMPLETE_AFTER_MS = 60_000;

/** First and longest wait after a failed pass, in milliseconds. */
const MIN_BACKOFF_MS = 1000;
const MAX_BACKOFF_MS = 60_000;

/** Publishes what the hook noted. */
export class Spool {
  readonly #options: SpoolOptions;

  constructor(options: SpoolOptions) {
    this.#options = options;
  }

  /**
   * Publishes until aborted, then returns. Failures (Nix or the log out of order, spool deleted) are reported as events
   * and tried again, with waits from one second to one minute.
   */
  async run(signal: AbortSignal): Promise<void> {
    const { dir, sleep, onEvent, scanIntervalMs = 10_000 } = this.#options;
    let backoffMs = 0;
    while (!signal.aborted) {
      try {
        await dir.create();
        // Watched before it is read, so that no message can slip in between.
        using changes = watchDir(dir.path);
        while (!signal.aborted) {
          await this.scan(signal);
          backoffMs = 0;
          await untilFirst(signal, (either) => [changes.next(either), sleep(scanIntervalMs, either)]);
          await sleep(SETTLE_MS, signal);
        }
      } catch (error) {
        if (signal.aborted) return;
        backoffMs = Math.min(Math.max(backoffMs * 2, MIN_BACKOFF_MS), MAX_BACKOFF_MS);
        onEvent({ type: "failed", error, delayMs: backoffMs });
        await sleep(backoffMs, signal).catch(() => undefined);
      }
    }
  }

  /**
   * One pass over what lies in the spool, oldest first, in batches.
   * @returns how many messages are done with
   * @throws TrustixError when Nix, the log or the spool is out of order: what was not published stays
   */
  async scan(signal?: AbortSignal): Promise<number> {
    const files = await this.#options.dir.list();
    let done = 0;
    for (let i = 0; i < files.length; i += BATCH_SIZE) {
      signal?.throwIfAborted();
      done += await this.#publish(files.slice(i, i + BATCH_SIZE), signal);
    }
    return done;
  }

  async #publish(files: readonly SpoolFile[], signal: AbortSignal | undefined): Promise<number> {
    const { dir, nix, publisher, onEvent } = this.#options;
    const done: string[] = [];
    const fileOf = new Map<StorePath, string>();
    const builds: Build[] = [];
    for (const file of files) {
      const message = await this.#read(file);
      if (message === undefined) continue;
      const { drvPath } = message;
      const paths =
        message.outPaths.length > 0 ? message.outPaths : await nix.validOutputsOf(drvPath, signal);
      if (paths.length === 0) onEvent({ type: "no-outputs", file: file.name, drvPath });
      for (const path of paths) {
        builds.push({ path, drvPath, kind: "built", finishedMs: file.modifiedMs });
        if (!fileOf.has(path)) fileOf.set(path, file.name);
      }
      done.push(file.name);
    }
    for (const outcome of await publisher.publish(builds, signal)) {
      onEvent({ type: "outcome", file: fileOf.get(outcome.path) ?? "", outcome });
    }
    for (const name of done) await dir.remove(name);
    return done.length;
  }

  /** The message of a file; undefined when there is none (yet). */
  async #read(file: SpoolFile): Promise<SpoolMessage | undefined> {
    const { dir, nix, onEvent, now } = this.#options;
    try {
      const bytes = await dir.read(file.name);
      return bytes === undefined ? undefined : parseSpoolMessage(bytes, nix.storeDir);
    } catch (error) {
      if (!(error instanceof TrustixError)) throw error;
      if (error.code === "SPOOL_INCOMPLETE" && now() - file.modifiedMs < INCOMPLETE_AFTER_MS)
        return undefined;
      if (error.code !== "SPOOL_INVALID" && error.code !== "SPOOL_INCOMPLETE") throw error;
      await dir.reject(file.name, error.message, now());
      onEvent({ type: "rejected", file: file.name, reason: error.message });
      return undefined;
    }
  }
}

interface Changes extends Disposable {
  /** Settles at the next change, or at once when there was one since the last call; also when aborted. */
  next(signal: AbortSignal): Promise<void>;
}

/** Changes of a directory. Where the system cannot watch it (limits of inotify, network file systems) none is ever seen. */
function watchDir(path: string): Changes {
  let watcher: FSWatcher | undefined;
  let changed = false;
  let wake = (): void => {};
  try {
    watcher = watch(path, { persistent: false }, () => {
      changed = true;
      wake();
    });
    watcher.on("error", () => watcher?.close());
  } catch {
    watcher = undefined;
  }
  return {
    async next(signal) {
      if (!changed && !signal.aborted) {
        const { promise, resolve } = Promise.withResolvers<void>();
        wake = resolve;
        signal.addEventListener("abort", () => resolve(), { once: true });
        await promise;
      }
      changed = false;
    },
    [Symbol.dispose]: () => watcher?.close(),
  };
}

/** Settles with the first of several waits and ends the others. */
async function untilFirst(
  signal: AbortSignal,
  start: (signal: AbortSignal) => Promise<void>[],
): Promise<void> {
  const others = new AbortController();
  const waits = start(AbortSignal.any([signal, others.signal]));
  try {
    await Promise.race(waits);
  } finally {
    others.abort();
    await Promise.allSettled(waits);
  }
}
