// What the public listener serves: routes by path, and what is recorded of each request.
import type { IncomingMessage, ServerResponse } from "node:http";
import { type Found, type RequestHead, sendFound } from "./representation.ts";

/** Longest accepted request target in bytes; the longest URL that we hand out is about 120. */
export const MAX_TARGET_BYTES = 1024;

/** Answers requests for paths that begin with a prefix. */
export interface Route {
  /** Exact path (`/healthz`), or a prefix that ends in `/`. The longest match wins. */
  readonly path: string;
  /** Whether only the very path counts although it ends in `/`; goes before a prefix of the same path. */
  readonly isExact?: boolean;
  /**
   * What there is at a path, when that is in memory or soon will be; such an answer costs far less than one of
   * {@link handle}. Undefined, and nothing done, when `handle` has to answer.
   */
  find?(request: RequestHead, rest: string): Found | Promise<Found> | undefined;
  /**
   * Answers a GET or HEAD.
   * @param rest what follows the prefix: literal, non-empty segments of `[A-Za-z0-9+._=~:-]` that are not `.` or `..`.
   */
  handle(request: IncomingMessage, response: ServerResponse, rest: string): Promise<void>;
}

/** A route all of whose answers are found in memory. */
export function foundRoute(
  path: string,
  find: (request: RequestHead, rest: string) => Found | Promise<Found>,
): Route {
  const handle = async (request: IncomingMessage, response: ServerResponse, rest: string): Promise<void> =>
    sendFound(request, response, await find(request, rest));
  return { path, find, handle };
}

/** What happened to one request, for metrics and the log. */
export interface RequestRecord {
  readonly route: string;
  readonly method: string;
  readonly target: string;
  readonly status: number;
  readonly durationMs: number;
  readonly remote: string | undefined;
}

/** The path of a request target, or undefined when it is not one we could have handed out. The query is ignored. */
export function parseTarget(target: string): string | undefined {
  const query = target.indexOf("?");
  const path = query < 0 ? target : target.slice(0, query);
  if (!/^(\/[A-Za-z0-9+._=~:-]+)*\/?$/.test(path) || path === "") return undefined;
  return path.includes("/.") && /\/\.\.?(\/|$)/.test(path) ? undefined : path;
}

/** Finds the route of a path: the longest that matches. */
export function routeFinder(routes: readonly Route[]): (path: string) => Route | undefined {
  const sorted = routes
    .toSorted((a, b) => b.path.length - a.path.length || Number(b.isExact ?? 0) - Number(a.isExact ?? 0))
    .map((route) => ({ route, isPrefix: route.path.endsWith("/") && route.isExact !== true }));
  return (path) =>
    sorted.find(({ route, isPrefix }) => (isPrefix ? path.startsWith(route.path) : path === route.path))
      ?.route;
}
