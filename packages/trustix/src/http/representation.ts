// Answers with a body that is in memory, with validators, single ranges and content encodings. RFC 9110 sections 8, 13,
// 14. Answers are worked out as data, so that whoever writes them to the client, node:http or ./fast-path.ts, says the
// same. Request headers come from anyone.
import { createHash } from "node:crypto";
import type { IncomingHttpHeaders, OutgoingHttpHeaders, ServerResponse } from "node:http";

/** What an answer depends on of a GET or HEAD; a request of node:http is one. */
export interface RequestHead {
  readonly method?: string | undefined;
  readonly headers: IncomingHttpHeaders;
}

/** One representation of a resource. The body belongs to the sender and is not changed. */
export interface Representation {
  readonly body: Uint8Array;
  /** Media type. */
  readonly type: string;
  /** Strong validator with its quotes. */
  readonly etag: string;
  readonly cacheControl: string;
  readonly encoding?: "gzip" | "zstd";
  /** Whether there are other encodings of this resource, so that caches must look at Accept-Encoding. */
  readonly negotiated?: boolean;
  /** Headers that all answers of a route carry. */
  readonly common?: OutgoingHttpHeaders;
}

/** A status and a line of text instead of a representation; not cached unless its headers say otherwise. */
export interface Notice {
  readonly status: number;
  readonly text: string;
  readonly headers?: OutgoingHttpHeaders;
}

/** What there is at a path. */
export type Found = Representation | Notice;

/** All that is sent; the body of an answer to HEAD is left out. */
export interface Answer {
  readonly status: number;
  readonly headers: OutgoingHttpHeaders;
  readonly body: Uint8Array | undefined;
}

/** A byte range, `end` exclusive. */
export interface ByteRange {
  readonly start: number;
  readonly end: number;
}

/** Cached for a year and never asked for again: what C2SP tiles and content-addressed files are. */
export const IMMUTABLE = "public, max-age=31536000, immutable";

/** The strong validator of a body: the first 96 bits of its SHA-256, enough against accidents. */
export function etagOf(body: Uint8Array, suffix = ""): string {
  return `"${createHash("sha256").update(body).digest("base64url").slice(0, 16)}${suffix}"`;
}

/** Whether an `Accept-Encoding` header takes `coding`; without the header, nothing but identity. */
export function acceptsEncoding(header: string | string[] | undefined, coding: "gzip" | "zstd"): boolean {
  if (header === undefined) return false;
  let wildcard = false;
  for (const part of String(header).toLowerCase().split(",")) {
    const [name, ...parameters] = part.split(";").map((piece) => piece.trim());
    const accepted = !parameters.some((parameter) => /^q=0(\.0{0,3})?$/.test(parameter));
    if (name === coding) return accepted;
    if (name === "*") wildcard = accepted;
  }
  return wildcard;
}

/** Whether `If-None-Match` names this validator (weak comparison, as RFC 9110 section 13.1.2 wants). */
export function matchesEtag(header: string | undefined, etag: string): boolean {
  if (header === undefined) return false;
  if (header.trim() === "*") return true;
  return header.split(",").some((part) => part.trim().replace(/^W\//, "") === etag);
}

/**
 * The one range that a request asks for, out of `size` bytes. Undefined means: send everything, because no range is
 * asked for, it is malformed, it is more than one, or `If-Range` names another version.
 */
export function requestedRange(
  request: RequestHead,
  size: number,
  etag: string,
): ByteRange | "unsatisfiable" | undefined {
  const match = /^bytes=(\d{0,15})-(\d{0,15})$/.exec(request.headers.range ?? "");
  if (match === null || request.method !== "GET") return undefined;
  const ifRange = request.headers["if-range"];
  if (ifRange !== undefined && ifRange !== etag) return undefined;
  const [first, last] = [match[1] as string, match[2] as string];
  if (first === "") {
    if (last === "") return undefined;
    const length = Math.min(Number(last), size);
    return length === 0 ? "unsatisfiable" : { start: size - length, end: size };
  }
  const start = Number(first);
  const end = last === "" ? size : Math.min(Number(last) + 1, size);
  if (last !== "" && Number(last) < start) return undefined;
  return start >= size ? "unsatisfiable" : { start, end };
}

function noticeAnswer(request: RequestHead, { status, text, headers }: Notice): Answer {
  const body = Buffer.from(`${text}\n`);
  return {
    status,
    headers: {
      "content-type": "text/plain; charset=utf-8",
      "content-length": body.length,
      "cache-control": "no-store",
      ...headers,
    },
    body: request.method === "HEAD" ? undefined : body,
  };
}

/** The answer to a GET or HEAD: 200, 206, 304, 416, or the status of a notice. */
export function answerTo(request: RequestHead, found: Found): Answer {
  if ("status" in found) return noticeAnswer(request, found);
  const { body, type, etag, cacheControl, encoding, negotiated, common } = found;
  const headers: OutgoingHttpHeaders = { ...common, etag, "cache-control": cacheControl };
  if (negotiated) headers.vary = "Accept-Encoding";
  if (matchesEtag(request.headers["if-none-match"], etag)) return { status: 304, headers, body: undefined };
  const range = requestedRange(request, body.length, etag);
  if (range === "unsatisfiable") {
    return noticeAnswer(request, {
      status: 416,
      text: "range not satisfiable",
      headers: { ...common, "content-range": `bytes */${body.length}` },
    });
  }
  headers["content-type"] = type;
  headers["accept-ranges"] = "bytes";
  if (encoding !== undefined) headers["content-encoding"] = encoding;
  const part = range === undefined ? body : body.subarray(range.start, range.end);
  headers["content-length"] = part.length;
  if (range !== undefined) headers["content-range"] = `bytes ${range.start}-${range.end - 1}/${body.length}`;
  const status = range === undefined ? 200 : 206;
  return { status, headers, body: request.method === "HEAD" ? undefined : part };
}

/** Answers a GET or HEAD with what there is. */
export function sendFound(request: RequestHead, response: ServerResponse, found: Found): void {
  const { status, headers, body } = answerTo(request, found);
  response.writeHead(status, headers).end(body);
}

/** Answers with a status and no body but a line of text; never cached. */
export function sendStatus(
  request: RequestHead,
  response: ServerResponse,
  status: number,
  text: string,
  headers: OutgoingHttpHeaders = {},
): void {
  sendFound(request, response, { status, text, headers });
}

/** Answers a GET or HEAD with 200, 206, 304 or 416. */
export function sendRepresentation(
  request: RequestHead,
  response: ServerResponse,
  representation: Representation,
): void {
  sendFound(request, response, representation);
}
