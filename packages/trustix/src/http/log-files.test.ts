// A table of requests and the answers that C2SP tlog-tiles and HTTP want.
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { request } from "node:http";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { buffer } from "node:stream/consumers";
import { gunzipSync } from "node:zlib";
import { encodeBundle, type FileToWrite, TreeBuilder } from "@trustix/tlog";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Listener, openListener } from "./bind.ts";
import { logFileCache, logRoute } from "./log-files.ts";
import { createPublicServer } from "./public-server.ts";

const SIZE = 600;
const NOTE = Buffer.from("example.org/log\n600\nnot checked here\n\n— example.org/log AAAA\n");

let directory: string;
let listener: Listener;
let port: number;
let published: { size: number; note: Uint8Array } | undefined;

interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly body: Buffer;
}

function ask(path: string, headers: Record<string, string> = {}, method = "GET"): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const outgoing = request({ port, host: "127.0.0.1", path, method, headers, agent: false }, (response) => {
      buffer(response).then((body) => {
        resolve({ status: response.statusCode ?? 0, headers: response.headers, body });
      }, reject);
    });
    outgoing.once("error", reject);
    outgoing.end();
  });
}

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "trustix-http-"));
  const builder = TreeBuilder.empty();
  const entries = Array.from({ length: SIZE }, (_, index) => Buffer.from(`entry ${index} `.repeat(8)));
  const files: FileToWrite[] = [
    ...builder.append(entries.slice(0, 300)).files,
    ...builder.append(entries.slice(300)).files,
  ];
  for (const { path, bytes } of files) {
    await mkdir(dirname(join(directory, path)), { recursive: true });
    await writeFile(join(directory, path), bytes);
  }
  // On disk before it is published: what a crash may leave.
  await mkdir(join(directory, "tile/entries/002.p"), { recursive: true });
  await writeFile(join(directory, "tile/entries/002.p/99"), encodeBundle(entries.slice(0, 99)));
  await writeFile(join(directory, "secret"), "not for the public");
  published = { size: SIZE, note: NOTE };
  const log = { name: "demo", directory, published: () => published };
  const routes = [logRoute(log, logFileCache(1 << 20))];
  listener = await openListener([{ kind: "tcp", host: "127.0.0.1", port: 0 }], {
    createServer: () => createPublicServer({ routes, maxConnections: 64 }),
    graceMs: 100,
  });
  const [address] = listener.addresses;
  port = address?.kind === "tcp" ? address.port : 0;
});

afterAll(async () => {
  await listener.close();
  await rm(directory, { recursive: true });
});

const OCTETS = "application/octet-stream";
const YEAR = "public, max-age=31536000, immutable";

describe("types and caching", () => {
  test.each([
    ["checkpoint", "text/plain; charset=utf-8", "public, max-age=1", NOTE.length],
    ["tile/0/000", OCTETS, YEAR, 8192],
    ["tile/0/001", OCTETS, YEAR, 8192],
    ["tile/0/002.p/88", OCTETS, YEAR, 88 * 32],
    ["tile/0/001.p/44", OCTETS, YEAR, 44 * 32],
    ["tile/1/000.p/2", OCTETS, YEAR, 64],
    ["tile/entries/002.p/88", OCTETS, YEAR, undefined],
  ])("%s", async (path, type, cacheControl, length) => {
    const answer = await ask(`/log/demo/${path}`);
    expect(answer.status).toBe(200);
    expect(answer.headers).toMatchObject({
      "content-type": type,
      "cache-control": cacheControl,
      "access-control-allow-origin": "*",
      "x-content-type-options": "nosniff",
      "accept-ranges": "bytes",
      "content-length": String(answer.body.length),
    });
    expect(answer.headers["content-encoding"]).toBeUndefined();
    if (length !== undefined) expect(answer.body.length).toBe(length);
    const head = await ask(`/log/demo/${path}`, {}, "HEAD");
    expect(head.body.length).toBe(0);
    for (const name of ["content-type", "content-length", "etag", "cache-control"]) {
      expect(head.headers[name], name).toBe(answer.headers[name]);
    }
    const again = await ask(`/log/demo/${path}`, { "if-none-match": `"other", W/${answer.headers.etag}` });
    expect(again.status).toBe(304);
    expect(again.body.length).toBe(0);
    expect(again.headers.etag).toBe(answer.headers.etag);
  });
});

describe("what is not in the published tree, or no file of a log, does not exist", () => {
  test.each([
    "tile/0/002",
    "tile/0/002.p/89",
    "tile/0/003",
    "tile/entries/002.p/99",
    "tile/1/000",
    "tile/1/000.p/3",
    "tile/2/000.p/1",
    "tile/0/000.p/256",
    "tile/0/000.p/0",
    "tile/0/0",
    "tile/00/000",
    "tile/0/x000/000",
    "tile/64/000",
    "tile/entries",
    "tile/",
    "",
    "secret",
    "checkpoint/",
    "../secret",
    "tile/../secret",
    "tile/..%2fsecret",
    "%2e%2e/secret",
    "tile//0/000",
    "./checkpoint",
    "tile/0/000%00",
    "tile/0/000\\",
  ])("%s", async (path) => {
    const answer = await ask(`/log/demo/${path}`);
    expect(answer.status).toBe(404);
    expect(answer.headers["cache-control"]).toBe("no-store");
  });

  test("a partial that was deleted once the full tile was there", async () => {
    await rm(join(directory, "tile/0/000.p"), { recursive: true, force: true });
    expect((await ask("/log/demo/tile/0/000.p/100")).status).toBe(404);
  });

  test("another log", async () => {
    expect((await ask("/log/other/checkpoint")).status).toBe(404);
    expect((await ask("/log/demo")).status).toBe(404);
  });
});

describe("ranges", () => {
  test.each([
    ["bytes=0-31", 206, "bytes 0-31/8192", 32],
    ["bytes=8160-", 206, "bytes 8160-8191/8192", 32],
    ["bytes=-32", 206, "bytes 8160-8191/8192", 32],
    ["bytes=-99999", 206, "bytes 0-8191/8192", 8192],
    ["bytes=8000-99999", 206, "bytes 8000-8191/8192", 192],
    ["bytes=8192-", 416, "bytes */8192", undefined],
    ["bytes=-0", 416, "bytes */8192", undefined],
    ["bytes=5-4", 200, undefined, 8192],
    ["bytes=0-1,4-5", 200, undefined, 8192],
    ["bytes=a-b", 200, undefined, 8192],
    ["bytes=-", 200, undefined, 8192],
    [`bytes=0-${"9".repeat(40)}`, 200, undefined, 8192],
    ["items=0-1", 200, undefined, 8192],
  ])("%s gives %d", async (range, status, contentRange, length) => {
    const whole = await ask("/log/demo/tile/0/000");
    const answer = await ask("/log/demo/tile/0/000", { range });
    expect(answer.status).toBe(status);
    expect(answer.headers["content-range"]).toBe(contentRange);
    if (length !== undefined) expect(answer.body.length).toBe(length);
    const start = Number(/^bytes (\d+)-/.exec(contentRange ?? "")?.[1] ?? 0);
    if (length !== undefined) expect(answer.body).toEqual(whole.body.subarray(start, start + length));
  });

  test("If-Range asks for everything when it names another version", async () => {
    const { headers } = await ask("/log/demo/tile/0/000");
    const same = await ask("/log/demo/tile/0/000", { range: "bytes=0-1", "if-range": String(headers.etag) });
    expect(same.status).toBe(206);
    const other = await ask("/log/demo/tile/0/000", { range: "bytes=0-1", "if-range": '"other"' });
    expect(other.status).toBe(200);
  });
});

describe("compression", () => {
  test.each([
    ["gzip", "gzip"],
    ["br, gzip;q=0.5", "gzip"],
    ["*", "gzip"],
    ["gzip;q=0", undefined],
    ["*;q=0", undefined],
    ["br", undefined],
    ["", undefined],
  ])("bundles with Accept-Encoding %j are sent as %s", async (acceptEncoding, expected) => {
    const identity = await ask("/log/demo/tile/entries/000");
    const answer = await ask("/log/demo/tile/entries/000", { "accept-encoding": acceptEncoding });
    expect(answer.headers["content-encoding"]).toBe(expected);
    expect(answer.headers.vary).toBe("Accept-Encoding");
    if (expected === "gzip") {
      expect(gunzipSync(answer.body)).toEqual(identity.body);
      expect(answer.body.length).toBeLessThan(identity.body.length);
      expect(answer.headers.etag).not.toBe(identity.headers.etag);
    } else expect(answer.body).toEqual(identity.body);
  });

  test("tiles are hashes and never compressed", async () => {
    const answer = await ask("/log/demo/tile/0/000", { "accept-encoding": "gzip" });
    expect(answer.headers["content-encoding"]).toBeUndefined();
    expect(answer.headers.vary).toBeUndefined();
  });
});

test("a new checkpoint is served at once, with a validator of its own", async () => {
  const before = await ask("/log/demo/checkpoint");
  const note = Buffer.from(`${NOTE.toString()}— witness.example/w1 AAAA\n`);
  published = { size: SIZE, note };
  const after = await ask("/log/demo/checkpoint", { "if-none-match": String(before.headers.etag) });
  expect(after.status).toBe(200);
  expect(after.body).toEqual(note);
});

test("nothing is served before the first checkpoint", async () => {
  const before = published;
  published = undefined;
  expect((await ask("/log/demo/checkpoint")).status).toBe(404);
  expect((await ask("/log/demo/tile/0/000")).status).toBe(404);
  published = before;
});
