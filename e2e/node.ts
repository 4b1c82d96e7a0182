// Runs the program as its users do, in processes of its own: commands to their end, and daemons.

import { type ChildProcess, type ChildProcessByStdio, spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import type { Readable } from "node:stream";
import { setTimeout as sleep } from "node:timers/promises";
import { DaemonClient } from "trustix/src/cli/client.ts";
import type { NodeStatus } from "trustix/src/daemon/status.ts";
import { type Finished, run } from "../scripts/outside-tools/process.ts";

const MAIN = join(import.meta.dirname, "../packages/trustix/src/cli/main.ts");

/** Where commands run. A `Nix` is one, and then they see its /nix. */
export interface Place {
  readonly env: NodeJS.ProcessEnv;
  /** Put before each command line. */
  readonly prefix: readonly string[];
  /** Runs this program instead of the sources. */
  readonly program?: string;
}

/** The machine as it is. */
export const HERE: Place = { env: process.env, prefix: [] };

/** A daemon that is ready. Disposing stops it gracefully. */
export interface RunningDaemon extends AsyncDisposable {
  readonly child: ChildProcess;
  /** What it has written to standard error so far. */
  readonly log: () => string;
  readonly status: NodeStatus;
  /** Where its public listener is, without a slash at the end. */
  readonly url: string;
  /** Sends a signal and returns exit status and signal once it has ended. */
  end(signal: NodeJS.Signals): Promise<readonly [number | null, NodeJS.Signals | null]>;
}

const SOURCES = ["--conditions=@trustix/source", "--disable-warning=ExperimentalWarning", MAIN];

function commandLine(place: Place, args: readonly string[]): [string, ...string[]] {
  const program = place.program === undefined ? SOURCES : [place.program];
  const [first, ...rest] = [...place.prefix, process.execPath, ...program, ...args];
  return [first!, ...rest];
}

const environment = (place: Place): NodeJS.ProcessEnv => ({
  ...place.env,
  TRUSTIX_CONFIG: "",
  NO_COLOR: "1",
});

/** Runs `trustix` with some words in a directory, to its end. */
export function trustix(place: Place, cwd: string, ...args: readonly string[]): Promise<Finished> {
  const [command, ...rest] = commandLine(place, args);
  return run(command, rest, { cwd, env: environment(place) });
}

/** As {@link trustix} with `--json`, for a command that has to succeed: what it prints. */
export async function trustixJson(place: Place, cwd: string, ...args: readonly string[]): Promise<unknown> {
  const { status, stdout, stderr } = await trustix(place, cwd, ...args, "--json");
  if (status !== 0) throw new Error(`trustix ${args.join(" ")} exited ${status}\n${stdout}${stderr}`);
  return JSON.parse(stdout);
}

/** Starts the daemon of the configuration in a directory. Its standard error has to be read. */
export function spawnDaemon(place: Place, cwd: string): ChildProcessByStdio<null, null, Readable> {
  const [command, ...args] = commandLine(place, ["daemon"]);
  return spawn(command, args, { cwd, env: environment(place), stdio: ["ignore", "ignore", "pipe"] });
}

/** As {@link spawnDaemon}, and waits until it is ready. */
export async function startDaemon(place: Place, cwd: string): Promise<RunningDaemon> {
  const child = spawnDaemon(place, cwd);
  const ended = once(child, "exit");
  let log = "";
  child.stderr.on("data", (part: Buffer) => {
    log += part.toString();
  });
  const end = async (signal: NodeJS.Signals) => {
    child.kill(signal);
    const [status, by] = await ended;
    return [status, by] as const;
  };
  for (let waitedMs = 0; !log.includes("trustix is ready"); waitedMs += 20) {
    if (child.exitCode !== null || child.signalCode !== null || waitedMs > 60_000) {
      await end("SIGKILL");
      throw new Error(`the daemon does not start: ${log}`);
    }
    await sleep(20);
  }
  const { signal } = new AbortController();
  const client = new DaemonClient(join(cwd, "state/admin.sock"));
  const status = (await client.json({ method: "GET", path: "/api/v1/status", signal })) as NodeStatus;
  const url = `http://${status.listen[0]}`;
  return {
    child,
    log: () => log,
    status,
    url,
    end,
    [Symbol.asyncDispose]: async () => void (await end("SIGTERM")),
  };
}

/** Asks until an answer passes; fails after half a minute. */
export async function eventually<T>(ask: () => Promise<T>, passes: (value: T) => boolean): Promise<T> {
  for (const deadlineMs = performance.now() + 30_000; ; await sleep(50)) {
    const value = await ask();
    if (passes(value)) return value;
    if (performance.now() > deadlineMs) throw new Error(`still ${JSON.stringify(value)}`);
  }
}
