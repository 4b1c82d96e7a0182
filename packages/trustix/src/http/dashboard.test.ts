// The dashboard's files, and only these, go to browsers that ask for a name of this node.
import { once } from "node:events";
import { mkdir, mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { type IncomingHttpHeaders, request } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { buffer } from "node:stream/consumers";
import { gunzipSync, zstdDecompressSync } from "node:zlib";
import { afterAll, beforeAll, expect, test } from "vitest";
import { openListener } from "./bind.ts";
import { dashboardRoutes, loadDashboard } from "./dashboard.ts";
import { isOwnHost, pageGuard } from "./page-guard.ts";
import { createPublicServer } from "./public-server.ts";

const INDEX = "<!doctype html><title>Trustix</title>\n";
const SCRIPT = `console.log(${JSON.stringify("x".repeat(5000))});\n`;

let stack: AsyncDisposableStack;
let directory: string;
let port: number;

async function serve(directory: string): Promise<number> {
  const routes = dashboardRoutes(await loadDashboard(directory), pageGuard([], { documents: true }));
  const listener = stack.use(
    await openListener([{ kind: "tcp", host: "127.0.0.1", port: 0 }], {
      createServer: () => createPublicServer({ routes, maxConnections: 16 }),
      graceMs: 100,
    }),
  );
  const [address] = listener.addresses;
  return address?.kind === "tcp" ? address.port : 0;
}

beforeAll(async () => {
  stack = new AsyncDisposableStack();
  const root = await mkdtemp(join(tmpdir(), "dashboard-"));
  stack.defer(() => rm(root, { recursive: true }));
  directory = join(root, "dist");
  await mkdir(join(directory, "assets"), { recursive: true });
  await writeFile(join(directory, "index.html"), INDEX);
  await writeFile(join(directory, "assets", "main-abc123.js"), SCRIPT);
  await writeFile(join(directory, ".hidden.js"), "secret");
  await writeFile(join(directory, "notes.md"), "secret");
  await writeFile(join(root, "secret.js"), "secret");
  await symlink(join(root, "secret.js"), join(directory, "link.js"));
  port = await serve(directory);
});
afterAll(() => stack.disposeAsync());

interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
}

async function get(path: string, headers: Record<string, string> = {}, at = port): Promise<Answer> {
  const sent = request({ host: "127.0.0.1", port: at, path, headers, agent: false }).end();
  const [response] = await once(sent, "response");
  return { status: response.statusCode, headers: response.headers, body: await buffer(response) };
}

test.each(["/ui/", "/ui/packages", "/ui/paths/abc/diff"])("%s is the page", async (path) => {
  const { status, headers, body } = await get(path);
  expect(status).toBe(200);
  expect(body.toString()).toBe(INDEX);
  expect(headers).toMatchObject({
    "content-type": "text/html; charset=utf-8",
    "cache-control": "no-cache",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
  });
  expect(headers["content-security-policy"]).toContain("default-src 'none'; script-src 'self'");
  expect(headers["content-security-policy"]).not.toContain("unsafe");
});

test("what is named by its contents is kept for ever, in the encoding that the browser likes", async () => {
  const path = "/ui/assets/main-abc123.js";
  const plain = await get(path);
  expect(plain.body.toString()).toBe(SCRIPT);
  expect(plain.headers["cache-control"]).toContain("immutable");
  const zstd = await get(path, { "accept-encoding": "gzip, br, zstd" });
  expect(zstd.headers).toMatchObject({ "content-encoding": "zstd", vary: "Accept-Encoding" });
  expect(zstdDecompressSync(zstd.body).toString()).toBe(SCRIPT);
  const gzip = await get(path, { "accept-encoding": "gzip" });
  expect(gunzipSync(gzip.body).toString()).toBe(SCRIPT);
  expect(new Set([plain, zstd, gzip].map(({ headers }) => headers.etag)).size).toBe(3);
  const again = await get(path, { "accept-encoding": "gzip", "if-none-match": gzip.headers.etag! });
  expect(again.status).toBe(304);
});

test("/ui leads to the page", async () => {
  const { status, headers } = await get("/ui");
  expect(status).toBe(308);
  expect(headers.location).toBe("/ui/");
});

test.each([
  "/ui/.hidden.js",
  "/ui/notes.md",
  "/ui/link.js",
  "/ui/assets/other.js",
  "/ui/../secret.js",
  "/ui/assets/../../secret.js",
  "/ui/%2e%2e/secret.js",
  "/ui/..%2fsecret.js",
  "/ui//etc/passwd.js",
  "/ui/assets/main-abc123.js/x.js",
  "/ui/__proto__.js",
])("%s is not there", async (path) => {
  const { status, body } = await get(path);
  expect(status).toBe(404);
  expect(body.toString()).not.toContain("secret");
});

test("a dashboard that is not built says so", async () => {
  const at = await serve(join(directory, "nowhere"));
  const { status, body } = await get("/ui/", {}, at);
  expect(status).toBe(404);
  expect(body.toString()).toContain("npm run build -w @trustix/web");
});

test.each([
  ["localhost", true],
  ["LOCALHOST:8484", true],
  ["localhost.", true],
  ["node.localhost:1", true],
  ["127.0.0.1", true],
  ["127.1.2.3:80", true],
  ["[::1]:8484", true],
  ["192.0.2.7:8484", true],
  ["trustix.test", true],
  ["trustix.test:443", true],
  ["192.0.2.8", false],
  ["trustix.test.evil.example", false],
  ["evil-trustix.test", false],
  ["localhost.evil.example", false],
  ["127.0.0.1.evil.example", false],
  ["1270.0.1", false],
  ["", false],
  ["a b", false],
  ["localhost:8484:1", false],
  ["user@localhost", false],
  [undefined, false],
])("host %s: %s", (host, isOwn) => {
  expect(isOwnHost(host, "::ffff:192.0.2.7", new Set(["trustix.test"]))).toBe(isOwn);
});
