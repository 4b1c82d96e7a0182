// Reads a request that is plain: one complete GET or HEAD of HTTP/1.1 without a body, strictly formed, that came in one
// piece and alone. RFC 9112 sections 2 to 5.
//
// A stranger controls every byte, so what is not plain in every respect is not interpreted at all, but left to node:http.
import type { IncomingHttpHeaders } from "node:http";
import { MAX_TARGET_BYTES, parseTarget } from "./route.ts";

/** Longest request that is looked at; those of Nix have about 150 bytes, those of browsers 700. */
const MAX_REQUEST_BYTES = 4096;
const VERSION = " HTTP/1.1";
/** Headers that say something about the body or the connection: left to node:http. */
const FRAMING = new Set([
  "connection",
  "content-length",
  "expect",
  "http2-settings",
  "keep-alive",
  "proxy-connection",
  "te",
  "trailer",
  "transfer-encoding",
  "upgrade",
]);

/** A plain request. */
export interface PlainRequest {
  readonly method: "GET" | "HEAD";
  /** A path that {@link parseTarget} takes, without a query. */
  readonly target: string;
  /** Names in lower case, as node:http gives them. */
  readonly headers: IncomingHttpHeaders;
}

/** The header section of a request, with its empty line; undefined when it is not plain. */
function parseHeaders(text: string): IncomingHttpHeaders | undefined {
  if (!text.endsWith("\r\n\r\n")) return undefined;
  const headers = new Map<string, string>();
  for (const line of text.slice(0, -4).split("\r\n")) {
    const match = /^([A-Za-z0-9-]{1,64}): ?([!-~](?:[ -~]*[!-~])?)$/.exec(line);
    if (match === null) return undefined;
    const [name, value] = [match[1]!.toLowerCase(), match[2]!];
    if (headers.has(name)) return undefined;
    if (FRAMING.has(name) && !(name === "connection" && value === "keep-alive")) return undefined;
    headers.set(name, value);
  }
  return headers.has("host") ? Object.fromEntries(headers) : undefined;
}

/** Reads the requests of one connection. A client's headers are the same each time as a rule, so they are read once. */
export class PlainRequestReader {
  #headersText: string | undefined;
  #headers: IncomingHttpHeaders = {};

  /** The request that is all of `chunk`, or undefined when that is anything else. */
  read(chunk: Buffer): PlainRequest | undefined {
    if (chunk.length > MAX_REQUEST_BYTES) return undefined;
    const text = chunk.toString("latin1");
    const method = text.startsWith("GET ") ? "GET" : text.startsWith("HEAD ") ? "HEAD" : undefined;
    if (method === undefined) return undefined;
    const lineEnd = text.indexOf("\r\n");
    const targetEnd = lineEnd - VERSION.length;
    if (lineEnd < 0 || !text.startsWith(VERSION, targetEnd)) return undefined;
    const target = text.slice(method.length + 1, targetEnd);
    // No query: nothing here has one, and nobody has looked at its characters.
    if (target.length > MAX_TARGET_BYTES || parseTarget(target) !== target) return undefined;
    const headersText = text.slice(lineEnd + 2);
    if (headersText !== this.#headersText) {
      const headers = parseHeaders(headersText);
      if (headers === undefined) return undefined;
      this.#headersText = headersText;
      this.#headers = headers;
    }
    return { method, target, headers: this.#headers };
  }
}
