// What the parts of the admin API share: checked requests, errors, and streams of JSON lines.
import type * as z from "zod";
import { TrustixError } from "../errors.ts";

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
