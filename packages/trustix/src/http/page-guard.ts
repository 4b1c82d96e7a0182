// Keeps the web pages of others away from what this node serves to its own page. A browser on this machine or in its
// network sends requests on behalf of any page that it shows, and a page can have its own name resolved to our address
// (DNS rebinding): so the Host must be one of ours, and Sec-Fetch-Site must not say that another site asks.
import type { IncomingMessage } from "node:http";

/** What is wrong with a request; undefined when nothing is. */
export type PageGuard = (request: IncomingMessage) => string | undefined;

const LOOPBACK = /^(localhost|.*\.localhost|127\.\d{1,3}\.\d{1,3}\.\d{1,3}|\[::1\])$/;
const HOST = /^(\[[0-9a-f:.]{2,45}\]|[a-z0-9._-]{1,253}?)\.?(?::\d{1,5})?$/;

/** Whether a Host header names this machine, the address that the request came in at, or one of `names`. */
export function isOwnHost(
  header: string | undefined,
  localAddress: string | undefined,
  names: ReadonlySet<string>,
): boolean {
  const host = HOST.exec(header?.toLowerCase() ?? "")?.[1];
  if (host === undefined) return false;
  if (LOOPBACK.test(host) || names.has(host)) return true;
  if (localAddress === undefined) return false;
  const own = localAddress.startsWith("::ffff:") ? localAddress.slice(7) : localAddress.split("%", 1)[0]!;
  return host === own || host === `[${own}]`;
}

/** What proxies add. One on this machine makes whoever comes through it look like a program of this machine. */
const PROXY_HEADERS = ["forwarded", "via", "x-forwarded-for", "x-forwarded-host", "x-real-ip"];

/** Which requests are let through. */
export interface PageGuardOptions {
  /** Those to the pages, which links of other sites may lead to; default those to the API. */
  readonly documents?: boolean;
  /** Those that no proxy has passed on, for a node that thinks itself out of reach for strangers. Default all. */
  readonly isLocalOnly?: boolean;
}

/**
 * A guard for requests to the API or to the pages.
 * @param names other names of this node, in lower case
 */
export function pageGuard(
  names: readonly string[],
  { documents = false, isLocalOnly = false }: PageGuardOptions = {},
): PageGuard {
  const own = new Set(names);
  return ({ headers, headersDistinct, socket }) => {
    if (headersDistinct.host !== undefined && headersDistinct.host.length > 1)
      return "a request is for one host";
    if (isLocalOnly && PROXY_HEADERS.some((name) => headers[name] !== undefined))
      return "this came through a proxy: name it in `[dashboard] hosts`";
    if (!isOwnHost(headers.host, socket.localAddress, own)) {
      return "this node does not answer for that host name: see `[dashboard] hosts`";
    }
    const site = headers["sec-fetch-site"];
    if (site === undefined || site === "same-origin" || site === "none") return undefined;
    const isLink = headers["sec-fetch-mode"] === "navigate" && headers["sec-fetch-dest"] === "document";
    return documents && isLink ? undefined : "pages of other sites may not ask this node";
  };
}
