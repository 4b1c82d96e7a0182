// Runs the real program in real processes, from its sources.
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { setTimeout as sleep } from "node:timers/promises";

const MAIN = join(import.meta.dirname, "main.ts");

/** A command that has ended. */
export interface Run {
  readonly status: number | null;
  readonly out: string;
  readonly err: string;
}

/** Starts `trustix` in a directory. */
function start(cwd: string, args: readonly string[]): ChildProcess {
  const env = { ...process.env, TRUSTIX_CONFIG: "", NO_COLOR: "1" };
  return spawn(process.execPath, ["--conditions=@trustix/source", MAIN, ...args], {
    cwd,
    env,
    stdio: ["ignore", "pipe", "pipe"],
  });
}

/** Runs `trustix` with some words in a directory, to its end. */
export async function trustix(cwd: string, ...args: readonly string[]): Promise<Run> {
  const child = start(cwd, args);
  const [out, err] = await Promise.all([text(child.stdout!), text(child.stderr!), once(child, "close")]);
  return { status: child.exitCode, out, err };
}

/** A daemon that is ready, and what it has written so far. */
export interface RunningDaemon extends AsyncDisposable {
  readonly child: ChildProcess;
  readonly log: () => string;
}

/** Starts the daemon of the configuration in a directory, and waits until it is ready. */
export async function startDaemon(cwd: string): Promise<RunningDaemon> {
  const child = start(cwd, ["daemon"]);
  let log = "";
  child.stderr!.on("data", (part: Buffer) => {
    log += part.toString();
  });
  const stop = async (): Promise<void> => {
    if (child.exitCode !== null) return;
    child.kill("SIGTERM");
    await once(child, "exit");
  };
  for (let waited = 0; !log.includes("trustix is ready"); waited += 20) {
    if (child.exitCode !== null || waited > 20_000) throw new Error(`the daemon does not start: ${log}`);
    await sleep(20);
  }
  return { child, log: () => log, [Symbol.asyncDispose]: stop };
}
