// Stages made of vitest projects, counted from vitest's own JSON report.

import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import vitestConfig from "../../vitest.config.ts";
import { run } from "../outside-tools/process.ts";
import { failed, type Outcome, passed } from "./stage.ts";

/** The part of vitest's JSON report that we read. */
interface Report {
  readonly numPassedTests: number;
  readonly numFailedTests: number;
  readonly numPendingTests: number;
  readonly numTodoTests: number;
  readonly testResults: readonly {
    readonly assertionResults: readonly { readonly status: string; readonly fullName: string }[];
  }[];
}

/** A stage that runs the named vitest projects; absent when none of them is configured. */
export function vitestStage(...projects: readonly string[]): () => Promise<Outcome> {
  return async () => {
    const names = projects.filter((name) => configuredProjects().includes(name));
    if (names.length === 0) return { kind: "absent" };
    const directory = await mkdtemp(join(tmpdir(), "trustix-test-"));
    try {
      const file = join(directory, "report.json");
      const reporters = ["--reporter=dot", "--reporter=json", `--outputFile.json=${file}`];
      const args = ["run", ...names.flatMap((name) => ["--project", name]), ...reporters];
      const { status, stdout, stderr } = await run("vitest", args);
      const report: Report | undefined = await readFile(file, "utf8").then(JSON.parse, () => undefined);
      const tests = {
        passed: report?.numPassedTests ?? 0,
        failed: report?.numFailedTests ?? 0,
        skipped: (report?.numPendingTests ?? 0) + (report?.numTodoTests ?? 0),
      };
      const skips = skippedTests(report);
      return status === 0 && report ? passed(tests, skips) : failed(stdout + stderr, tests, skips);
    } finally {
      await rm(directory, { recursive: true, force: true });
    }
  };
}

function configuredProjects(): readonly string[] {
  const projects = vitestConfig.test?.projects ?? [];
  return projects.flatMap((project) => {
    const name = typeof project === "object" && "test" in project ? project.test?.name : undefined;
    return typeof name === "string" ? [name] : [];
  });
}

function skippedTests(report: Report | undefined): string[] {
  const all = report?.testResults.flatMap(({ assertionResults }) => assertionResults) ?? [];
  return all
    .filter(({ status }) => status !== "passed" && status !== "failed")
    .map(({ fullName }) => fullName);
}
