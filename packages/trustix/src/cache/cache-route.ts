// The local store as a Nix binary cache: nix-cache-info, narinfo, listings and archives. 404 is the only "no", because
// Nix takes most other answers for the end of the build.

import type { IncomingMessage, OutgoingHttpHeaders, ServerResponse } from "node:http";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { constants, createZstdCompress } from "node:zlib";
import {
  formatCacheInfo,
  formatFingerprint,
  formatHash,
  formatNarInfo,
  formatNarListing,
  hashPartOf,
  isHashPart,
  listNar,
  NixError,
  type Signer,
} from "@trustix/nix";
import { TrustixError } from "../errors.ts";
import { ByteCache } from "../http/byte-cache.ts";
import type { Route } from "../http/public-server.ts";
import {
  acceptsEncoding,
  etagOf,
  IMMUTABLE,
  matchesEtag,
  type Representation,
  requestedRange,
  sendRepresentation,
  sendStatus,
} from "../http/representation.ts";
import { Turnstile } from "../turnstile.ts";
import type { DamagedPaths } from "./damaged-paths.ts";
import type { ServedPath, ServedPaths } from "./served-paths.ts";
import { type Dump, verifiedNar } from "./verified-nar.ts";

/** What the cache needs. */
export interface CacheRouteOptions {
  readonly storeDir: string;
  readonly priority: number;
  readonly wantMassQuery: boolean;
  readonly paths: ServedPaths;
  readonly signer: Signer;
  readonly damaged: DamagedPaths;
  /** Archives up to this many bytes are hashed before the first byte is sent. */
  readonly verifyBeforeSendBytes: number;
  /** A path is not what Nix registered; it is refused from now on. */
  readonly onDamaged: (error: TrustixError) => void;
  /** A path could not be read, or Nix could not be asked; the client got 404. */
  readonly onUnreadable: (error: unknown) => void;
  /** Makes archives; default: from disk. */
  readonly dump?: Dump;
}

/** A store path may be rebuilt with another result, so clients ask again after this. */
const NARINFO_CACHE = "public, max-age=300";
/** A listing is held in memory while it is made. */
const MAX_LISTING_NODES = 200_000;
/** Memory for listings that were made. */
const LISTING_CACHE_BYTES = 16 << 20;
/**
 * Archives that are read at one time without a byte being sent: to check them, to list them, to skip to a range. Such a
 * request costs its sender nothing, and us the whole archive.
 */
const SMALL_READERS = 8;
const LARGE_READERS = 2;

/** The part of an archive's URL that names its hash: 52 characters of nix32. */
function narHashText(served: ServedPath): string {
  return formatHash(served.info.narHash).slice("sha256:".length);
}

/** Reads an archive to its end for its verdict alone. */
async function drain(archive: AsyncIterable<Uint8Array>): Promise<void> {
  for await (const _ of archive);
}

/** An iteration of which the first step was taken already. */
async function* resume<T>(
  first: IteratorResult<T, void>,
  rest: AsyncGenerator<T, void>,
): AsyncGenerator<T, void> {
  if (first.done) return;
  yield first.value;
  yield* rest;
}

/** The route of the binary cache, at `/`. */
export function cacheRoute(options: CacheRouteOptions): Route {
  const { paths, damaged, dump } = options;
  const small = new Turnstile(SMALL_READERS);
  const large = new Turnstile(LARGE_READERS);
  /** By hash of the archive, which determines the listing. */
  const listings = new ByteCache<Representation>(LISTING_CACHE_BYTES);

  const isSmall = ({ info }: ServedPath): boolean => info.narSize <= options.verifyBeforeSendBytes;
  const enter = (served: ServedPath, signal: AbortSignal): Promise<Disposable> =>
    (isSmall(served) ? small : large).enter(signal);

  const cacheInfo: Representation = (() => {
    const { storeDir, wantMassQuery, priority } = options;
    const body = Buffer.from(formatCacheInfo({ storeDir, wantMassQuery, priority }));
    return { body, type: "text/x-nix-cache-info", etag: etagOf(body), cacheControl: NARINFO_CACHE };
  })();

  const find = async (hashPart: string): Promise<ServedPath | undefined> => {
    if (!isHashPart(hashPart)) return undefined;
    const served = await paths.find(hashPart);
    return served === undefined || damaged.has(served) ? undefined : served;
  };

  /** Runs what reads a path's contents; undefined when they are wrong or cannot be read, which is reported. */
  const guarded = async <T>(served: ServedPath, read: () => Promise<T>): Promise<T | undefined> => {
    try {
      return await read();
    } catch (error) {
      if (error instanceof TrustixError && error.code === "CONTENT_MISMATCH") {
        damaged.add(served);
        options.onDamaged(error);
      } else if (error instanceof NixError) options.onUnreadable(error);
      else throw error;
      return undefined;
    }
  };

  const narInfo = async (served: ServedPath): Promise<Representation> => {
    const { info } = served;
    const signature = await options.signer.sign(formatFingerprint(info));
    const url = `nar/${hashPartOf(info.storePath)}-${narHashText(served)}.nar`;
    const body = Buffer.from(formatNarInfo({ ...info, url, compression: "none", signatures: [signature] }));
    return { body, type: "text/x-nix-narinfo", etag: etagOf(body), cacheControl: NARINFO_CACHE };
  };

  const listing = async (served: ServedPath, signal: AbortSignal): Promise<Representation | undefined> =>
    guarded(served, async () => {
      const key = narHashText(served);
      // Looked up again after the wait: somebody else in line may have made it.
      const known = listings.get(key);
      if (known !== undefined) return known;
      using _ = await enter(served, signal);
      const made = listings.get(key);
      if (made !== undefined) return made;
      const tree = await listNar(verifiedNar(served.info, { dump, signal }), { maxNodes: MAX_LISTING_NODES });
      const body = Buffer.from(formatNarListing(tree));
      const listed = { body, type: "application/json", etag: etagOf(body), cacheControl: NARINFO_CACHE };
      listings.set(key, listed, body.length);
      return listed;
    });

  const sendNar = async (
    request: IncomingMessage,
    response: ServerResponse,
    served: ServedPath,
    signal: AbortSignal,
  ): Promise<void> => {
    const { info } = served;
    // An encoded answer cannot be resumed, so who asks for a range gets the archive itself.
    const isZstd =
      acceptsEncoding(request.headers["accept-encoding"], "zstd") && request.headers.range === undefined;
    const etag = `"${narHashText(served)}${isZstd ? "-zstd" : ""}"`;
    const headers: OutgoingHttpHeaders = { etag, "cache-control": IMMUTABLE, vary: "Accept-Encoding" };
    if (matchesEtag(request.headers["if-none-match"], etag)) {
      response.writeHead(304, headers).end();
      return;
    }
    const range = requestedRange(request, info.narSize, etag);
    if (range === "unsatisfiable") {
      sendStatus(request, response, 416, "range not satisfiable", {
        "content-range": `bytes */${info.narSize}`,
      });
      return;
    }
    headers["content-type"] = "application/x-nix-nar";
    // Without this, Nix gives up when a download breaks off instead of resuming it.
    headers["accept-ranges"] = "bytes";
    if (isZstd) headers["content-encoding"] = "zstd";
    else headers["content-length"] = range === undefined ? info.narSize : range.end - range.start;
    if (range !== undefined)
      headers["content-range"] = `bytes ${range.start}-${range.end - 1}/${info.narSize}`;
    if (request.method === "HEAD") {
      response.writeHead(200, headers).end();
      return;
    }
    const archive = verifiedNar(info, { dump, signal }, range);
    try {
      // Whatever goes wrong up to the first piece can still be answered.
      const first = await guarded(served, async () => {
        using _ = isSmall(served) || range !== undefined ? await enter(served, signal) : undefined;
        if (isSmall(served)) await drain(verifiedNar(info, { dump, signal }));
        return await archive.next();
      });
      if (first === undefined) {
        sendStatus(request, response, 404, "the path is damaged or cannot be read");
        return;
      }
      response.writeHead(range === undefined ? 200 : 206, headers);
      // An error from here on destroys the response, and the client sees that its download is incomplete.
      await guarded(served, async () => {
        const source = Readable.from(resume(first, archive), { objectMode: false });
        if (isZstd) {
          const params = { [constants.ZSTD_c_compressionLevel]: 1 };
          await pipeline(source, createZstdCompress({ params }), response);
        } else await pipeline(source, response);
      });
    } finally {
      await archive.return();
    }
  };

  const answer = async (
    request: IncomingMessage,
    response: ServerResponse,
    path: string,
    signal: AbortSignal,
  ): Promise<void> => {
    if (path === "nix-cache-info") {
      sendRepresentation(request, response, cacheInfo);
      return;
    }
    const match = /^(?:([^/]{32})\.(narinfo|ls)|nar\/([^/-]{32})-([^/]{52})\.nar)$/.exec(path);
    const served = match === null ? undefined : await find(match[1] ?? match[3]!);
    if (match === null || served === undefined) {
      sendStatus(request, response, 404, "not found");
    } else if (match[3] !== undefined) {
      if (match[4] === narHashText(served)) await sendNar(request, response, served, signal);
      else sendStatus(request, response, 404, "the path has other contents now");
    } else {
      const found = match[2] === "narinfo" ? await narInfo(served) : await listing(served, signal);
      if (found === undefined) sendStatus(request, response, 404, "the path is damaged or cannot be read");
      else sendRepresentation(request, response, found);
    }
  };

  const handle = async (request: IncomingMessage, response: ServerResponse, path: string): Promise<void> => {
    const gone = new AbortController();
    response.once("close", () => gone.abort());
    try {
      await answer(request, response, path, gone.signal);
    } catch (error) {
      // A client that went away is no failure of ours.
      if (error === gone.signal.reason) return;
      if ((error as NodeJS.ErrnoException).code === "ERR_STREAM_PREMATURE_CLOSE") return;
      // Nix itself may be out of order; to a client that is a path we do not have.
      if (!(error instanceof TrustixError)) throw error;
      options.onUnreadable(error);
      if (response.headersSent) response.destroy();
      else sendStatus(request, response, 404, "not available now");
    }
  };

  return { path: "/", handle };
}
