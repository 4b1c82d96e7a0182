// Worker thread: decompresses one xz file after the other and hashes what comes out. xz-decompress is xz-embedded in
// WebAssembly, which takes dictionaries of up to 64 MiB: what `xz -9` makes. Where the machine has the program xz, that one
// takes the large files: it is 1.7 times as fast, and starting it costs a few milliseconds.
import { type ChildProcess, spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { parentPort, workerData } from "node:worker_threads";
import xz from "xz-decompress";
import type { FromXzWorker, ToXzWorker, XzWorkerData } from "./xz-pool.ts";

const port = parentPort!;
const send = (message: FromXzWorker): void => port.postMessage(message);

/** Input of the running job. */
let queue: Uint8Array[] = [];
let hasEnded = false;
let wake = (): void => {};

async function* input(): AsyncGenerator<Uint8Array> {
  for (;;) {
    const chunk = queue.shift();
    if (chunk !== undefined) {
      send({ type: "taken", bytes: chunk.length });
      yield chunk;
    } else if (hasEnded) return;
    else {
      await new Promise<void>((resolve) => {
        wake = resolve;
      });
    }
  }
}

/** NARs from this size on go to the program. */
const MIN_PROGRAM_BYTES = 2 << 20;
/** The decoder's own limit is that of the WebAssembly: a dictionary of 64 MiB, and a little more to work with. */
const PROGRAM_ARGUMENTS = ["-dcq", "--format=xz", "--threads=1", "--memlimit-decompress=80MiB"];

/** The program that runs. Whoever started it must wait for its end: nobody else does, and it would stay as a zombie. */
let running: ChildProcess | undefined;

/** What the program makes of the input; undefined when it cannot be started, with the input untouched. */
async function byProgram(program: string): Promise<AsyncIterable<Uint8Array> | undefined> {
  // Nothing but the path: options for xz may stand in the environment.
  const env = { PATH: process.env.PATH };
  const child = spawn(program, PROGRAM_ARGUMENTS, { stdio: ["pipe", "pipe", "ignore"], env });
  if (child.pid === undefined) {
    await once(child, "error");
    return undefined;
  }
  running = child;
  const ended = once(child, "exit");
  // A file that is refused early closes the pipe; the status says so, too.
  pipeline(Readable.from(input(), { objectMode: false }), child.stdin).catch(() => {});
  return (async function* () {
    try {
      yield* child.stdout;
      const [status] = await ended;
      if (status !== 0) throw new Error(`xz ended with status ${status}`);
    } finally {
      child.kill("SIGKILL");
      await ended;
      running = undefined;
    }
  })();
}

async function decompress(maxBytes: number): Promise<AsyncIterable<Uint8Array>> {
  const { program } = workerData as XzWorkerData;
  const ofProgram =
    program === undefined || maxBytes < MIN_PROGRAM_BYTES ? undefined : await byProgram(program);
  return ofProgram ?? new xz.XzReadableStream(ReadableStream.from(input()));
}

/** Runs one job; ends early when more than `maxBytes` come out. */
async function run(maxBytes: number): Promise<void> {
  const hash = createHash("sha256");
  let size = 0;
  for await (const chunk of await decompress(maxBytes)) {
    size += chunk.length;
    if (size > maxBytes) break;
    hash.update(chunk);
  }
  send({ type: "done", size, digest: hash.digest() });
}

port.on("message", (message: ToXzWorker) => {
  switch (message.type) {
    case "start":
      queue = [];
      hasEnded = false;
      run(message.maxBytes).catch((error: unknown) => send({ type: "failed", reason: String(error) }));
      break;
    case "chunk":
      queue.push(message.chunk);
      wake();
      break;
    case "end":
      hasEnded = true;
      wake();
      break;
    case "stop":
      queue = [];
      running?.kill("SIGKILL");
      // The thread ends once the program has.
      port.close();
      break;
    default:
      message satisfies never;
  }
});
