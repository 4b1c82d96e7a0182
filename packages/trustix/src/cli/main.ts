// The program `trustix`: connects the command line with this process.
import { EXIT } from "./failure.ts";
import type { Io } from "./io.ts";
import { runCli } from "./run.ts";

function processIo(signal: AbortSignal): Io {
  return {
    out: (line) => void process.stdout.write(`${line}\n`),
    err: (line) => void process.stderr.write(`${line}\n`),
    errRaw: (text) => void process.stderr.write(text),
    env: process.env,
    isTty: process.stdout.isTTY === true,
    errIsTty: process.stderr.isTTY === true,
    signal,
    now: () => new Date(),
  };
}

const stop = new AbortController();
for (const name of ["SIGINT", "SIGTERM"] as const) process.once(name, () => stop.abort());
// `trustix … | head` closes the pipe early; that is no failure.
process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  if (error.code !== "EPIPE") throw error;
  process.exitCode = EXIT.ok;
  stop.abort();
});
process.exitCode = await runCli(process.argv.slice(2), processIo(stop.signal));
