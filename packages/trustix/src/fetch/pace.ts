// Reads a body that must keep coming. Only time spent waiting for the other side counts: a slow client of ours does not
// make its cache look slow, and neither does a time in which this process did not run.
import type { Readable } from "node:stream";
import { unreachable } from "./remote.ts";

/** How slow a body may be. */
export interface PaceLimits {
  /** Longest silence, in milliseconds. */
  readonly idleMs: number;
  /** Least bytes a second, looked at each {@link windowMs} of waiting. */
  readonly minBytesPerSecond: number;
  readonly windowMs: number;
}

/**
 * Measures silence by looking often. What came while this process stood still is read only after the look that follows, so
 * that no look counts for more than two ordinary ones.
 */
class Lookout implements Disposable {
  readonly #timer: NodeJS.Timeout;
  #lookedMs = performance.now();

  /** @param onLook gets the time that may be counted since the last look */
  constructor(intervalMs: number, onLook: (passedMs: number) => void) {
    this.#timer = setInterval(() => {
      const nowMs = performance.now();
      const passedMs = Math.min(nowMs - this.#lookedMs, 2 * intervalMs);
      this.#lookedMs = nowMs;
      onLook(passedMs);
    }, intervalMs);
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
  }
}

/**
 * The chunks of a body.
 * @throws TrustixError `PEER_UNREACHABLE` when it stalls or drips; what the body itself throws
 */
export async function* paced(
  url: URL,
  body: Readable,
  { idleMs, minBytesPerSecond, windowMs }: PaceLimits,
): AsyncGenerator<Buffer, void, undefined> {
  const chunks = body[Symbol.asyncIterator]() as AsyncIterator<Buffer, void>;
  let waitingSinceMs: number | undefined;
  let waitedMs = 0;
  let silentMs = 0;
  let windowBytes = 0;
  using _ = new Lookout(Math.max(10, idleMs / 8), (passedMs) => {
    if (waitingSinceMs === undefined) return;
    silentMs += passedMs;
    if (silentMs > idleMs) body.destroy(unreachable(url, `silent for ${idleMs} ms`));
  });
  try {
    for (;;) {
      waitingSinceMs = performance.now();
      const next = await chunks.next();
      silentMs = 0;
      waitedMs += performance.now() - waitingSinceMs;
      waitingSinceMs = undefined;
      if (next.done) return;
      windowBytes += next.value.length;
      if (waitedMs > windowMs) {
        if (windowBytes < (minBytesPerSecond * waitedMs) / 1000) {
          throw unreachable(url, `slower than ${minBytesPerSecond} bytes a second`);
        }
        waitedMs = 0;
        windowBytes = 0;
      }
      yield next.value;
    }
  } finally {
    body.destroy();
  }
}

/**
 * Reads a body to its end without ever making it wait, each chunk into `take`; what that throws ends it.
 * @throws TrustixError as {@link paced}
 */
export function readPaced(
  url: URL,
  body: Readable,
  { idleMs, minBytesPerSecond, windowMs }: PaceLimits,
  take: (chunk: Buffer) => void,
): Promise<void> {
  return new Promise((resolve, reject) => {
    let [silentMs, elapsedMs, windowBytes] = [0, 0, 0];
    const fail = (error: unknown): void => {
      watch[Symbol.dispose]();
      reject(error);
      body.destroy();
    };
    const watch = new Lookout(Math.max(10, Math.min(idleMs, windowMs) / 8), (passedMs) => {
      silentMs += passedMs;
      elapsedMs += passedMs;
      if (silentMs > idleMs) fail(unreachable(url, `silent for ${idleMs} ms`));
      else if (elapsedMs > windowMs) {
        if (windowBytes < (minBytesPerSecond * elapsedMs) / 1000) {
          fail(unreachable(url, `slower than ${minBytesPerSecond} bytes a second`));
        }
        [elapsedMs, windowBytes] = [0, 0];
      }
    });
    body
      .on("data", (chunk: Buffer) => {
        silentMs = 0;
        windowBytes += chunk.length;
        try {
          take(chunk);
        } catch (error) {
          fail(error);
        }
      })
      .once("end", () => {
        watch[Symbol.dispose]();
        resolve();
      })
      .on("error", fail)
      .once("close", () => {
        if (!body.readableEnded) fail(unreachable(url, "the answer was cut off"));
      });
    // Broken before anybody listened: no event will say so again.
    if (body.destroyed) fail(body.errored ?? unreachable(url, "the answer was cut off"));
  });
}
