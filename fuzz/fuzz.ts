/**
 * Fuzzing of every parser that reads bytes from outside.
 * A parser may accept or refuse an input; it must not throw anything but its package's error, take long, or hold on to memory.
 */
import { mutate, Random } from "./mutate.ts";
import { isTypedError, TARGETS } from "./targets.ts";

export interface FuzzOptions {
  /** How many inputs in all, spread evenly over the targets. */
  readonly inputs: number;
  /** Same seed, same inputs. */
  readonly seed: number;
  /** An input that takes longer than this has failed. Default 2,000 ms, generous because machines pause. */
  readonly maxInputMs?: number;
  readonly onProgress?: (target: string, done: number, total: number) => void;
}

export interface FuzzFailure {
  readonly target: string;
  readonly index: number;
  readonly reason: string;
  readonly inputHex: string;
}

export interface FuzzReport {
  readonly targets: Readonly<Record<string, { inputs: number; accepted: number; refused: number }>>;
  readonly failures: readonly FuzzFailure[];
  readonly slowestMs: number;
  readonly heapGrowthMiB: number;
}

/** How many interesting inputs a target's corpus may grow to. */
const CORPUS_LIMIT = 512;
const MAX_FAILURES = 3;

export function fuzz({ inputs, seed, maxInputMs = 2000, onProgress }: FuzzOptions): FuzzReport {
  const report: Record<string, { inputs: number; accepted: number; refused: number }> = {};
  const failures: FuzzFailure[] = [];
  const perTarget = Math.ceil(inputs / TARGETS.length);
  let slowestMs = 0;
  const heapBefore = process.memoryUsage().heapUsed;

  for (const [targetIndex, target] of TARGETS.entries()) {
    const random = new Random(seed + targetIndex * 0x10001);
    const corpus = [...target.seeds()];
    const counts = { inputs: perTarget, accepted: 0, refused: 0 };
    report[target.name] = counts;

    for (let index = 0; index < perTarget && failures.length < MAX_FAILURES; index++) {
      const input = mutate(random.pick(corpus), random.pick(corpus), random);
      const started = performance.now();
      let reason: string | undefined;
      try {
        target.run(input);
        counts.accepted++;
        // What is still accepted after a mutation leads deeper than what is refused at once.
        if (corpus.length < CORPUS_LIMIT && random.below(8) === 0) corpus.push(input.slice());
      } catch (error) {
        counts.refused++;
        if (!isTypedError(error))
          reason = `untyped error: ${error instanceof Error ? error.stack : String(error)}`;
      }
      const elapsedMs = performance.now() - started;
      if (elapsedMs > slowestMs) slowestMs = elapsedMs;
      if (elapsedMs > maxInputMs) reason = `took ${elapsedMs.toFixed(0)} ms`;
      if (reason !== undefined) {
        failures.push({ target: target.name, index, reason, inputHex: Buffer.from(input).toString("hex") });
      }
      if (index % 1000 === 0) onProgress?.(target.name, index, perTarget);
    }
  }
  const heapGrowthMiB = (process.memoryUsage().heapUsed - heapBefore) / 2 ** 20;
  return { targets: report, failures, slowestMs, heapGrowthMiB };
}
