// Reads a body that must keep coming. Only time spent waiting for the other side counts: a slow client of ours does not
// make its cache look slow.
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
  let windowBytes = 0;
  const watch = setInterval(
    () => {
      if (waitingSinceMs === undefined) return;
      const waitingMs = performance.now() - waitingSinceMs;
      if (waitingMs > idleMs) body.destroy(unreachable(url, `silent for ${idleMs} ms`));
    },
    Math.max(10, idleMs / 8),
  );
  try {
    for (;;) {
      waitingSinceMs = performance.now();
      const next = await chunks.next();
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
    clearInterval(watch);
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
    let [lastMs, windowStartMs, windowBytes] = [performance.now(), performance.now(), 0];
    const fail = (error: unknown): void => {
      clearInterval(watch);
      reject(error);
      body.destroy();
    };
    const look = (): void => {
      const nowMs = performance.now();
      const elapsedMs = nowMs - windowStartMs;
      if (nowMs - lastMs > idleMs) fail(unreachable(url, `silent for ${idleMs} ms`));
      else if (elapsedMs > windowMs) {
        if (windowBytes < (minBytesPerSecond * elapsedMs) / 1000) {
          fail(unreachable(url, `slower than ${minBytesPerSecond} bytes a second`));
        }
        [windowStartMs, windowBytes] = [nowMs, 0];
      }
    };
    const watch = setInterval(look, Math.max(10, Math.min(idleMs, windowMs) / 8));
    body
      .on("data", (chunk: Buffer) => {
        lastMs = performance.now();
        windowBytes += chunk.length;
        try {
          take(chunk);
        } catch (error) {
          fail(error);
        }
      })
      .once("end", () => {
        clearInterval(watch);
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
