// Makes Fastify routes of the operations: requests are checked as the table says, answers carry validators.
import type { ServerResponse } from "node:http";
import { Readable } from "node:stream";
import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import type * as z from "zod";
import { checked, jsonLines } from "./api-parts.ts";
import { OPERATIONS, type Operation, type OperationName } from "./operations.ts";
import { etagOf, matchesEtag } from "./representation.ts";
import type { Slots } from "./slots.ts";

type ParamsOf<O> = O extends { readonly params: infer P extends Record<string, z.ZodType> }
  ? { readonly [K in keyof P]: z.output<P[K]> }
  : Readonly<Record<string, never>>;
type QueryOf<O> = O extends { readonly query: infer Q extends z.ZodType } ? z.output<Q> : undefined;
type BodyOf<O> = O extends { readonly isBodyOpen: true }
  ? unknown
  : O extends { readonly body: infer B extends z.ZodType }
    ? z.output<B>
    : undefined;
type ResultOf<O> = O extends { readonly answer: { readonly type: infer T; readonly schema?: infer S } }
  ? T extends "application/json"
    ? S extends z.ZodType
      ? unknown
      : Uint8Array
    : T extends "application/x-ndjson"
      ? AsyncIterable<unknown>
      : T extends "text/event-stream"
        ? (response: ServerResponse) => void
        : string | { readonly type: string; readonly text: string }
  : never;

/** A request that was checked. */
export interface Call<O> {
  readonly params: ParamsOf<O>;
  readonly query: QueryOf<O>;
  readonly body: BodyOf<O>;
  /** Who asks, as `authenticate` named it. */
  readonly client: string;
  /** From where, as `socket.remoteAddress` spells it. */
  readonly remote: string | undefined;
  /** Ends when the client goes away or the daemon stops. */
  readonly signal: AbortSignal;
}

/** What carries out an operation. It throws a TrustixError to refuse. */
export type Handler<N extends OperationName> = (
  call: Call<(typeof OPERATIONS)[N]>,
) => Promise<ResultOf<(typeof OPERATIONS)[N]>>;

/** Handlers of some operations. */
export type Handlers<N extends OperationName> = { readonly [K in N]: Handler<K> };

/** What the routes need. */
export interface ServeOptions {
  /** Only what is public. */
  readonly onlyPublic: boolean;
  /** Room for costly operations; unbounded when absent. */
  readonly costly?: Slots | undefined;
  readonly clientOf: (request: FastifyRequest) => string;
  readonly signalOf: (reply: FastifyReply) => AbortSignal;
  readonly onError: (error: unknown, target: string) => void;
}

/** Whoever shows an answer must not run it; nothing of it is for other sites. */
const HEADERS = {
  "x-content-type-options": "nosniff",
  "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
  "referrer-policy": "no-referrer",
  "cross-origin-resource-policy": "same-origin",
};

function sendBody(
  request: FastifyRequest,
  reply: FastifyReply,
  type: string,
  body: Uint8Array,
): FastifyReply {
  reply.headers({ ...HEADERS, "cache-control": "no-cache" });
  if (request.method === "GET" || request.method === "HEAD") {
    const etag = etagOf(body);
    reply.header("etag", etag);
    if (matchesEtag(request.headers["if-none-match"], etag)) return reply.code(304).send();
  }
  return reply.type(type).send(body);
}

function paramsOf(schemas: Operation["params"], given: unknown): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(schemas ?? {}).map(([key, schema]) => [
      key,
      checked(schema, (given as Record<string, unknown>)[key], `{${key}} in the path`),
    ]),
  );
}

/** Adds a route for each handler. */
export function serveOperations(
  app: FastifyInstance,
  handlers: Partial<Handlers<OperationName>>,
  options: ServeOptions,
): void {
  const sendLines = (
    request: FastifyRequest,
    reply: FastifyReply,
    values: AsyncIterable<unknown>,
  ): FastifyReply => {
    const lines = jsonLines(values, (error) => options.onError(error, request.url.slice(0, 200)));
    return reply.headers(HEADERS).type("application/x-ndjson").send(Readable.from(lines));
  };
  for (const [name, handler] of Object.entries(handlers)) {
    const operation: Operation = OPERATIONS[name as OperationName];
    if (options.onlyPublic && !operation.isPublic) continue;
    const { method, path, params, query, body, isBodyOpen, maxBodyBytes, isCostly, answer } = operation;
    app.route({
      method,
      // A stream has no end that its headers could tell of.
      ...(answer.type === "text/event-stream" ? { exposeHeadRoute: false } : {}),
      url: path.replace(/\{(\w+)\}/g, ":$1"),
      ...(maxBodyBytes === undefined ? {} : { bodyLimit: maxBodyBytes }),
      handler: async (request, reply) => {
        const call = {
          params: paramsOf(params, request.params),
          query: query === undefined ? undefined : checked(query, request.query, "query"),
          body: body === undefined || isBodyOpen ? request.body : checked(body, request.body ?? {}, "body"),
          client: options.clientOf(request),
          remote: request.raw.socket.remoteAddress,
          signal: options.signalOf(reply),
        };
        if (isCostly) {
          const slot = options.costly?.take(call.remote);
          reply.raw.once("close", () => slot?.[Symbol.dispose]());
        }
        const result: unknown = await (handler as (call: unknown) => Promise<unknown>)(call);
        switch (answer.type) {
          case "application/json": {
            const bytes = answer.schema === undefined ? (result as Uint8Array) : jsonBytes(result);
            return sendBody(request, reply, "application/json; charset=utf-8", bytes);
          }
          case "text/plain": {
            const { type, text } =
              typeof result === "string"
                ? { type: "text/plain; charset=utf-8", text: result }
                : (result as { type: string; text: string });
            return sendBody(request, reply, type, Buffer.from(text));
          }
          case "application/x-ndjson":
            return sendLines(request, reply, result as AsyncIterable<unknown>);
          case "text/event-stream":
            reply.hijack();
            for (const [key, value] of Object.entries(HEADERS)) reply.raw.setHeader(key, value);
            (result as (response: ServerResponse) => void)(reply.raw);
            return reply;
          default:
            return answer satisfies never;
        }
      },
    });
  }
}

function jsonBytes(value: unknown): Buffer {
  return Buffer.from(`${JSON.stringify(value)}\n`);
}
