// NARs to clients: whole and proven first when they are small; else passed on while they are verified, the last piece kept
// back until they are. Who has received all bytes has received right ones.
//
// A range is cut out of a download that is verified from its first byte to its last, so it costs the cache a whole
// download: there is no other way to know that its bytes belong to the stated NAR.
import { createHash } from "node:crypto";
import type { IncomingMessage, OutgoingHttpHeaders, ServerResponse } from "node:http";
import { TrustixError } from "../errors.ts";
import type { PaceLimits } from "../fetch/pace.ts";
import { ByteCache } from "../http/byte-cache.ts";
import {
  type ByteRange,
  IMMUTABLE,
  matchesEtag,
  requestedRange,
  sendStatus,
} from "../http/representation.ts";
import { Turnstile } from "../turnstile.ts";
import { Download } from "./download.ts";
import { type Refusal, refusal, type SubstituterEvent } from "./events.ts";
import type { ExpectedNar } from "./nar-mismatch.ts";
import { fileOf, isResumable, type NarName } from "./nar-name.ts";
import type { CreateNarVerifier } from "./nar-verifier.ts";
import type { Source, SourceSearch } from "./source-search.ts";

/** What the delivery needs. */
export interface NarDeliveryParts {
  readonly createVerifier: CreateNarVerifier;
  /** NARs up to this size are verified before the first byte is sent. */
  readonly verifyFirstBytes: number;
  /** Memory for such NARs, kept for who asks next or for a range. */
  readonly cacheBytes: number;
  /** Downloads at one time; further requests wait. */
  readonly maxDownloads: number;
  readonly pace: PaceLimits;
  readonly onEvent: (event: SubstituterEvent) => void;
  /** Monotonic milliseconds. */
  readonly now: () => number;
}

/** A NAR that the policy accepts. */
export interface WantedNar {
  readonly name: NarName;
  readonly storePath: string;
  readonly expected: ExpectedNar;
  readonly search: SourceSearch;
}

/** A compressed NAR that is proven, in memory. */
interface ProvenNar {
  readonly body: Buffer;
  readonly file: string;
  readonly upstreams: readonly string[];
}

/** How often one download is continued before it is given up. */
const MAX_RESUMES = 4;
/** How long nobody may continue a download of which a wrong part went out. */
const POISONED_MS = 10 * 60_000;
const MAX_POISONED = 10_000;
/** A file that may be another than promised comes after this many failures' worth. */
const OTHER_FILE_RANK = 2e6;

class ClientGone extends Error {}

/** Whether a request asks for something else than all of it. */
function isPartial(request: IncomingMessage): boolean {
  return request.headers.range !== undefined && !/^bytes=0-$/.test(request.headers.range);
}

function etagOf({ narHash, compression }: NarName, file: string): string | undefined {
  return isResumable(file) ? `"${narHash}-${compression}-${file}"` : undefined;
}

/** Sends one piece, and waits when the client is slower than we are. */
async function send(response: ServerResponse, piece: Uint8Array): Promise<void> {
  if (response.destroyed) throw new ClientGone();
  if (response.write(piece)) return;
  await new Promise<void>((resolve, reject) => {
    const drained = (): void => {
      response.off("close", closed);
      resolve();
    };
    const closed = (): void => {
      response.off("drain", drained);
      reject(new ClientGone());
    };
    response.once("drain", drained);
    response.once("close", closed);
  });
}

interface Head {
  readonly status: 200 | 206;
  readonly headers: OutgoingHttpHeaders;
  readonly range: ByteRange | undefined;
}

/**
 * Status and headers of an answer.
 * @param size of the file, if it is known
 * @returns undefined when the range cannot be satisfied
 */
function headOf(
  request: IncomingMessage,
  { name }: WantedNar,
  file: string,
  size: number | undefined,
): Head | undefined {
  const etag = etagOf(name, file);
  // Nix resumes without If-Range: only the file that its narinfo promised may be continued.
  const isSame = isResumable(file) && file === name.file && size !== undefined;
  const range = isSame ? requestedRange(request, size, etag ?? "") : undefined;
  if (range === "unsatisfiable") return undefined;
  const headers: OutgoingHttpHeaders = {
    "content-type": "application/x-nix-nar",
    "cache-control": IMMUTABLE,
  };
  if (etag !== undefined) headers.etag = etag;
  // Without this, Nix gives up when a download breaks off instead of continuing it.
  if (isSame) headers["accept-ranges"] = "bytes";
  if (range !== undefined) {
    headers["content-range"] = `bytes ${range.start}-${range.end - 1}/${size}`;
    headers["content-length"] = range.end - range.start;
  } else if (size !== undefined) headers["content-length"] = size;
  return { status: range === undefined ? 200 : 206, headers, range };
}

function sendUnsatisfiable(request: IncomingMessage, response: ServerResponse, size: number): void {
  sendStatus(request, response, 416, "range not satisfiable", { "content-range": `bytes */${size}` });
}

export class NarDelivery {
  readonly #parts: NarDeliveryParts;
  readonly #turnstile: Turnstile;
  readonly #proven: ByteCache<ProvenNar>;
  readonly #proving = new Map<string, Promise<ProvenNar | Refusal>>();
  readonly #poisoned = new Map<string, number>();

  constructor(parts: NarDeliveryParts) {
    this.#parts = parts;
    this.#turnstile = new Turnstile(parts.maxDownloads);
    this.#proven = new ByteCache(parts.cacheBytes);
  }

  /** Answers a GET or HEAD, or returns why it cannot; then nothing has been sent. */
  async deliver(
    request: IncomingMessage,
    response: ServerResponse,
    wanted: WantedNar,
  ): Promise<Refusal | undefined> {
    const etag = etagOf(wanted.name, wanted.name.file);
    if (etag !== undefined && matchesEtag(request.headers["if-none-match"], etag)) {
      response.writeHead(304, { etag, "cache-control": IMMUTABLE }).end();
      return undefined;
    }
    const gone = new AbortController();
    const onClose = (): void => gone.abort();
    response.once("close", onClose);
    try {
      const refused = await this.#answer(request, response, wanted, gone.signal);
      return gone.signal.aborted ? undefined : refused;
    } catch (error) {
      if (error instanceof ClientGone || gone.signal.aborted) return undefined;
      throw error;
    } finally {
      response.off("close", onClose);
    }
  }

  async #answer(
    request: IncomingMessage,
    response: ServerResponse,
    wanted: WantedNar,
    signal: AbortSignal,
  ): Promise<Refusal | undefined> {
    if (request.method === "HEAD") return await this.#sendHead(request, response, wanted, signal);
    if (wanted.expected.narSize <= this.#parts.verifyFirstBytes) {
      return await this.#sendSmall(request, response, wanted);
    }
    if (isPartial(request) && this.#isPoisoned(wanted.name)) {
      return refusal(
        "not-resumable",
        "the first part came from a cache whose NAR turned out wrong: start anew",
      );
    }
    using _pass = await this.#turnstile.enter(signal);
    return await this.#sendLarge(request, response, wanted, signal);
  }

  async #sendHead(
    request: IncomingMessage,
    response: ServerResponse,
    wanted: WantedNar,
    signal: AbortSignal,
  ): Promise<Refusal | undefined> {
    for await (const { file, info } of this.#candidates(wanted, signal)) {
      const size = info.compression === "none" ? info.narSize : info.fileSize;
      const head = headOf(request, wanted, file, size);
      response.writeHead(200, head?.headers).end();
      return undefined;
    }
    return this.#noSource(wanted, []);
  }

  /** Sources of the right compression: the promised file first, the healthiest before others. */
  async *#candidates(
    { name, search }: WantedNar,
    signal: AbortSignal,
  ): AsyncGenerator<Source, void, undefined> {
    const tried = new Set<Source>();
    const left = (): Source[] =>
      search.sources.filter((source) => source.info.compression === name.compression && !tried.has(source));
    const rank = ({ upstream, file }: Source): number =>
      upstream.rank + (file === name.file ? 0 : OTHER_FILE_RANK);
    for (;;) {
      await search.wait(() => left().length > 0, 0, signal);
      const [best] = left().sort((a, b) => rank(a) - rank(b));
      if (best === undefined || signal.aborted) return;
      tried.add(best);
      yield best;
    }
  }

  #download(source: Source, wanted: WantedNar, signal: AbortSignal): Download {
    const { createVerifier, pace } = this.#parts;
    let resumes = 0;
    return new Download(source, {
      expected: wanted.expected,
      createVerifier,
      pace,
      signal,
      onFailure: (failed, error) => this.#fail(failed, error),
      nextOfFile: async (file) => {
        if (++resumes > MAX_RESUMES) return undefined;
        const { name, search } = wanted;
        const same = search.sources.filter(
          (each) => each.file === file && !each.upstream.isWrong(name.narHash),
        );
        return same.sort((a, b) => a.upstream.rank - b.upstream.rank)[0];
      },
    });
  }

  #fail({ upstream }: Source, error: unknown): void {
    // A NAR that is gone says nothing about the cache's health.
    if (!(error instanceof TrustixError) || error.code !== "NOT_FOUND") upstream.fail(error);
  }

  /** Notes what a failed download means for the caches it came from. @returns for the explanation of a refusal */
  #blame(download: Download, source: Source, wanted: WantedNar, error: unknown, wasSent: boolean): string {
    if (!(error instanceof TrustixError) || error.code !== "NAR_MISMATCH") {
      // What it continued from elsewhere, the download has reported already.
      if (!download.hasReported(error)) this.#fail(source, error);
      return `${source.upstream.name}: ${error instanceof Error ? error.message : String(error)}`;
    }
    const blamed = download.contributors.size === 0 ? [source] : [...download.contributors];
    for (const { upstream } of blamed) upstream.markWrong(wanted.name.narHash);
    const upstreams = blamed.map(({ upstream }) => upstream.name);
    const { storePath } = wanted;
    this.#parts.onEvent({ type: "wrong-nar", upstreams, storePath, reason: error.message, wasSent });
    return `${upstreams.join(", ")}: ${error.message}`;
  }

  #noSource({ name, search }: WantedNar, misses: readonly string[]): Refusal {
    const other = search.sources.filter(({ info }) => info.compression !== name.compression);
    const said = [...search.misses, ...misses];
    if (other.length > 0)
      said.push(`${other.length} have it in another compression than ${name.compression}`);
    return refusal("no-source", said.length === 0 ? "no cache has this NAR" : said.join("; "));
  }

  async #sendSmall(
    request: IncomingMessage,
    response: ServerResponse,
    wanted: WantedNar,
  ): Promise<Refusal | undefined> {
    const startedMs = this.#parts.now();
    const { narHash, compression, file } = wanted.name;
    const key = `${narHash}-${compression}-${file}`;
    let proven = this.#proven.get(key);
    if (proven === undefined) {
      let proving = this.#proving.get(key);
      if (proving === undefined) {
        proving = this.#prove(wanted).finally(() => this.#proving.delete(key));
        this.#proving.set(key, proving);
      }
      const outcome = await proving;
      if ("reason" in outcome) return outcome;
      proven = outcome;
      this.#proven.set(key, proven, proven.body.length);
    }
    const { body, upstreams } = proven;
    const head = headOf(request, wanted, proven.file, body.length);
    if (head === undefined) {
      sendUnsatisfiable(request, response, body.length);
      return undefined;
    }
    const part = head.range === undefined ? body : body.subarray(head.range.start, head.range.end);
    response.writeHead(head.status, head.headers).end(part);
    this.#served(wanted, upstreams, part.length, startedMs);
    return undefined;
  }

  #served(wanted: WantedNar, upstreams: readonly string[], bytes: number, startedMs: number): void {
    const durationMs = this.#parts.now() - startedMs;
    this.#parts.onEvent({ type: "nar-served", storePath: wanted.storePath, upstreams, bytes, durationMs });
  }

  /** Downloads for all who ask at the same time, so nobody's leaving ends it; its size and pace bound it. */
  async #prove(wanted: WantedNar): Promise<ProvenNar | Refusal> {
    const { signal: never } = new AbortController();
    using _pass = await this.#turnstile.enter(never);
    const misses: string[] = [];
    for await (const source of this.#candidates(wanted, never)) {
      // Small enough to be here within the time that a silence may last.
      const signal = AbortSignal.timeout(this.#parts.pace.idleMs);
      const download = this.#download(source, wanted, signal);
      let body: Buffer;
      try {
        await download.start();
        body = await download.whole();
      } catch (error) {
        misses.push(this.#blame(download, source, wanted, error, false));
        continue;
      }
      source.upstream.succeed();
      return { body, file: provenFile(source, body), upstreams: namesOf(download) };
    }
    return this.#noSource(wanted, misses);
  }

  async #sendLarge(
    request: IncomingMessage,
    response: ServerResponse,
    wanted: WantedNar,
    signal: AbortSignal,
  ): Promise<Refusal | undefined> {
    const startedMs = this.#parts.now();
    const misses: string[] = [];
    for await (const source of this.#candidates(wanted, signal)) {
      const download = this.#download(source, wanted, signal);
      let sent = 0;
      try {
        await download.start();
        const head = headOf(request, wanted, source.file, download.sizeBytes);
        if (head === undefined) {
          sendUnsatisfiable(request, response, download.sizeBytes ?? 0);
          return undefined;
        }
        let position = 0;
        let heldBack: Buffer | undefined;
        for await (const chunk of download.chunks()) {
          const { start, end } = head.range ?? { start: 0, end: Number.POSITIVE_INFINITY };
          const part = chunk.subarray(Math.max(0, start - position), Math.max(0, end - position));
          position += chunk.length;
          if (part.length === 0) continue;
          if (heldBack !== undefined) {
            if (sent === 0) response.writeHead(head.status, head.headers);
            sent += heldBack.length;
            await send(response, heldBack);
          }
          heldBack = part;
        }
        if (sent === 0) response.writeHead(head.status, head.headers);
        response.end(heldBack);
        source.upstream.succeed();
        this.#served(wanted, namesOf(download), sent + (heldBack?.length ?? 0), startedMs);
        return undefined;
      } catch (error) {
        if (error instanceof ClientGone || signal.aborted) throw error;
        misses.push(this.#blame(download, source, wanted, error, sent > 0));
        if (sent === 0) continue;
        if (error instanceof TrustixError && error.code === "NAR_MISMATCH") this.#poison(wanted.name);
        // The client sees an incomplete answer, and may ask for the rest.
        response.destroy();
        return undefined;
      }
    }
    return this.#noSource(wanted, misses);
  }

  #poison({ narHash, file }: NarName): void {
    const key = `${narHash}-${file}`;
    this.#poisoned.delete(key);
    this.#poisoned.set(key, this.#parts.now() + POISONED_MS);
    if (this.#poisoned.size > MAX_POISONED) this.#poisoned.delete(this.#poisoned.keys().next().value!);
  }

  #isPoisoned({ narHash, file }: NarName): boolean {
    return (this.#poisoned.get(`${narHash}-${file}`) ?? Number.NEGATIVE_INFINITY) > this.#parts.now();
  }
}

/** Which file a proven one is. The download has checked what its cache promised, if it did. */
function provenFile({ file, info }: Source, body: Uint8Array): string {
  if (isResumable(file)) return file;
  const bytes = createHash("sha256").update(body).digest();
  return fileOf(info.compression, info.narHash, { algorithm: "sha256", bytes });
}

function namesOf({ contributors }: Download): string[] {
  return [...new Set([...contributors].map(({ upstream }) => upstream.name))];
}
