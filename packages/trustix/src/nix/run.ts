// Runs one command of the local Nix without a shell, within bounds of time and output.

import { type ChildProcess, spawn } from "node:child_process";
import { TrustixError } from "../errors.ts";

/** One command to run. Nothing of it is ever interpreted by a shell. */
export interface NixCommand {
  /** Absolute path, or a name to look up in `env.PATH`. */
  readonly file: string;
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string | undefined>>;
  /** The command is killed when it neither writes nor ends for this long, while its output is being awaited. */
  readonly timeoutMs: number;
  /** The command is killed when it has written more than this to its standard output. */
  readonly maxOutputBytes: number;
  readonly signal?: AbortSignal | undefined;
}

/** How a command ended. */
export interface NixResult {
  readonly exitCode: number;
  /** Owned by the caller. */
  readonly stdout: Uint8Array;
  /** The last {@link MAX_STDERR_BYTES} bytes of what the command said on standard error. */
  readonly stderr: string;
}

/** Runs a command to its end. Tests pass their own. */
export type RunNix = (command: NixCommand) => Promise<NixResult>;

/** What is kept of a command's standard error, for messages. */
export const MAX_STDERR_BYTES = 8 * 1024;

/**
 * Runs a command and collects its standard output.
 *
 * A command that ends with any exit code is a result, not an error.
 * @throws TrustixError `NIX_UNAVAILABLE` when it cannot be started, is killed by a signal or is silent for
 * `timeoutMs`; `NIX_OUTPUT_INVALID` when it writes more than `maxOutputBytes`; the signal's reason when aborted.
 */
export const runNix: RunNix = async (command) => {
  const chunks: Buffer[] = [];
  const running = start(command);
  for await (const chunk of running.stdout()) chunks.push(chunk);
  const { exitCode, stderr } = await running.end();
  return { exitCode, stdout: Buffer.concat(chunks), stderr };
};

/**
 * Runs a command and yields its standard output line by line, without the line feeds, holding one chunk at a time.
 * Leaving the loop early kills the command.
 *
 * @throws TrustixError as {@link runNix}, and `NIX_UNAVAILABLE` when the command's exit code is not 0.
 */
export async function* streamNixLines(command: NixCommand, maxLineBytes: number): AsyncGenerator<string> {
  const running = start(command);
  let rest: Buffer<ArrayBufferLike> = Buffer.alloc(0);
  try {
    for await (const chunk of running.stdout()) {
      let from = 0;
      for (let lf = chunk.indexOf(10); lf >= 0; lf = chunk.indexOf(10, from)) {
        const line = chunk.subarray(from, lf);
        yield (rest.length === 0 ? line : Buffer.concat([rest, line])).toString("utf8");
        rest = Buffer.alloc(0);
        from = lf + 1;
      }
      rest = Buffer.concat([rest, chunk.subarray(from)]);
      if (rest.length > maxLineBytes) {
        throw new TrustixError(
          "NIX_OUTPUT_INVALID",
          `${describe(command)} wrote a line over ${maxLineBytes} bytes`,
        );
      }
    }
    const { exitCode, stderr } = await running.end();
    if (exitCode !== 0) throw commandFailed(command, exitCode, stderr);
    if (rest.length > 0) yield rest.toString("utf8");
  } finally {
    running.kill();
  }
}

/** The error for a command that ended with an exit code that it should not have. */
export function commandFailed(command: NixCommand, exitCode: number, stderr: string): TrustixError {
  const said = stderr.trim().split("\n").at(-1) ?? "";
  return new TrustixError(
    "NIX_UNAVAILABLE",
    `${describe(command)} ended with ${exitCode}: ${said.slice(0, 500)}`,
    {
      hint: "Check that the Nix daemon runs and that this user may talk to it (nix store ping).",
    },
  );
}

interface Running {
  stdout(): AsyncGenerator<Buffer>;
  end(): Promise<{ readonly exitCode: number; readonly stderr: string }>;
  kill(): void;
}

function start(command: NixCommand): Running {
  command.signal?.throwIfAborted();
  let stopped: unknown;
  let child: ChildProcess;
  try {
    child = spawn(command.file, [...command.args], {
      env: { ...command.env, LC_ALL: "C" },
      stdio: ["ignore", "pipe", "pipe"],
      shell: false,
    });
  } catch (cause) {
    throw cannotStart(command, cause);
  }
  const stop = (reason: unknown): void => {
    stopped ??= reason;
    child.kill("SIGKILL");
    // A child of its own, where `nix-store` is a wrapper, may hold the other ends open for ever.
    child.stdout?.destroy();
    child.stderr?.destroy();
  };
  const onAbort = (): void => stop(command.signal?.reason);
  command.signal?.addEventListener("abort", onAbort, { once: true });
  const onSilence = (): void =>
    stop(new TrustixError("NIX_UNAVAILABLE", `${describe(command)} was silent for ${command.timeoutMs} ms`));
  let isOver = false;
  let timer: NodeJS.Timeout | undefined;
  const awaitOutput = (): void => {
    if (!isOver) timer = setTimeout(onSilence, command.timeoutMs);
  };
  awaitOutput();

  let stderr = Buffer.alloc(0);
  child.stderr?.on("data", (chunk: Buffer) => {
    stderr = Buffer.concat([stderr, chunk]);
    if (stderr.length > MAX_STDERR_BYTES) stderr = Buffer.from(stderr.subarray(-MAX_STDERR_BYTES));
  });
  const ended = new Promise<number>((resolve, reject) => {
    child.once("error", (cause) => reject(cannotStart(command, cause)));
    child.once("close", (code, signal) => {
      if (stopped !== undefined) reject(stopped);
      else if (code !== null) resolve(code);
      else reject(new TrustixError("NIX_UNAVAILABLE", `${describe(command)} was killed by ${signal}`));
    });
  }).finally(() => {
    isOver = true;
    clearTimeout(timer);
    command.signal?.removeEventListener("abort", onAbort);
  });
  ended.catch(() => {}); // Reported by end(); a loop that was left early never asks.

  return {
    async *stdout() {
      let bytes = 0;
      try {
        for await (const chunk of child.stdout ?? []) {
          clearTimeout(timer);
          bytes += chunk.length;
          if (bytes > command.maxOutputBytes) {
            stop(
              new TrustixError(
                "NIX_OUTPUT_INVALID",
                `${describe(command)} wrote over ${command.maxOutputBytes} bytes`,
              ),
            );
            break;
          }
          yield chunk;
          awaitOutput();
        }
      } catch (error) {
        // A stream that was destroyed says so here; end() tells why.
        if (stopped === undefined) throw error;
      }
    },
    end: async () => ({ exitCode: await ended, stderr: stderr.toString("utf8") }),
    kill: () => stop(new TrustixError("CLOSED", `${describe(command)} is no longer needed`)),
  };
}

function cannotStart(command: NixCommand, cause: unknown): TrustixError {
  return new TrustixError("NIX_UNAVAILABLE", `cannot run ${command.file}`, {
    cause,
    hint: "Install Nix, or set the folder of its commands in the configuration.",
  });
}

/** The command without its paths, which may be hundreds. */
function describe(command: NixCommand): string {
  return [command.file, ...command.args.filter((arg) => !arg.startsWith("/")).slice(0, 8)].join(" ");
}
