/** Where tiles and bundles come from, and the rules for asking (c2sp.org/tlog-tiles, "Partial Tiles"). */
import { TlogError } from "../errors.ts";
import { maxBundleBytes, scanBundle } from "./bundle.ts";
import { type BundleCoordinates, bundlePath, TILE_WIDTH, type TileCoordinates, tilePath } from "./tile.ts";

/** Access to the files of one log, over the network or on disk. Nothing it returns is trusted. */
export interface TileSource {
  /**
   * The bytes of the file at `path` below the log's prefix, such as `tile/0/000`, without any transfer encoding;
   * `undefined` if there is none (HTTP 404). Rejects on any other failure.
   *
   * `maxBytes` is the most that the caller takes: a source should stop reading beyond it and reject. `signal` asks to
   * give up. The caller keeps, and never changes, the returned array.
   */
  fetch(path: string, options: FetchOptions): Promise<Uint8Array | undefined>;
}

/** Limits for one fetch from a {@link TileSource}. */
export interface FetchOptions {
  readonly maxBytes: number;
  readonly signal?: AbortSignal;
}

/** Bytes of a full tile. */
const TILE_BYTES = TILE_WIDTH * 32;

/**
 * Bytes of a tile, 32 * width, of which nothing but the length is checked. A partial tile that is gone is cut out of
 * the full one.
 * @throws TlogError TILE_INVALID, RESOURCE_MISSING, FETCH_FAILED
 */
export async function fetchTile(
  source: TileSource,
  tile: TileCoordinates,
  signal: AbortSignal | undefined,
): Promise<Uint8Array> {
  const path = tilePath(tile);
  const bytes = await fetchBounded(source, path, tile.width * 32, "TILE_INVALID", signal);
  if (bytes !== undefined) return checkTileLength(bytes, tile.width * 32, path);
  if (tile.width === TILE_WIDTH) throw missing(path);
  const fullPath = tilePath({ ...tile, width: TILE_WIDTH });
  const full = await fetchBounded(source, fullPath, TILE_BYTES, "TILE_INVALID", signal);
  if (full === undefined) throw missing(path);
  return checkTileLength(full, TILE_BYTES, fullPath).subarray(0, tile.width * 32);
}

function checkTileLength(bytes: Uint8Array, expected: number, path: string): Uint8Array {
  if (bytes.length !== expected) {
    throw new TlogError("TILE_INVALID", `${path} has ${bytes.length} bytes, expected ${expected}`, { path });
  }
  return bytes;
}

/**
 * Bytes of a bundle of `width` entries, of which nothing but the encoding is checked. A partial bundle that is gone is
 * cut out of the full one.
 * @throws TlogError BUNDLE_MALFORMED, RESOURCE_MISSING, FETCH_FAILED
 */
export async function fetchBundle(
  source: TileSource,
  bundle: Omit<BundleCoordinates, "level">,
  signal: AbortSignal | undefined,
): Promise<Uint8Array> {
  const { index, width } = bundle;
  const path = bundlePath(bundle);
  const bytes = await fetchBounded(source, path, maxBundleBytes(width), "BUNDLE_MALFORMED", signal);
  if (bytes !== undefined) return firstEntries(path, bytes, width, width);
  if (width === TILE_WIDTH) throw missing(path);
  const fullPath = bundlePath({ index, width: TILE_WIDTH });
  const full = await fetchBounded(source, fullPath, maxBundleBytes(TILE_WIDTH), "BUNDLE_MALFORMED", signal);
  if (full === undefined) throw missing(path);
  return firstEntries(fullPath, full, TILE_WIDTH, width);
}

/** Checks a bundle of `width` entries, and cuts it after the first `count`. */
function firstEntries(path: string, bytes: Uint8Array, width: number, count: number): Uint8Array {
  try {
    return bytes.subarray(0, scanBundle(bytes, width, count));
  } catch (cause) {
    if (!(cause instanceof TlogError)) throw cause;
    throw new TlogError(cause.code, `${path}: ${cause.message}`, { cause, path });
  }
}

/** One fetch that ends when the signal says so, whether or not the source listens to it. */
async function fetchBounded(
  source: TileSource,
  path: string,
  maxBytes: number,
  oversized: "TILE_INVALID" | "BUNDLE_MALFORMED",
  signal: AbortSignal | undefined,
): Promise<Uint8Array | undefined> {
  signal?.throwIfAborted();
  let bytes: Uint8Array | undefined;
  try {
    const pending = source.fetch(path, signal === undefined ? { maxBytes } : { maxBytes, signal });
    bytes = await (signal === undefined ? pending : orAbort(pending, signal));
  } catch (cause) {
    signal?.throwIfAborted();
    throw new TlogError("FETCH_FAILED", `could not fetch ${path}: ${reason(cause)}`, { cause, path });
  }
  if (bytes !== undefined && bytes.length > maxBytes) {
    throw new TlogError(oversized, `${path} has ${bytes.length} bytes, limit ${maxBytes}`, { path });
  }
  return bytes;
}

function orAbort<T>(pending: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const abort = () => reject(signal.reason);
    signal.addEventListener("abort", abort, { once: true });
    pending.then(resolve, reject).finally(() => signal.removeEventListener("abort", abort));
  });
}

function missing(path: string): TlogError {
  return new TlogError("RESOURCE_MISSING", `${path} does not exist, but the tree's size implies it`, {
    path,
  });
}

function reason(cause: unknown): string {
  return cause instanceof Error ? cause.message : String(cause);
}
