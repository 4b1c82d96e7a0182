// The program `trustix`: connects the command line with this process.
import { createInterface } from "node:readline/promises";
import { EXIT } from "./failure.ts";
import type { Io } from "./io.ts";
import { runCli } from "./run.ts";

let exitStatus: number = EXIT.ok;

function processIo(signal: AbortSignal): Io {
  return {
    out: (line) => void process.stdout.write(`${line}\n`),
    err: (line) => void process.stderr.write(`${line}\n`),
    errRaw: (text) => void process.stderr.write(text),
    setExitStatus: (status) => {
      exitStatus = status;
    },
    env: process.env,
    isTty: process.stdout.isTTY === true,
    errIsTty: process.stderr.isTTY === true,
    inIsTty: process.stdin.isTTY === true,
    ask: (question) => ask(question, signal),
    signal,
    now: () => new Date(),
  };
}

async function ask(question: string, signal: AbortSignal): Promise<string | undefined> {
  const lines = createInterface({ input: process.stdin, output: process.stderr });
  try {
    return await lines.question(question, { signal });
  } catch {
    return undefined;
  } finally {
    lines.close();
  }
}

const stop = new AbortController();
for (const name of ["SIGINT", "SIGTERM"] as const) process.once(name, () => stop.abort());
// `trustix … | head` closes the pipe early; that is no failure.
process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  if (error.code !== "EPIPE") throw error;
  process.exitCode = EXIT.ok;
  stop.abort();
});
const failure = await runCli(process.argv.slice(2), processIo(stop.signal));
process.exitCode = failure === EXIT.ok ? exitStatus : failure;
