// The thread that answers questions about all paths and builders, so that nobody who substitutes or reads logs waits for
// them. Calls come as messages and are answered as they get done; long ones work in pieces, and short ones in between.
import { setTimeout as sleep } from "node:timers/promises";
import { parentPort, workerData } from "node:worker_threads";
import { isDamage, removeIfDamaged } from "../analyse/analysis-database.ts";
import { InsightQueries, type InsightQueriesOptions } from "../analyse/queries/insight-queries.ts";
import { TrustixError, type TrustixErrorCode } from "../errors.ts";
import type { LiveEventJson, PathsQuery, ReportRequest } from "../http/insight-schema.ts";
import { matchesGlob } from "../policy/glob.ts";
import { ClaimReader } from "../subscribe/claim-reader.ts";

/** What the thread is started with. */
export type InsightThreadData = Pick<InsightQueriesOptions, "storeDir" | "subscriptions" | "operators"> & {
  /** The databases. */
  readonly claimsPath: string;
  readonly analysisPath: string;
};

/** A question. */
export type Question =
  | { readonly about: "overview" | "builders" }
  | { readonly about: "paths"; readonly query: PathsQuery }
  | { readonly about: "path"; readonly hashPart: string }
  | { readonly about: "report"; readonly request: ReportRequest };

/** A question with a number of the caller's choice; or the end of one, or of the thread. */
export type ToInsight =
  | { readonly call: number; readonly question: Question }
  | { readonly cancel: number }
  | "close";

/** What came of a call; or the present state, whenever it has changed. */
export type FromInsight =
  | { readonly call: number; readonly ok: true; readonly value: unknown }
  | {
      readonly call: number;
      readonly ok: false;
      readonly code: TrustixErrorCode;
      readonly message: string;
      readonly hint: string | undefined;
    }
  | { readonly live: LiveEventJson }
  | { readonly problem: string };

/** Between two looks at whether anything is new. */
const LOOK_MS = 250;
/** Between two messages about the present state, at least. */
const TELL_MS = 1000;
/** Between two checks of the whole database, once reading it has failed. */
const CHECK_MS = 60_000;

const { claimsPath, analysisPath, ...options } = workerData as InsightThreadData;
const port = parentPort!;
const send = (message: FromInsight): void => port.postMessage(message);
const claims = new ClaimReader(claimsPath);
const queries = new InsightQueries({ ...options, path: analysisPath, claims, matchesGlob, now: Date.now });
const stop = new AbortController();
const calls = new Map<number, AbortController>();

port.on("message", (message: ToInsight) => {
  if (message === "close") stop.abort();
  else if ("cancel" in message) calls.get(message.cancel)?.abort();
  else void answer(message);
});

async function answer({ call, question }: Extract<ToInsight, { readonly call: number }>): Promise<void> {
  const cancel = new AbortController();
  calls.set(call, cancel);
  try {
    send({ call, ok: true, value: await ask(question, cancel.signal) });
  } catch (error) {
    const { code, message, hint } = asTrustixError(error);
    send({ call, ok: false, code, message, hint });
  } finally {
    calls.delete(call);
  }
}

function ask(question: Question, signal: AbortSignal): Promise<unknown> {
  switch (question.about) {
    case "overview":
      return queries.overview();
    case "builders":
      return queries.builders();
    case "paths":
      return queries.paths(question.query, signal);
    case "path":
      return queries.path(question.hashPart);
    case "report":
      return queries.report(question.request, signal);
    default:
      return question satisfies never;
  }
}

function asTrustixError(error: unknown): TrustixError {
  if (error instanceof TrustixError) return error;
  if (error instanceof DOMException)
    return new TrustixError("CLOSED", "nobody waits for the answer any more");
  return new TrustixError("INTERNAL", `a question could not be answered: ${String(error)}`);
}

async function follow(): Promise<void> {
  let toldMs = Number.NEGATIVE_INFINITY;
  let isNew = false;
  let checkFromMs = Number.NEGATIVE_INFINITY;
  while (!stop.signal.aborted) {
    try {
      isNew = (await queries.refresh()) || isNew;
      if (isNew && performance.now() - toldMs >= TELL_MS) {
        send({ live: queries.live() });
        [isNew, toldMs] = [false, performance.now()];
      }
    } catch (error) {
      send({ problem: String(error) });
      if (isDamage(error) && performance.now() >= checkFromMs) {
        removeIfDamaged(analysisPath);
        checkFromMs = performance.now() + CHECK_MS;
      }
      await sleep(TELL_MS, undefined, { signal: stop.signal }).catch(() => {});
    }
    await sleep(LOOK_MS, undefined, { signal: stop.signal }).catch(() => {});
  }
}

await follow();
for (const call of calls.values()) call.abort();
queries[Symbol.dispose]();
claims[Symbol.dispose]();
port.close();
