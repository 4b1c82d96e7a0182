// What the public listener answers about the node itself.
import type { IncomingMessage, ServerResponse } from "node:http";
import { DESCRIPTION_PATH, formatDescription, type NodeDescription } from "../http/node-description.ts";
import type { Route } from "../http/public-server.ts";
import { etagOf, type Representation, sendRepresentation, sendStatus } from "../http/representation.ts";
import { VERSION } from "../version.ts";
import type { Metrics } from "./metrics.ts";

function sendText(request: IncomingMessage, response: ServerResponse, type: string, text: string): void {
  const body = Buffer.from(text);
  response.writeHead(200, {
    "content-type": type,
    "content-length": body.length,
    "cache-control": "no-store",
  });
  response.end(request.method === "HEAD" ? undefined : body);
}

/**
 * `/healthz`, `/version` and, when asked for, `/metrics`.
 * @param findProblem says what keeps the node from its work, if anything does
 */
export function nodeRoutes(
  findProblem: () => string | undefined,
  metrics: Metrics | undefined,
): readonly Route[] {
  const routes: Route[] = [
    {
      path: "/healthz",
      handle: async (request, response) => {
        const problem = findProblem();
        if (problem === undefined) sendText(request, response, "text/plain; charset=utf-8", "ok\n");
        else sendStatus(request, response, 503, problem);
      },
    },
    {
      path: "/version",
      handle: async (request, response) => {
        sendText(request, response, "application/json", `${JSON.stringify({ trustix: VERSION })}\n`);
      },
    },
  ];
  if (metrics !== undefined) {
    routes.push({
      path: "/metrics",
      handle: async (request, response) => {
        const { type, text } = await metrics.render();
        sendText(request, response, type, text);
      },
    });
  }
  return routes;
}

/** `/trustix.json`: what others need to know to subscribe. */
export function descriptionRoute(description: NodeDescription): Route {
  const body = Buffer.from(formatDescription(description));
  const representation: Representation = {
    body,
    type: "application/json",
    etag: etagOf(body),
    cacheControl: "public, max-age=300",
  };
  return {
    path: `/${DESCRIPTION_PATH}`,
    handle: async (request, response) => sendRepresentation(request, response, representation),
  };
}
