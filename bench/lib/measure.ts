/** Measuring for the benches: alternate rounds, take the best of each, and put every figure against the first task's. */

export interface Row {
  readonly task: string;
  /** Units of work a second, best round. */
  readonly rate: number;
  readonly unit: string;
  /** This rate over the first task's rate. */
  readonly ratio: number;
}

export interface BestOfOptions {
  readonly rounds: number;
  /** Units of work that each task does in one run. */
  readonly work: number;
  readonly unit: string;
}

/** Runs each task once to warm up and then `rounds` times in turn. The first task is what the others are measured against. */
export async function bestOf(
  tasks: ReadonlyMap<string, () => unknown>,
  options: BestOfOptions,
): Promise<Row[]> {
  const bestMs = new Map<string, number>();
  for (let round = 0; round <= options.rounds; round++) {
    for (const [task, run] of tasks) {
      const start = performance.now();
      await run();
      const elapsedMs = performance.now() - start;
      if (round > 0) bestMs.set(task, Math.min(bestMs.get(task) ?? Number.POSITIVE_INFINITY, elapsedMs));
    }
  }
  const baseMs = bestMs.values().next().value ?? Number.NaN;
  return [...bestMs].map(([task, elapsedMs]) => ({
    task,
    rate: (options.work / elapsedMs) * 1000,
    unit: options.unit,
    ratio: baseMs / elapsedMs,
  }));
}

/** Prints a Markdown table, ready for RESULTS.md. */
export function printTable(title: string, rows: readonly Row[]): void {
  console.log(`\n### ${title}\n`);
  console.log(`| task | ${rows[0]?.unit ?? "rate"} | ratio |\n|---|---:|---:|`);
  for (const { task, rate, ratio } of rows) {
    console.log(`| ${task} | ${Math.round(rate).toLocaleString("en")} | ${ratio.toFixed(2)} |`);
  }
}
