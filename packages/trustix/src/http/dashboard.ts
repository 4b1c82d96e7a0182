// Serves the dashboard: a handful of files that are read once, so that nothing but these can ever be asked for.
import { readdir, readFile } from "node:fs/promises";
import { extname, join } from "node:path";
import { promisify } from "node:util";
import { gzip, zstdCompress } from "node:zlib";
import type { PageGuard } from "./page-guard.ts";
import type { Route } from "./public-server.ts";
import {
  acceptsEncoding,
  etagOf,
  type Found,
  IMMUTABLE,
  type Representation,
  type RequestHead,
  sendFound,
} from "./representation.ts";

/** Where the dashboard is. */
export const DASHBOARD_PATH = "/ui/";

/** Bytes of all files together. */
const MAX_BYTES = 16 << 20;
/** Below this, compression saves no packet. */
const MIN_COMPRESSED_BYTES = 1024;

const TYPES: Readonly<Record<string, string>> = {
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript; charset=utf-8",
  ".css": "text/css; charset=utf-8",
  ".svg": "image/svg+xml",
  ".png": "image/png",
  ".ico": "image/x-icon",
  ".woff2": "font/woff2",
  ".json": "application/json",
  ".wasm": "application/wasm",
  ".txt": "text/plain; charset=utf-8",
};

/** Nothing from elsewhere is loaded, nothing inline is run, and no other page shows this one. */
const HEADERS = {
  "content-security-policy":
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; font-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
  "cross-origin-opener-policy": "same-origin",
  "cross-origin-resource-policy": "same-origin",
  "referrer-policy": "no-referrer",
  "x-content-type-options": "nosniff",
};

/** One file in its encodings. */
interface DashboardFile {
  readonly identity: Representation;
  readonly encoded: readonly (Representation & { readonly encoding: "gzip" | "zstd" })[];
}

/** The files of a dashboard, by path below its root. */
export type Dashboard = ReadonlyMap<string, DashboardFile>;

const gzipped = promisify(gzip);
const zstandard = promisify(zstdCompress);

async function fileOf(path: string, body: Buffer, type: string): Promise<DashboardFile> {
  // The build names what is in assets/ by its contents.
  const cacheControl = path.startsWith("assets/") ? IMMUTABLE : "no-cache";
  const identity = { body, type, etag: etagOf(body), cacheControl, common: HEADERS };
  if (body.length < MIN_COMPRESSED_BYTES || type.startsWith("image/png") || type.startsWith("font/")) {
    return { identity, encoded: [] };
  }
  const encoded = [];
  for (const [encoding, compressed] of [
    ["zstd", await zstandard(body)],
    ["gzip", await gzipped(body, { level: 9 })],
  ] as const) {
    const etag = etagOf(body, `-${encoding}`);
    encoded.push({ ...identity, body: compressed, encoding, etag, negotiated: true } as const);
  }
  return { identity: { ...identity, negotiated: true }, encoded };
}

/**
 * Reads the files of a built dashboard; undefined when there is none. Files of other types, and hidden ones, are left out.
 * @throws Error when they are more than 16 MiB
 */
export async function loadDashboard(directory: string): Promise<Dashboard | undefined> {
  const entries = await readdir(directory, { recursive: true, withFileTypes: true }).catch(() => []);
  const files = new Map<string, DashboardFile>();
  let bytes = 0;
  for (const entry of entries) {
    const type = TYPES[extname(entry.name)];
    if (!entry.isFile() || type === undefined || entry.name.startsWith(".")) continue;
    const file = join(entry.parentPath, entry.name);
    const path = file.slice(join(directory, "/").length);
    const body = await readFile(file);
    bytes += body.length;
    if (bytes > MAX_BYTES) throw new Error(`the dashboard in ${directory} has more than ${MAX_BYTES} bytes`);
    files.set(path, await fileOf(path, body, type));
  }
  return files.has("index.html") ? files : undefined;
}

function find(dashboard: Dashboard | undefined, request: RequestHead, rest: string): Found {
  const notice = (text: string): Found => ({ status: 404, text, headers: HEADERS });
  if (dashboard === undefined) {
    return notice(
      "the dashboard is not built: run `npm run build -w @trustix/web`, then start the node again",
    );
  }
  // Every path of the page itself is the page: it knows where it is.
  const isPage = !(rest.split("/").at(-1) as string).includes(".");
  const file = dashboard.get(isPage ? "index.html" : rest);
  if (file === undefined) return notice("not found");
  const accepted = request.headers["accept-encoding"];
  return file.encoded.find(({ encoding }) => acceptsEncoding(accepted, encoding)) ?? file.identity;
}

/** `/ui/`, and `/ui`, which leads there. */
export function dashboardRoutes(dashboard: Dashboard | undefined, guard: PageGuard): readonly Route[] {
  const guarded = (path: string, answer: (request: RequestHead, rest: string) => Found): Route => ({
    path,
    handle: async (request, response, rest) => {
      const problem = guard(request);
      const found = problem === undefined ? answer(request, rest) : { status: 403, text: problem };
      sendFound(request, response, found);
    },
  });
  const redirect: Found = { status: 308, text: DASHBOARD_PATH, headers: { location: DASHBOARD_PATH } };
  return [
    guarded(DASHBOARD_PATH, (request, rest) => find(dashboard, request, rest)),
    guarded(DASHBOARD_PATH.slice(0, -1), () => redirect),
  ];
}
