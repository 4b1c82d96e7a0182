// Worker thread: decompresses one xz file after the other and hashes what comes out. xz-decompress is xz-embedded in
// WebAssembly, which takes dictionaries of up to 64 MiB: what `xz -9` makes.
import { createHash } from "node:crypto";
import { parentPort } from "node:worker_threads";
import xz from "xz-decompress";
import type { FromXzWorker, ToXzWorker } from "./xz-pool.ts";

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

/** Runs one job; ends early when more than `maxBytes` come out. */
async function run(maxBytes: number): Promise<void> {
  const hash = createHash("sha256");
  let size = 0;
  for await (const chunk of new xz.XzReadableStream(ReadableStream.from(input()))) {
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
    default:
      message satisfies never;
  }
});
