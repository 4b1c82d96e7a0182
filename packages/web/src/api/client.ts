// Asks the node. Nothing it answers is trusted to be small, well formed or true: answers are read up to a bound, and shown
// as text only.

/** A failure with a reason for the reader. */
export class ApiError extends Error {
  override readonly name = "ApiError";
  /** The node's code, or `UNREACHABLE`, `UNREADABLE`. */
  readonly code: string;
  readonly hint: string;

  constructor(code: string, message: string, hint = "") {
    super(message);
    this.code = code;
    this.hint = hint;
  }
}

/** Longest answer that is read. */
const MAX_BYTES = 16 << 20;
/** Answers that are kept to be asked for again by ETag. */
const MAX_KEPT = 48;

interface Kept {
  readonly etag: string;
  readonly value: unknown;
}

/** By path, least recently used first. */
const kept = new Map<string, Kept>();

/** How to ask. */
export interface AskOptions {
  readonly signal?: AbortSignal;
  readonly maxBytes?: number;
}

/**
 * The JSON at a path of the API. When the node says that it did not change, the very same object as before.
 * @throws ApiError; the signal's reason
 */
export async function askJson<T>(path: string, options: AskOptions = {}): Promise<T> {
  const known = kept.get(path);
  const headers: HeadersInit = { accept: "application/json" };
  if (known !== undefined) headers["if-none-match"] = known.etag;
  const response = await request(path, headers, options.signal);
  if (response.status === 304 && known !== undefined) {
    remember(path, known);
    return known.value as T;
  }
  const text = new TextDecoder().decode(await readBody(response, options));
  const value = parseJson(text);
  if (!response.ok) throw refusal(response.status, value);
  if (value === undefined) throw new ApiError("UNREADABLE", "the node's answer is not JSON");
  const etag = response.headers.get("etag");
  if (etag !== null) remember(path, { etag, value });
  return value as T;
}

/**
 * The bytes at a path, of the API or of a log of this node; undefined when there are none (404).
 * @throws ApiError; the signal's reason
 */
export async function askBytes(path: string, options: AskOptions = {}): Promise<Uint8Array | undefined> {
  const response = await request(path, {}, options.signal);
  if (response.status === 404) return undefined;
  const bytes = await readBody(response, options);
  if (!response.ok) throw refusal(response.status, parseJson(new TextDecoder().decode(bytes)));
  return bytes;
}

async function request(
  path: string,
  headers: HeadersInit,
  signal: AbortSignal | undefined,
): Promise<Response> {
  try {
    return await fetch(path, {
      headers,
      signal: signal ?? null,
      credentials: "same-origin",
      redirect: "error",
    });
  } catch (cause) {
    signal?.throwIfAborted();
    throw new ApiError(
      "UNREACHABLE",
      "the node does not answer",
      `Is it running? The browser says: ${String((cause as Error).message).slice(0, 200)}`,
    );
  }
}

async function readBody(
  response: Response,
  { signal, maxBytes = MAX_BYTES }: AskOptions,
): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  let size = 0;
  const reader = response.body?.getReader();
  try {
    for (;;) {
      const part = await reader?.read();
      if (part === undefined || part.done) break;
      size += part.value.length;
      if (size > maxBytes) {
        void reader?.cancel();
        throw new ApiError("UNREADABLE", `the node's answer is longer than ${maxBytes} bytes`);
      }
      parts.push(part.value);
    }
  } catch (cause) {
    signal?.throwIfAborted();
    if (cause instanceof ApiError) throw cause;
    throw new ApiError("UNREACHABLE", "the node's answer broke off");
  }
  const bytes = new Uint8Array(size);
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** `{"error":{"code","message","hint"}}`, or whatever else came with the status. */
function refusal(status: number, body: unknown): ApiError {
  const error = typeof body === "object" && body !== null && "error" in body ? body.error : undefined;
  const fields = typeof error === "object" && error !== null ? (error as Record<string, unknown>) : {};
  const text = (value: unknown, otherwise: string): string =>
    typeof value === "string" ? value.slice(0, 1000) : otherwise;
  return new ApiError(
    text(fields.code, status === 404 ? "NOT_FOUND" : "REFUSED"),
    text(fields.message, `the node answers with status ${status}`),
    text(fields.hint, ""),
  );
}

function remember(path: string, answer: Kept): void {
  kept.delete(path);
  kept.set(path, answer);
  if (kept.size > MAX_KEPT) kept.delete(kept.keys().next().value as string);
}
