// Running a program to its end and keeping what it said.

import { spawn } from "node:child_process";

/** What a finished program left behind. */
export interface Finished {
  /** Exit status; null when a signal ended it. */
  readonly status: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** How a program is run. */
export interface RunOptions {
  readonly cwd?: string;
  /** The whole environment; default: this process's. */
  readonly env?: NodeJS.ProcessEnv;
  /** Written to standard input, which is then closed. */
  readonly input?: string | Uint8Array;
  /** Ends the program; it then has no status. */
  readonly signal?: AbortSignal;
  /** Throw a {@link CommandError} unless the program exits 0. */
  readonly check?: boolean;
}

/** A program that could not be started, or failed although it had to succeed. */
class CommandError extends Error {
  override readonly name = "CommandError";
  readonly finished: Finished | undefined;

  constructor(message: string, finished?: Finished, cause?: unknown) {
    super(message, { cause });
    this.finished = finished;
  }
}

/** Runs a program to its end. Output is kept in memory, so it is meant for programs that say little. */
export function run(command: string, args: readonly string[], options: RunOptions = {}): Promise<Finished> {
  const { promise, resolve, reject } = Promise.withResolvers<Finished>();
  const child = spawn(command, args, {
    cwd: options.cwd,
    env: options.env,
    signal: options.signal,
    stdio: [options.input === undefined ? "ignore" : "pipe", "pipe", "pipe"],
  });
  const stdout: Buffer[] = [];
  const stderr: Buffer[] = [];
  child.stdout?.on("data", (chunk: Buffer) => stdout.push(chunk));
  child.stderr?.on("data", (chunk: Buffer) => stderr.push(chunk));
  // A program may close its input before it has read all of it; its status tells whether that mattered.
  child.stdin?.on("error", () => {});
  if (options.input !== undefined) child.stdin?.end(options.input);
  child.on("error", (cause) => {
    if (cause.name !== "AbortError")
      reject(new CommandError(`${command}: ${cause.message}`, undefined, cause));
  });
  child.on("close", (status, signal) => {
    const finished: Finished = {
      status,
      signal,
      stdout: Buffer.concat(stdout).toString(),
      stderr: Buffer.concat(stderr).toString(),
    };
    if (options.check && status !== 0) {
      const said = (finished.stderr || finished.stdout).trimEnd();
      const how = signal === null ? `exited ${status}` : `was ended by ${signal}`;
      reject(new CommandError(`${[command, ...args].join(" ")} ${how}\n${said}`, finished));
    } else {
      resolve(finished);
    }
  });
  return promise;
}
