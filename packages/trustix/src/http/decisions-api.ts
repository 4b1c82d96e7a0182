// What a node thinks of paths, as a part of the admin API: decisions, subscriptions and evidence.
import { Readable } from "node:stream";
import type { FastifyInstance, FastifyReply } from "fastify";
import * as z from "zod";
import { TrustixError } from "../errors.ts";
import { checked, jsonLines } from "./api-parts.ts";

/** A path to decide on: a hash part with or without its name, and the statement that the path's own name proves. */
export interface DecisionRequest {
  /** `<hash part>` or `<hash part>-<name>`. */
  readonly what: string;
  /** The caller vouches that it was verified. */
  readonly proven?: string | undefined;
}

/** A path with what every subscribed log says of it: its `SubscriptionAnswer`s. */
export interface RecalledPath {
  readonly hashPart: string;
  readonly answers: readonly unknown[];
}

/** Decisions, as the API uses them. Values that are `unknown` are sent as JSON. */
export interface ApiDecisions {
  /**
   * Asks all subscriptions and decides: a `PolicyDecision`.
   * @throws TrustixError `INVALID_ARGUMENT` for what is no hash part or name
   */
  decideOn(request: DecisionRequest, signal: AbortSignal): Promise<unknown>;
  /** As {@link decideOn}, with all that there is to say: an `Explanation`. */
  explainOn(request: DecisionRequest, signal: AbortSignal): Promise<unknown>;
  /** Store paths of a name, or of any version of it, that subscribed logs have claims on. */
  find(name: string): readonly string[];
  /** What the logs say of every path that they have claims on. */
  recall(): AsyncIterable<RecalledPath>;
  /**
   * The `.tlog-proof` of an entry of a subscribed log, the entry itself in `extra`.
   * @throws TrustixError `NOT_FOUND`, and what reading the log throws
   */
  prove(name: string, index: number, signal: AbortSignal): Promise<string>;
  /**
   * A file of evidence that a log states two things of a path.
   * @throws TrustixError `NOT_FOUND` when it does not, and what reading the log throws
   */
  contradiction(name: string, what: string, signal: AbortSignal): Promise<Uint8Array>;
  /** Every subscription, logs first. */
  status(): unknown;
  /** Lets a log that was found to misbehave count again. @throws TrustixError `NOT_FOUND` */
  clear(name: string, options: { readonly forget: boolean }): Promise<void>;
  /** Names of the files of evidence, sorted. */
  listEvidence(): Promise<readonly string[]>;
  /** One of them. @throws TrustixError `NOT_FOUND` */
  readEvidence(name: string): Promise<Uint8Array>;
}

/** Paths of one request. */
const MAX_PATHS = 100_000;
/** Decisions under way for one request: enough to keep caches busy, few enough to leave room for clients of the node. */
const CONCURRENCY = 32;

const what = z.string().max(300);
const decisionsBody = z.strictObject({
  paths: z
    .array(z.strictObject({ what, proven: z.string().max(65_536).optional() }))
    .min(1)
    .max(MAX_PATHS),
});
const pathsQuery = z.strictObject({ name: z.string().min(1).max(211) });
const proofQuery = z.strictObject({
  index: z
    .string()
    .regex(/^(0|[1-9]\d{0,15})$/)
    .transform(Number)
    .refine(Number.isSafeInteger),
});
const contradictionQuery = z.strictObject({ what });
const clearBody = z.strictObject({ forget: z.boolean().default(false) });

/** Results of `action` in the order of the items, a few of them under way. */
async function* mapConcurrently<T, R>(
  items: readonly T[],
  action: (item: T) => Promise<R>,
): AsyncGenerator<R> {
  const running: Promise<R>[] = [];
  let next = 0;
  const start = (): void => {
    const result = action(items[next++] as T);
    // Awaited in its turn; until then a rejection is not unhandled.
    result.catch(() => {});
    running.push(result);
  };
  while (next < items.length && running.length < CONCURRENCY) start();
  for (let first = running.shift(); first !== undefined; first = running.shift()) {
    yield await first;
    if (next < items.length) start();
  }
}

/** What the routes need. */
export interface DecisionRoutesOptions {
  readonly decisions: ApiDecisions | undefined;
  /** Ends when the client goes away or the daemon stops. */
  readonly signalOf: (reply: FastifyReply) => AbortSignal;
  readonly onError: (error: unknown, target: string) => void;
}

/** Adds the routes. */
export function addDecisionRoutes(app: FastifyInstance, options: DecisionRoutesOptions): void {
  const { signalOf } = options;
  const required = (): ApiDecisions => {
    if (options.decisions !== undefined) return options.decisions;
    throw new TrustixError("NOT_FOUND", "this node listens to nobody", {
      hint: "Add a subscription: `trustix subscribe URL`.",
    });
  };

  app.get("/api/v1/subscriptions", async () => ({ subscriptions: options.decisions?.status() ?? [] }));

  app.post("/api/v1/subscriptions/:name/clear", async (request) => {
    const { name } = request.params as { name: string };
    await required().clear(name, checked(clearBody, request.body ?? {}, "body"));
    return {};
  });

  app.get("/api/v1/decisions/:what", async (request, reply) =>
    required().explainOn(request.params as { what: string }, signalOf(reply)),
  );

  app.post("/api/v1/decisions", async (request, reply) => {
    const decisions = required();
    const { paths } = checked(decisionsBody, request.body, "body");
    const signal = signalOf(reply);
    const reports = mapConcurrently(paths, (each) => decisions.decideOn(each, signal));
    const lines = jsonLines(reports, (error) => options.onError(error, request.url));
    return reply.type("application/x-ndjson").send(Readable.from(lines));
  });

  app.get("/api/v1/paths", async (request) => {
    const { name } = checked(pathsQuery, request.query, "query");
    return { paths: options.decisions?.find(name) ?? [] };
  });

  app.get("/api/v1/answers", async (request, reply) => {
    const lines = jsonLines(required().recall(), (error) => options.onError(error, request.url));
    return reply.type("application/x-ndjson").send(Readable.from(lines));
  });

  app.get("/api/v1/subscriptions/:name/proof", async (request, reply) => {
    const { name } = request.params as { name: string };
    const { index } = checked(proofQuery, request.query, "query");
    return reply.type("text/plain; charset=utf-8").send(await required().prove(name, index, signalOf(reply)));
  });

  app.get("/api/v1/subscriptions/:name/contradiction", async (request, reply) => {
    const { name } = request.params as { name: string };
    const query = checked(contradictionQuery, request.query, "query");
    const evidence = await required().contradiction(name, query.what, signalOf(reply));
    return reply.type("application/json").send(evidence);
  });

  app.get("/api/v1/evidence", async () => ({ evidence: (await options.decisions?.listEvidence()) ?? [] }));

  app.get("/api/v1/evidence/:file", async (request, reply) => {
    const { file } = request.params as { file: string };
    return reply.type("application/json").send(await required().readEvidence(file));
  });
}
