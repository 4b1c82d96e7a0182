// Serves a log's directory as C2SP tlog-tiles wants it: checkpoint, tiles, entry bundles and their partials.
// https://c2sp.org/tlog-tiles
//
// A tile may lie on disk before the checkpoint that covers it is published, or after a crash that lost that checkpoint.
// So nothing is served that the published checkpoint does not imply.
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { gzip } from "node:zlib";
import { type LogFile, parseTilePath, TILE_WIDTH, TlogError } from "@trustix/tlog";
import { ByteCache } from "./byte-cache.ts";
import {
  acceptsEncoding,
  etagOf,
  type Found,
  IMMUTABLE,
  type Notice,
  type Representation,
  type RequestHead,
} from "./representation.ts";
import { foundRoute, type Route } from "./route.ts";

const compress = promisify(gzip);

/** What a log shows to the public. */
export interface PublicLog {
  /** Name in the path: `/log/<name>/`. */
  readonly name: string;
  /** Directory with `tile/…`. */
  readonly directory: string;
  /** The published checkpoint; undefined before the first. `note` is the signed note. */
  published(): { readonly size: number; readonly note: Uint8Array } | undefined;
}

/** A checkpoint is followed by the next within a second or so; caches may hold it that long. */
const CHECKPOINT_CACHE = "public, max-age=1";

/** On every answer: web pages may read logs, and nothing here is to be taken for a page. */
const PUBLIC_HEADERS = { "access-control-allow-origin": "*", "x-content-type-options": "nosniff" };

const refuse = (text: string): Notice => ({ status: 404, text, headers: PUBLIC_HEADERS });

interface CachedFile {
  readonly identity: Representation;
  /** Only of entry bundles, and only once somebody asked; gives undefined when compression does not pay. */
  zipped?: Promise<Representation | undefined>;
}

/** Whether a tree of `size` leaves has this file in this width, so that the log may and must serve it. */
function isImplied(file: LogFile, size: number): boolean {
  const level = file.level === "entries" ? 0 : file.level;
  return file.index * TILE_WIDTH + file.width <= Math.floor(size / TILE_WIDTH ** level);
}

function parseLogFile(path: string): LogFile | undefined {
  try {
    return parseTilePath(path);
  } catch (error) {
    if (error instanceof TlogError) return undefined;
    throw error;
  }
}

/** The route that serves one log. `cache` may be shared by all logs of the node. */
export function logRoute(log: PublicLog, cache: ByteCache<CachedFile>): Route {
  let checkpoint: Representation | undefined;

  const currentCheckpoint = (note: Uint8Array): Representation => {
    if (checkpoint?.body !== note) {
      const type = "text/plain; charset=utf-8";
      const etag = etagOf(note);
      checkpoint = { body: note, type, etag, cacheControl: CHECKPOINT_CACHE, common: PUBLIC_HEADERS };
    }
    return checkpoint;
  };

  const zip = async ({ identity }: CachedFile): Promise<Representation | undefined> => {
    const body = await compress(identity.body);
    if (body.length >= identity.body.length) return undefined;
    return { ...identity, body, etag: etagOf(body, "-gzip"), encoding: "gzip" };
  };

  /** Who asks while a file is being compressed gets what comes of it. */
  const zipOnce = async (file: CachedFile, key: string): Promise<Representation | undefined> => {
    if (file.zipped !== undefined) return file.zipped;
    file.zipped = zip(file);
    const zipped = await file.zipped;
    // The entry grew: account for it anew.
    cache.set(key, file, file.identity.body.length + (zipped?.body.length ?? 0));
    return zipped;
  };

  const load = async (path: string, key: string, isBundle: boolean): Promise<CachedFile | undefined> => {
    let body: Uint8Array;
    try {
      body = await readFile(join(log.directory, path));
    } catch (error) {
      // A partial may be deleted once the full tile exists.
      if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
      throw error;
    }
    const identity = {
      body,
      type: "application/octet-stream",
      etag: etagOf(body),
      cacheControl: IMMUTABLE,
      negotiated: isBundle,
      common: PUBLIC_HEADERS,
    };
    const file = { identity };
    cache.set(key, file, body.length);
    return file;
  };

  /** Files that are being read, so that many who ask for one at a time read it once. */
  const loading = new Map<string, Promise<CachedFile | undefined>>();
  const loadOnce = (path: string, key: string, isBundle: boolean): Promise<CachedFile | undefined> => {
    const known = loading.get(path);
    if (known !== undefined) return known;
    const file = load(path, key, isBundle).finally(() => loading.delete(path));
    loading.set(path, file);
    return file;
  };

  const zipped = async (file: CachedFile, key: string): Promise<Representation> =>
    (await zipOnce(file, key)) ?? file.identity;

  /** The file at a path, or why there is none. */
  const find = ({ headers }: RequestHead, path: string): Found | Promise<Found> => {
    const published = log.published();
    if (published === undefined) return refuse("nothing is published yet");
    if (path === "checkpoint") return currentCheckpoint(published.note);
    const key = `${log.name}/${path}`;
    const answer = (file: CachedFile | undefined): Found | Promise<Found> => {
      if (file === undefined) return refuse("not found");
      const isZipped = file.identity.negotiated && acceptsEncoding(headers["accept-encoding"], "gzip");
      return isZipped ? zipped(file, key) : file.identity;
    };
    // What is in memory was implied once, and logs only grow.
    const known = cache.get(key);
    if (known !== undefined) return answer(known);
    const coordinates = parseLogFile(path);
    if (coordinates === undefined) return refuse("not found");
    if (!isImplied(coordinates, published.size)) return refuse("no published checkpoint implies this file");
    return loadOnce(path, key, coordinates.level === "entries").then(answer);
  };

  return foundRoute(`/log/${log.name}/`, find);
}

/** The memory for files that {@link logRoute} keeps. */
export function logFileCache(capacityBytes: number): ByteCache<CachedFile> {
  return new ByteCache<CachedFile>(capacityBytes);
}
