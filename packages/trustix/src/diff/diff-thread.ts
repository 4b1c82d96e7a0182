// The thread of a comparison: unpacks two NARs while they come, and compares them. Whatever they contain, it costs the other
// threads nothing, and it can be ended at any time.
import { createReadStream } from "node:fs";
import { parentPort } from "node:worker_threads";
import { NixError } from "@trustix/nix";
import { TrustixError, type TrustixErrorCode } from "../errors.ts";
import { giveWay } from "../threads.ts";
import { diffNars, type NarDiff } from "./nar-diff.ts";
import { type StatedNar, unpackNar } from "./unpack-nar.ts";

/** `transfer` is a number of the sender's choice. */
export type ToDiffThread =
  | {
      readonly type: "receive";
      readonly transfer: number;
      readonly compression: string;
      readonly stated: StatedNar;
      readonly path: string;
    }
  | { readonly type: "chunk"; readonly transfer: number; readonly chunk: Uint8Array }
  | { readonly type: "end"; readonly transfer: number }
  /** Files that were received whole. */
  | { readonly type: "compare"; readonly before: string; readonly after: string };

interface Failure {
  readonly code: TrustixErrorCode;
  readonly message: string;
  readonly hint: string | undefined;
}

export type FromDiffThread =
  /** Compressed bytes that were taken in. */
  | { readonly type: "taken"; readonly transfer: number; readonly bytes: number }
  /** Bytes of the NAR that are there. */
  | { readonly type: "unpacked"; readonly transfer: number; readonly bytes: number }
  | { readonly type: "received"; readonly transfer: number; readonly failure: Failure | undefined }
  | ({ readonly type: "compared" } & ({ readonly diff: NarDiff } | { readonly failure: Failure }));

giveWay();

const port = parentPort!;
const send = (message: FromDiffThread): void => port.postMessage(message);

/** How often it is said how far a NAR is, in bytes. */
const PROGRESS_BYTES = 1 << 20;
const READ_BYTES = 256 * 1024;

/** The compressed bytes of one transfer. */
class Input {
  readonly #transfer: number;
  readonly #queue: Uint8Array[] = [];
  #hasEnded = false;
  #wake = (): void => {};

  constructor(transfer: number) {
    this.#transfer = transfer;
  }

  add(chunk: Uint8Array): void {
    this.#queue.push(chunk);
    this.#wake();
  }

  end(): void {
    this.#hasEnded = true;
    this.#wake();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array> {
    for (;;) {
      const chunk = this.#queue.shift();
      if (chunk !== undefined) {
        send({ type: "taken", transfer: this.#transfer, bytes: chunk.length });
        yield chunk;
      } else if (this.#hasEnded) return;
      else {
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
        });
      }
    }
  }
}

const inputs = new Map<number, Input>();

async function receive({
  transfer,
  compression,
  stated,
  path,
}: Extract<ToDiffThread, { type: "receive" }>): Promise<void> {
  const input = new Input(transfer);
  inputs.set(transfer, input);
  let saidBytes = 0;
  const onBytes = (bytes: number): void => {
    if (bytes - saidBytes < PROGRESS_BYTES) return;
    saidBytes = bytes;
    send({ type: "unpacked", transfer, bytes });
  };
  try {
    await unpackNar(input, compression, stated, path, onBytes);
    send({ type: "unpacked", transfer, bytes: stated.narSize });
    send({ type: "received", transfer, failure: undefined });
  } catch (error) {
    send({ type: "received", transfer, failure: asFailure(error) });
  }
  inputs.delete(transfer);
}

async function compare(before: string, after: string): Promise<void> {
  const open = (path: string) => createReadStream(path, { highWaterMark: READ_BYTES });
  try {
    send({ type: "compared", diff: await diffNars(open(before), open(after)) });
  } catch (error) {
    send({ type: "compared", failure: asFailure(error) });
  }
}

function asFailure(error: unknown): Failure {
  if (error instanceof TrustixError) return { code: error.code, message: error.message, hint: error.hint };
  const message = error instanceof Error ? error.message : String(error);
  // A builder has stated, and a cache delivered, what no Nix makes.
  if (error instanceof NixError) {
    return {
      code: "NAR_UNAVAILABLE",
      message: `what was stated is no well-formed NAR: ${message}`,
      hint: undefined,
    };
  }
  return { code: "INTERNAL", message, hint: undefined };
}

port.on("message", (message: ToDiffThread) => {
  switch (message.type) {
    case "receive":
      void receive(message);
      break;
    case "chunk":
      inputs.get(message.transfer)?.add(message.chunk);
      break;
    case "end":
      inputs.get(message.transfer)?.end();
      break;
    case "compare":
      void compare(message.before, message.after);
      break;
    default:
      message satisfies never;
  }
});
