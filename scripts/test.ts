// `npm test`: everything that must hold before a change is merged, in stages with one line each.
//
// All stages run, so that one run shows everything that is wrong. With CI=true a missing outside tool is a failure;
// elsewhere what needs it is skipped, loudly. The last line counts tests: `N passed, N failed, N skipped`; a failing
// stage that is not made of tests counts as one failure.

import { delimiter, join } from "node:path";
import { styleText } from "node:util";
import { chromiumStage } from "./test/chromium-stage.ts";
import { commandStage, failed, type Outcome, type Stage } from "./test/stage.ts";
import { toolsStage } from "./test/tools-stage.ts";
import { vitestStage } from "./test/vitest-stage.ts";

const ROOT = join(import.meta.dirname, "..");

const STAGES: readonly Stage[] = [
  { name: "outside tools", run: toolsStage },
  { name: "types and build", run: commandStage("tsc", ["-b"]) },
  {
    name: "dashboard",
    run: commandStage("npm", ["run", "--silent", "build", "--workspace", "@trustix/web"]),
  },
  { name: "lint and format", run: commandStage("biome", ["check", "--error-on-warnings", "."]) },
  { name: "unused code", run: commandStage("knip", []) },
  ...["tlog", "nix", "trustix"].map((name) => ({
    name: `package ${name}`,
    run: commandStage("publint", ["run", `packages/${name}`, "--strict"]),
  })),
  { name: "documentation", run: commandStage("vitepress", ["build", "docs"]) },
  { name: "unit tests", run: vitestStage("pure", "trustix") },
  { name: "interop tests", run: vitestStage("interop") },
  { name: "chromium", run: chromiumStage },
  { name: "browser tests", run: vitestStage("browser") },
  { name: "end-to-end tests", run: vitestStage("e2e") },
];

const paint = (colour: "green" | "red" | "yellow" | "dim", text: string): string =>
  styleText(colour, text, { stream: process.stdout });

function report(name: string, outcome: Exclude<Outcome, { kind: "absent" }>, durationMs: number): void {
  const { kind, tests, skips, output } = outcome;
  const count = tests.passed + tests.failed + tests.skipped;
  const figures = count > 0 && kind === "passed" ? `${tests.passed} passed, ${tests.skipped} skipped` : "";
  const verdict = kind === "passed" ? paint("green", "ok    ") : paint("red", "FAILED");
  const duration = paint("dim", `${(durationMs / 1000).toFixed(1)} s`.padStart(8));
  console.log(`${verdict} ${name.padEnd(18)} ${duration}  ${figures}`.trimEnd());
  for (const skip of skips) console.log(`  ${paint("yellow", "SKIPPED")} ${skip}`);
  if (kind === "failed") console.log(`\n${output.trim()}\n`);
}

process.chdir(ROOT);
// Stages write into pipes and would take that, or CI, as their cue for colours.
const wantsColour = process.stdout.isTTY && process.env.NO_COLOR === undefined;
delete process.env.FORCE_COLOR;
process.env[wantsColour ? "FORCE_COLOR" : "NO_COLOR"] = "1";
process.env.PATH = [join(ROOT, "node_modules/.bin"), process.env.PATH].join(delimiter);

const total = { passed: 0, failed: 0, skipped: 0 };
const broken: string[] = [];
const started = performance.now();
for (const { name, run } of STAGES) {
  const begun = performance.now();
  const outcome = await run().catch((error: unknown) =>
    failed(error instanceof Error ? `${error.stack}` : String(error)),
  );
  if (outcome.kind === "absent") continue;
  report(name, outcome, performance.now() - begun);
  if (outcome.kind === "failed") broken.push(name);
  total.passed += outcome.tests.passed;
  total.failed += outcome.tests.failed;
  total.skipped += outcome.tests.skipped;
}
const took = `in ${((performance.now() - started) / 1000).toFixed(0)} s`;
console.log(
  broken.length === 0
    ? paint("green", `\nAll stages hold, ${took}.`)
    : paint("red", `\nFailed: ${broken.join(", ")}, ${took}.`),
);
console.log(`${total.passed} passed, ${total.failed} failed, ${total.skipped} skipped`);
process.exitCode = broken.length === 0 ? 0 : 1;
