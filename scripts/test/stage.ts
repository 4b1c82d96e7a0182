// What `npm test` is made of: a stage runs something and says how it went.

import { run } from "../outside-tools/process.ts";

/** Numbers of tests, as the closing line sums them. */
export interface Tests {
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
}

/** How a stage went. `absent`: this workspace has nothing for it to run. */
export type Outcome =
  | { readonly kind: "absent" }
  | {
      readonly kind: "passed" | "failed";
      readonly tests: Tests;
      /** What was left out and how to have it run, a line each; shown whatever the outcome. */
      readonly skips: readonly string[];
      /** Shown in full when the stage failed. */
      readonly output: string;
    };

/** One line of the report. */
export interface Stage {
  readonly name: string;
  readonly run: () => Promise<Outcome>;
}

/** True where a missing outside tool must fail the run. */
export const IN_CI = process.env.CI === "true";

/** A stage that held. */
export function passed(tests: Partial<Tests> = {}, skips: readonly string[] = []): Outcome {
  return { kind: "passed", tests: { passed: 0, failed: 0, skipped: 0, ...tests }, skips, output: "" };
}

/** A stage that did not hold: at least one failure is counted, so that no failing run can look whole. */
export function failed(output: string, tests: Partial<Tests> = {}, skips: readonly string[] = []): Outcome {
  const counted = { passed: 0, skipped: 0, ...tests, failed: Math.max(1, tests.failed ?? 0) };
  return { kind: "failed", tests: counted, skips, output };
}

/** A stage that is one command: it holds if the command exits 0. */
export function commandStage(command: string, args: readonly string[]): () => Promise<Outcome> {
  return async () => {
    const { status, signal, stdout, stderr } = await run(command, args);
    if (status === 0) return passed();
    return failed(`$ ${[command, ...args].join(" ")}\n${stdout}${stderr}exited ${status ?? signal}`);
  };
}
