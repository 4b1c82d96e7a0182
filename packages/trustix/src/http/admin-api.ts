// The JSON API as a server takes it. On the admin socket (the file's permissions are the auth) and, when configured, on TCP
// with bearer tokens it has all operations; on the public listener those that read. Every refusal is
// {"error":{"code","message","hint"}}.
import { createServer, type Server } from "node:http";
import Fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest } from "fastify";
import { TrustixError } from "../errors.ts";
import { asTrustixError, isExpected, sendError } from "./api-parts.ts";
import { type Audience, errorFor, statusFor } from "./audience.ts";
import { type ApiDecisions, decisionHandlers } from "./decisions-api.ts";
import type { ApiDiffs } from "./diffs.ts";
import type { ApiInsight } from "./insight.ts";
import { insightHandlers } from "./insight-api.ts";
import type { LiveStream } from "./live.ts";
import { type ApiLog, logHandlers } from "./logs-api.ts";
import { openApiDocument } from "./openapi.ts";
import type { RateLimiter } from "./rate-limit.ts";
import type { ReloadJson } from "./reload-schema.ts";
import { serveOperations } from "./serve-operations.ts";
import type { Slots } from "./slots.ts";

/** What the API needs, whoever asks. */
export interface ApiParts {
  readonly logs: ReadonlyMap<string, ApiLog>;
  /** Absent: this node listens to nobody. */
  readonly decisions?: ApiDecisions | undefined;
  readonly insight?: ApiInsight | undefined;
  readonly live?: LiveStream | undefined;
  readonly diffs?: ApiDiffs | undefined;
  /** Reads the configuration file again. */
  readonly reload?: (() => Promise<ReloadJson>) | undefined;
  /** Facts for `GET /api/v1/status`, besides those of the logs. */
  readonly status: () => object;
  /** Prometheus text, when metrics are on. */
  readonly metrics?: (() => Promise<{ readonly type: string; readonly text: string }>) | undefined;
  readonly limiter: RateLimiter;
  /** Aborted when the daemon stops. */
  readonly signal: AbortSignal;
  readonly onError: (error: unknown, target: string) => void;
}

/** The API of one listener. */
export interface ApiOptions extends ApiParts {
  /** Default `operator`: all operations. */
  readonly audience?: Audience;
  readonly maxBodyBytes: number;
  /**
   * Who asks: a name for the rate limiter and the log.
   * @throws TrustixError `UNAUTHORIZED`
   */
  readonly authenticate: (authorization: string | undefined) => Promise<string>;
  /** Room for costly operations; unbounded when absent. */
  readonly costly?: Slots;
  /** Whether strangers reach this listener: then they cause no downloads. Default false. */
  readonly isOpen?: boolean;
}

/** The API, ready to take requests through `routing`. */
export async function createApi(options: ApiOptions): Promise<FastifyInstance> {
  const { audience = "operator", isOpen = false, decisions, insight, live, diffs, logs, limiter } = options;
  const app = Fastify({
    bodyLimit: options.maxBodyBytes,
    exposeHeadRoutes: audience === "public",
    routerOptions: { maxParamLength: 300 },
  });
  const clients = new WeakMap<FastifyRequest, string>();

  app.setErrorHandler((error, request, reply) => {
    const typed = asTrustixError(error);
    if (!isExpected(typed)) options.onError(error, request.url.slice(0, 200));
    sendError(errorFor(audience, typed), reply);
  });
  app.setNotFoundHandler((request, reply) => {
    sendError(new TrustixError("NOT_FOUND", `no ${request.method} ${request.url.slice(0, 100)}`), reply);
  });
  app.addHook("onRequest", async (request) => {
    clients.set(request, await options.authenticate(request.headers.authorization));
  });

  /** Ends when the client goes away or the daemon stops. */
  const signalOf = (reply: FastifyReply): AbortSignal => {
    const gone = new AbortController();
    reply.raw.once("close", () => gone.abort());
    return AbortSignal.any([gone.signal, options.signal]);
  };
  const document = openApiDocument({ onlyPublic: audience === "public" });
  serveOperations(
    app,
    {
      ...logHandlers({ logs, limiter }),
      ...decisionHandlers({ decisions, audience }),
      ...insightHandlers({ insight, live, diffs, isOpen }),
      getStatus: async () =>
        statusFor(audience, { ...options.status(), logs: [...logs.values()].map((log) => log.status()) }),
      reloadConfig: async () => {
        if (options.reload !== undefined) return options.reload();
        throw new TrustixError("NOT_FOUND", "the configuration is of no file");
      },
      getDocument: async () => document,
      getMetrics: async () => {
        if (options.metrics !== undefined) return options.metrics();
        throw new TrustixError("NOT_FOUND", "metrics are off", { hint: "Set `[metrics] enabled`." });
      },
    },
    {
      onlyPublic: audience === "public",
      costly: options.costly,
      clientOf: (request) => clients.get(request) ?? "",
      signalOf,
      onError: options.onError,
    },
  );
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
