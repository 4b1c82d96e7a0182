// Runs commands of `trustix` in this process: they are what a user types, without the time that a new process takes.

import { runCli } from "trustix/src/cli/run.ts";

/** What a command printed. */
export interface Printed {
  readonly out: string;
  readonly err: string;
}

/** Runs a command that has to succeed. `isTty`: it prints for people. */
export async function runCommand(args: readonly string[], isTty = false): Promise<Printed> {
  const out: string[] = [];
  const err: string[] = [];
  const status = await runCli(args, {
    out: (line) => void out.push(line),
    err: (line) => void err.push(line),
    errRaw: () => {},
    setExitStatus: () => {},
    env: {},
    isTty,
    errIsTty: false,
    inIsTty: false,
    ask: async () => undefined,
    signal: new AbortController().signal,
    now: () => new Date(),
  });
  const printed = { out: out.join("\n"), err: err.join("\n") };
  if (status === 0) return printed;
  throw new Error(`trustix ${args.join(" ")} exited ${status}\n${printed.out}\n${printed.err}`);
}

/** As {@link runCommand}, with `--json`; returns what it prints. */
export async function runJson(...args: readonly string[]): Promise<unknown> {
  return JSON.parse((await runCommand([...args, "--json"])).out);
}
