// The part of the JSON API that only reads, for the public listener.
import type { IncomingMessage } from "node:http";
import type { FastifyInstance } from "fastify";
import type { TrustixErrorCode } from "../errors.ts";
import type { PageGuard } from "./page-guard.ts";
import type { Route } from "./public-server.ts";
import { type Notice, sendFound } from "./representation.ts";

/** What a query may consist of; the listener has bounded its length. */
const QUERY = /^(?:[A-Za-z0-9\-._~!$&'()*+,;=:@/?]|%[0-9A-Fa-f]{2})*$/;

function refusalOf(
  request: IncomingMessage,
  guard: PageGuard,
): (Notice & { readonly code: TrustixErrorCode }) | undefined {
  const problem = guard(request);
  if (problem !== undefined) return { status: 403, code: "FORBIDDEN", text: problem };
  const query = request.url?.split("?").slice(1).join("?") ?? "";
  if (QUERY.test(query)) return undefined;
  return { status: 400, code: "REQUEST_INVALID", text: "the query is not percent-encoded" };
}

/** `/api/v1/`. The app knows no operation that changes anything. */
export function publicApiRoute(app: FastifyInstance, guard: PageGuard): Route {
  return {
    path: "/api/v1/",
    handle: async (request, response) => {
      const refusal = refusalOf(request, guard);
      if (refusal === undefined) {
        app.routing(request, response);
        return;
      }
      const { status, code, text } = refusal;
      sendFound(request, response, {
        status,
        text: JSON.stringify({ error: { code, message: text, hint: "" } }),
        headers: { "content-type": "application/json; charset=utf-8", "x-content-type-options": "nosniff" },
      });
    },
  };
}
