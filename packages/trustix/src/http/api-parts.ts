// What the parts of the API share: checked requests, errors, and streams of JSON lines.
import { TlogError } from "@trustix/tlog";
import type { FastifyReply } from "fastify";
import type * as z from "zod";
import { TrustixError, type TrustixErrorCode } from "../errors.ts";

const HTTP_STATUS: Partial<Record<TrustixErrorCode, number>> = {
  PUSHBACK: 503,
  CLOSED: 503,
  NIX_UNAVAILABLE: 503,
  INVALID_ARGUMENT: 400,
  REQUEST_INVALID: 400,
  REQUEST_TOO_LARGE: 413,
  UNAUTHORIZED: 401,
  FORBIDDEN: 403,
  NOT_FOUND: 404,
  NAR_UNAVAILABLE: 404,
  RATE_LIMITED: 429,
  PEER_UNREACHABLE: 502,
  PEER_MISBEHAVED: 502,
};

/** Whether an error is an answer, and not a problem of this node. */
export function isExpected(error: TrustixError): boolean {
  return HTTP_STATUS[error.code] !== undefined;
}

/** Answers with an error. */
export function sendError(error: TrustixError, reply: FastifyReply): void {
  const status = HTTP_STATUS[error.code] ?? 500;
  if (status === 503 || status === 429)
    reply.header("retry-after", Math.ceil((error.retryAfterMs ?? 1000) / 1000));
  if (status === 401) reply.header("www-authenticate", "Bearer");
  reply.header("cache-control", "no-store").header("x-content-type-options", "nosniff").code(status);
  reply.send({ error: { code: error.code, message: error.message, hint: error.hint ?? "" } });
}

/** A part of a request in its right form. @throws TrustixError `REQUEST_INVALID` */
export function checked<Schema extends z.ZodType>(
  schema: Schema,
  value: unknown,
  what: string,
): z.output<Schema> {
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0];
  const where = issue?.path.join(".") ?? "";
  throw new TrustixError(
    "REQUEST_INVALID",
    `${what}${where === "" ? "" : ` at ${where}`}: ${issue?.message ?? "invalid"}`,
    {
      hint: "docs/reference/api.md describes every request.",
    },
  );
}

/** Whatever was thrown, as an error to answer with. */
export function asTrustixError(error: unknown): TrustixError {
  if (error instanceof TrustixError) return error;
  // A log was asked for an entry or a proof, and gave none, or one that does not belong to what it signed.
  if (error instanceof TlogError) {
    if (error.cause instanceof TrustixError) return error.cause;
    return new TrustixError("PEER_MISBEHAVED", `the log did not deliver what it signed: ${error.message}`, {
      hint: "Look at its state: `trustix status`. Ask its operator.",
      cause: error,
    });
  }
  // Thrown by AbortSignal.timeout, or because the client went away or the daemon stops.
  if (error instanceof DOMException) {
    return new TrustixError("PUSHBACK", "not done in time", {
      hint: "Ask again; what was taken is not taken twice.",
      cause: error,
    });
  }
  // Fastify's own refusals carry a 4xx status: bad JSON, wrong content type, body too large.
  const { statusCode, message } = error as { statusCode?: number; message?: string };
  if (statusCode === 413)
    return new TrustixError("REQUEST_TOO_LARGE", "the request body is too large", {
      hint: "Send fewer claims at a time.",
    });
  if (statusCode !== undefined && statusCode < 500)
    return new TrustixError("REQUEST_INVALID", message ?? "bad request");
  return new TrustixError("INTERNAL", "internal error", {
    hint: "The daemon's log has the details.",
    cause: error,
  });
}

/** Newline-delimited JSON, one object for each report; an error becomes the last line. */
export async function* jsonLines(
  reports: AsyncIterable<unknown>,
  onError: (error: unknown) => void,
): AsyncGenerator<string> {
  try {
    for await (const report of reports) yield `${JSON.stringify(report)}\n`;
  } catch (error) {
    onError(error);
    const { code, message, hint } = asTrustixError(error);
    yield `${JSON.stringify({ error: { code, message, hint: hint ?? "" } })}\n`;
  }
}
