// Runs commands of `trustix` in this process: they are what a user types, without the time that a new process takes.

import { runCli } from "trustix/src/cli/run.ts";

/** Runs a command that has to succeed, with `--json`, and returns what it prints. */
export async function runJson(...args: readonly string[]): Promise<unknown> {
  const out: string[] = [];
  const err: string[] = [];
  const status = await runCli([...args, "--json"], {
    out: (line) => void out.push(line),
    err: (line) => void err.push(line),
    errRaw: () => {},
    setExitStatus: () => {},
    env: {},
    isTty: false,
    errIsTty: false,
    inIsTty: false,
    ask: async () => undefined,
    signal: new AbortController().signal,
    now: () => new Date(),
  });
  if (status !== 0)
    throw new Error(`trustix ${args.join(" ")} exited ${status}\n${[...out, ...err].join("\n")}`);
  return JSON.parse(out.join("\n"));
}
