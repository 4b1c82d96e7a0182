// The JSON API for submissions and status, on the admin socket (the file's permissions are the auth) and, when
// configured, on TCP with bearer tokens. Every error is {"error":{"code","message","hint"}}.
import { createServer, type Server } from "node:http";
import { Readable } from "node:stream";
import Fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest } from "fastify";
import * as z from "zod";
import { TrustixError, type TrustixErrorCode } from "../errors.ts";
import { asTrustixError, checked, jsonLines } from "./api-parts.ts";
import { type ApiDecisions, addDecisionRoutes } from "./decisions-api.ts";
import type { RateLimiter } from "./rate-limit.ts";

/** What became of one submitted claim. */
export interface ClaimResult {
  /** The store path, or the key of a `raw` claim as it was given. */
  readonly key: string;
  /** `claimed`: durable in the log at `index`. Otherwise it is not in the log, for the `reason`. */
  readonly status: "claimed" | "gone" | "replaced" | "damaged" | "refused";
  readonly index?: number | undefined;
  /** False when the log had this very statement already. */
  readonly isNew?: boolean | undefined;
  readonly reason?: string | undefined;
}

/** A `raw` key and value, as bytes. */
export interface RawSubmission {
  readonly label: string;
  readonly key: Uint8Array;
  readonly value: Uint8Array;
}

/** One log, as the API uses it. */
export interface ApiLog {
  readonly name: string;
  readonly protocol: "nix" | "raw";
  /**
   * Claims store paths; only logs of protocol `nix`. Settles once each claim is durable.
   * @throws TrustixError `PUSHBACK`, `INVALID_ARGUMENT`
   */
  submitPaths(paths: readonly string[], signal: AbortSignal): Promise<readonly ClaimResult[]>;
  /** Claims keys and values; only logs of protocol `raw`. As {@link ApiLog.submitPaths}. */
  submitRaw(claims: readonly RawSubmission[], signal: AbortSignal): Promise<readonly ClaimResult[]>;
  /**
   * The `.tlog-proof` of a claim against the published checkpoint. With `wait`, once it is published.
   * @throws TrustixError `NOT_FOUND` when there is no such claim, or it is not published and `wait` is false
   */
  proof(index: number, options: { readonly wait: boolean; readonly signal: AbortSignal }): Promise<string>;
  /** Indices of the claims on a store path, or on the UTF-8 bytes of a `raw` key, oldest first. */
  find(key: string): Promise<readonly number[]>;
  /** Publishes what the store has, reporting now and then. */
  backfill(request: BackfillBody, signal: AbortSignal): AsyncIterable<unknown>;
  status(): unknown;
}

/** What the API needs. */
export interface AdminApiOptions {
  readonly logs: ReadonlyMap<string, ApiLog>;
  /** Absent: this node listens to nobody. */
  readonly decisions?: ApiDecisions | undefined;
  /** Facts for `GET /api/v1/status`, besides those of the logs. */
  readonly status: () => unknown;
  /** Prometheus text, when metrics are on. */
  readonly metrics?: (() => Promise<{ readonly type: string; readonly text: string }>) | undefined;
  readonly maxBodyBytes: number;
  readonly limiter: RateLimiter;
  /**
   * Who asks: a name for the rate limiter and the log.
   * @throws TrustixError `UNAUTHORIZED`
   */
  readonly authenticate: (authorization: string | undefined) => Promise<string>;
  /** Aborted when the daemon stops. */
  readonly signal: AbortSignal;
  readonly onError: (error: unknown, target: string) => void;
}

/** Claims of one request; a request is one transaction of the caller's patience, not of the log. */
const MAX_CLAIMS = 10_000;
/** How long a request may wait for publication. */
const MAX_WAIT_MS = 60_000;

const HTTP_STATUS: Partial<Record<TrustixErrorCode, number>> = {
  PUSHBACK: 503,
  CLOSED: 503,
  NIX_UNAVAILABLE: 503,
  INVALID_ARGUMENT: 400,
  REQUEST_INVALID: 400,
  REQUEST_TOO_LARGE: 413,
  UNAUTHORIZED: 401,
  NOT_FOUND: 404,
  NAR_UNAVAILABLE: 404,
  RATE_LIMITED: 429,
};

const text = z.string().max(65_536);

const bytesOf = (encoding: "text" | "hex" | undefined, value: string): Uint8Array | undefined => {
  if (encoding !== "hex") return value.isWellFormed() ? Buffer.from(value, "utf8") : undefined;
  return /^(?:[0-9a-f]{2})*$/.test(value) ? Buffer.from(value, "hex") : undefined;
};

const rawClaim = z
  .strictObject({ key: text, value: text, encoding: z.enum(["text", "hex"]).optional() })
  .transform(({ key, value, encoding }, context) => {
    const bytes = { label: key, key: bytesOf(encoding, key), value: bytesOf(encoding, value) };
    if (bytes.key !== undefined && bytes.value !== undefined) return bytes as RawSubmission;
    context.addIssue({
      code: "custom",
      message: `not ${encoding === "hex" ? "lower-case hex" : "Unicode text"}`,
    });
    return z.NEVER;
  });

const pathsBody = z.strictObject({
  paths: z.array(z.string().max(1024)).min(1).max(MAX_CLAIMS),
  wait: z.boolean().default(false),
});
const rawBody = z.strictObject({
  claims: z.array(rawClaim).min(1).max(MAX_CLAIMS),
  wait: z.boolean().default(false),
});
const backfillBody = z.strictObject({
  roots: z.array(z.string().max(1024)).min(1).max(MAX_CLAIMS).optional(),
  "include-imported": z.boolean().default(false),
});
/** What to backfill: the closure of some paths, or the whole store. */
export type BackfillBody = z.output<typeof backfillBody>;

const proofQuery = z.union([
  z.strictObject({
    index: z
      .string()
      .regex(/^(0|[1-9]\d{0,15})$/)
      .transform(Number)
      .refine(Number.isSafeInteger),
    wait: z.enum(["true", "false"]).optional(),
  }),
  z.strictObject({ key: text, wait: z.enum(["true", "false"]).optional() }),
]);

function sendError(error: TrustixError, reply: FastifyReply): void {
  const status = HTTP_STATUS[error.code] ?? 500;
  if (status === 503 || status === 429)
    reply.header("retry-after", Math.ceil((error.retryAfterMs ?? 1000) / 1000));
  if (status === 401) reply.header("www-authenticate", "Bearer");
  reply.code(status).send({ error: { code: error.code, message: error.message, hint: error.hint ?? "" } });
}

/** The API, ready to take requests through `routing`. */
export async function createAdminApi(options: AdminApiOptions): Promise<FastifyInstance> {
  const app = Fastify({
    bodyLimit: options.maxBodyBytes,
    exposeHeadRoutes: false,
    routerOptions: { maxParamLength: 300 },
  });
  const clients = new WeakMap<FastifyRequest, string>();

  app.setErrorHandler((error, request, reply) => {
    const typed = asTrustixError(error);
    if (HTTP_STATUS[typed.code] === undefined) options.onError(error, request.url.slice(0, 200));
    sendError(typed, reply);
  });
  app.setNotFoundHandler((request, reply) => {
    sendError(new TrustixError("NOT_FOUND", `no ${request.method} ${request.url.slice(0, 100)}`), reply);
  });
  app.addHook("onRequest", async (request) => {
    clients.set(request, await options.authenticate(request.headers.authorization));
  });

  const logOf = (request: FastifyRequest): ApiLog => {
    const { name } = request.params as { name: string };
    const log = options.logs.get(name);
    if (log !== undefined) return log;
    const known = [...options.logs.keys()].join(", ");
    throw new TrustixError("NOT_FOUND", `this node has no log ${name}`, {
      hint: `Its logs: ${known || "none"}.`,
    });
  };
  const spend = (request: FastifyRequest, claims: number): void => {
    const retryAfterMs = options.limiter.take(clients.get(request) ?? "", claims);
    if (retryAfterMs === 0) return;
    throw new TrustixError("RATE_LIMITED", "too many claims in too short a time", {
      retryAfterMs,
      hint: "Wait as long as Retry-After says, or raise `[api] claims-per-second`.",
    });
  };
  /** Ends when the client goes away, the daemon stops, or the longest wait is over. */
  const signalOf = (reply: FastifyReply, timeoutMs?: number): AbortSignal => {
    const gone = new AbortController();
    reply.raw.once("close", () => gone.abort());
    const signals = [gone.signal, options.signal];
    return AbortSignal.any(timeoutMs === undefined ? signals : [...signals, AbortSignal.timeout(timeoutMs)]);
  };

  app.post("/api/v1/logs/:name/claims", async (request, reply) => {
    const log = logOf(request);
    const signal = signalOf(reply, MAX_WAIT_MS);
    let results: readonly ClaimResult[];
    let wait: boolean;
    if (log.protocol === "nix") {
      const body = checked(pathsBody, request.body, "body");
      spend(request, body.paths.length);
      wait = body.wait;
      results = await log.submitPaths(body.paths, signal);
    } else {
      const body = checked(rawBody, request.body, "body");
      spend(request, body.claims.length);
      wait = body.wait;
      results = await log.submitRaw(body.claims, signal);
    }
    if (!wait) return { claims: results };
    const claims = [];
    for (const result of results) {
      // Thousands of proofs take a while; nobody may be there any more.
      signal.throwIfAborted();
      const { index } = result;
      claims.push(
        index === undefined ? result : { ...result, proof: await log.proof(index, { wait, signal }) },
      );
    }
    return { claims };
  });

  app.get("/api/v1/logs/:name/proof", async (request, reply) => {
    const log = logOf(request);
    const query = checked(proofQuery, request.query, "query");
    const index = "index" in query ? query.index : (await log.find(query.key)).at(-1);
    if (index === undefined) throw new TrustixError("NOT_FOUND", `log ${log.name} has no claim on that key`);
    const proof = await log.proof(index, {
      wait: query.wait === "true",
      signal: signalOf(reply, MAX_WAIT_MS),
    });
    return reply.type("text/plain; charset=utf-8").send(proof);
  });

  app.post("/api/v1/logs/:name/backfill", async (request, reply) => {
    const log = logOf(request);
    const body = checked(backfillBody, request.body ?? {}, "body");
    const reports = log.backfill(body, signalOf(reply));
    const lines = jsonLines(reports, (error) => options.onError(error, request.url));
    return reply.type("application/x-ndjson").send(Readable.from(lines));
  });

  addDecisionRoutes(app, { decisions: options.decisions, signalOf, onError: options.onError });

  app.get("/api/v1/status", async () => ({
    ...(options.status() as object),
    logs: [...options.logs.values()].map((log) => log.status()),
  }));

  app.get("/metrics", async (_, reply) => {
    if (options.metrics === undefined)
      throw new TrustixError("NOT_FOUND", "metrics are off", { hint: "Set `[metrics] enabled`." });
    const { type, text } = await options.metrics();
    return reply.type(type).send(text);
  });

  await app.ready();
  return app;
}

/** Connections to one address of the API: whoever has no token yet must not be able to use up the files of the process. */
const MAX_CONNECTIONS = 256;
/** Time for a request with its body. */
const REQUEST_TIMEOUT_MS = 120_000;
const HEADERS_TIMEOUT_MS = 10_000;

/** A server of the API; it listens nowhere yet. */
export function createAdminServer(app: FastifyInstance): Server {
  const server = createServer(
    {
      headersTimeout: HEADERS_TIMEOUT_MS,
      requestTimeout: REQUEST_TIMEOUT_MS,
      connectionsCheckingInterval: HEADERS_TIMEOUT_MS / 2,
    },
    (request, response) => app.routing(request, response),
  );
  server.maxConnections = MAX_CONNECTIONS;
  return server;
}
