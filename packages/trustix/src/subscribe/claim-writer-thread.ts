// The thread of the claim writer: calls come as messages, and are answered in order.

import { parentPort, workerData } from "node:worker_threads";
import { TrustixError, type TrustixErrorCode } from "../errors.ts";
import { ClaimWriter, type LogState } from "./claim-writer.ts";

type Method = "log" | "update" | "append" | "forget" | "trimFeed";

/** A call of a method, with a number of the caller's choice. */
export type ToWriter = {
  readonly [M in Method]: {
    readonly call: number;
    readonly method: M;
    readonly args: Parameters<ClaimWriter[M]>;
  };
}[Method];

/** What came of it. Call 0 is the opening of the database. */
export type FromWriter = { readonly call: number } & (
  | { readonly ok: true; readonly state: LogState | undefined }
  | {
      readonly ok: false;
      readonly code: TrustixErrorCode;
      readonly message: string;
      readonly hint: string | undefined;
    }
);

function answer(call: number, work: () => LogState | undefined): boolean {
  let reply: FromWriter;
  try {
    reply = { call, ok: true, state: work() };
  } catch (error) {
    const { code, message, hint } = asTrustixError(error);
    reply = { call, ok: false, code, message, hint };
  }
  parentPort!.postMessage(reply);
  return reply.ok;
}

function asTrustixError(error: unknown): TrustixError {
  if (error instanceof TrustixError) return error;
  const message = error instanceof Error ? error.message : String(error);
  return new TrustixError("STORAGE_FAILED", `cannot write claims: ${message}`, {
    hint: "Check the disk: it may be full or failing. Nothing is lost; it is tried again by itself.",
  });
}

let writer: ClaimWriter | undefined;

function call(message: ToWriter): LogState | undefined {
  switch (message.method) {
    case "log":
      return writer!.log(...message.args);
    case "update":
      return writer!.update(...message.args);
    case "append":
      return writer!.append(...message.args);
    case "forget":
      return writer!.forget(...message.args);
    case "trimFeed":
      writer!.trimFeed(...message.args);
      return undefined;
    default:
      return message satisfies never;
  }
}

const isOpen = answer(0, () => {
  writer = ClaimWriter.open(workerData as string);
  return undefined;
});
if (isOpen) {
  parentPort!.on("message", (message: ToWriter | "close") => {
    if (message === "close") {
      writer![Symbol.dispose]();
      parentPort!.close();
    } else answer(message.call, () => call(message));
  });
}
