/** `npm run fuzz`: a long fuzzing run with progress. Exit status 1 and the offending input in hexadecimal on a failure. */
import { parseArgs } from "node:util";
import { fuzz } from "./fuzz.ts";

const { values } = parseArgs({
  options: {
    inputs: { type: "string", default: "1000000" },
    seed: { type: "string", default: String(Date.now() >>> 0) },
  },
});
const inputs = Number(values.inputs);
const seed = Number(values.seed);
if (!Number.isSafeInteger(inputs) || inputs < 1 || !Number.isSafeInteger(seed)) {
  throw new RangeError("usage: npm run fuzz -- [--inputs N] [--seed N]");
}

console.log(`${inputs} inputs, seed ${seed}`);
const report = fuzz({
  inputs,
  seed,
  onProgress(target, done, total) {
    if (process.stderr.isTTY) process.stderr.write(`\r${target.padEnd(16)} ${done}/${total}   `);
  },
});
if (process.stderr.isTTY) process.stderr.write("\r");
console.table(report.targets);
console.log(
  `heap grew by ${report.heapGrowthMiB.toFixed(1)} MiB, slowest input ${report.slowestMs.toFixed(1)} ms`,
);
for (const failure of report.failures) {
  console.error(`${failure.target} input ${failure.index}: ${failure.reason}\n  ${failure.inputHex}`);
}
process.exitCode = report.failures.length === 0 ? 0 : 1;
