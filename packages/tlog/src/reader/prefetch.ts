/** Loads a few items ahead, and hands them out in order. */

/**
 * Yields `load(item)` of each item, in order, with at most `concurrency` loads under way or waiting to be taken. The
 * signal given to `load` ends when `signal` does, when a load fails, and when the consumer stops.
 */
export async function* prefetch<Item, Result>(
  items: Iterable<Item>,
  concurrency: number,
  signal: AbortSignal | undefined,
  load: (item: Item, signal: AbortSignal) => Promise<Result>,
): AsyncGenerator<Result, void, undefined> {
  const stop = new AbortController();
  const either = signal === undefined ? stop.signal : AbortSignal.any([signal, stop.signal]);
  const source = items[Symbol.iterator]();
  const queue: Promise<Result>[] = [];
  const fill = () => {
    while (queue.length < concurrency) {
      const next = source.next();
      if (next.done) return;
      const pending = load(next.value, either);
      // A load that fails is reported when its turn comes, or not at all if an earlier one failed.
      pending.catch(() => {});
      queue.push(pending);
    }
  };
  try {
    for (fill(); queue.length > 0; fill()) yield await queue.shift()!;
  } finally {
    stop.abort();
  }
}

/** @throws RangeError unless `concurrency` is a positive integer */
export function checkConcurrency(concurrency: number): number {
  if (!Number.isSafeInteger(concurrency) || concurrency < 1) {
    throw new RangeError(`concurrency ${concurrency} is not a positive integer`);
  }
  return concurrency;
}
