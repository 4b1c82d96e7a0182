// What the public listener shows of a node's insight, and to whom.
import { once } from "node:events";
import { type IncomingHttpHeaders, request } from "node:http";
import { connect } from "node:net";
import { join } from "node:path";
import { buffer, text } from "node:stream/consumers";
import { afterAll, beforeAll, expect, test } from "vitest";
import { DaemonClient } from "../cli/client.ts";
import { type LiveEventJson, liveEventSchema } from "../http/insight-schema.ts";
import { OPERATIONS, type Operation } from "../http/operations.ts";
import { type Sample, sample } from "../substitute/caches.test.util.ts";
import {
  eventually,
  listenTo,
  NODE,
  type RunningBuilder,
  type RunningNode,
  startBuilder,
  startNode,
  temporary,
  whenSynced,
} from "./nodes.test.util.ts";

let stack: AsyncDisposableStack;
let node: RunningNode;
let builders: readonly RunningBuilder[];
let hello: Sample;
let port: number;

beforeAll(async () => {
  stack = new AsyncDisposableStack();
  const root = stack.use(await temporary());
  hello = await sample("hello", 500);
  const evil = { ...hello, facts: { ...hello.facts, narSize: hello.facts.narSize + 8 } };
  builders = [
    stack.use(await startBuilder(root.path, "alice", [hello])),
    stack.use(await startBuilder(root.path, "bob", [evil])),
  ];
  node = stack.use(
    await startNode(
      join(root.path, "user"),
      `${NODE}${listenTo(builders)}\n[dashboard]\nhosts = ["trustix.test"]\n`,
    ),
  );
  port = Number(new URL(node.url).port);
  await whenSynced(node);
  await eventually(
    async () => JSON.parse((await get("/api/v1/overview")).body) as { total: { paths: number } },
    ({ total }) => total.paths === 1,
  );
});
afterAll(() => stack.disposeAsync());

interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

async function get(path: string, headers: Record<string, string> = {}, method = "GET"): Promise<Answer> {
  const sent = request({ host: "127.0.0.1", port, path, method, headers, agent: false }).end();
  const [response] = await once(sent, "response");
  return { status: response.statusCode, headers: response.headers, body: await text(response) };
}

test("every public operation that only needs its name answers, and nothing else is there", async () => {
  for (const { method, path, isPublic, params, answer } of Object.values<Operation>(OPERATIONS)) {
    if (params !== undefined || answer.type === "text/event-stream") continue;
    const { status } = await get(path, {}, method);
    if (isPublic) expect(status, path).toBe(200);
    else expect([404, 405], `${method} ${path}`).toContain(status);
  }
  expect(await get("/api/v1/overview", {}, "HEAD")).toMatchObject({ status: 200, body: "" });
  expect((await get("/api/v1/events", {}, "HEAD")).status).toBe(404);
  expect(await get("/")).toMatchObject({
    status: 302,
    headers: { location: "/ui/", "cache-control": "no-store" },
  });
  expect((await get(`/api/v1/paths/${hello.hashPart}`)).status).toBe(200);
  expect((await get(`/api/v1/decisions/${hello.hashPart}`)).status).toBe(200);
  expect((await get("/api/v1/subscriptions/alice/proof?index=0")).body).toContain("c2sp.org/tlog-proof@v1");
  expect((await get("/api/v1/subscriptions/alice/clear", {}, "POST")).status).toBe(405);
});

test("answers carry validators, and are not sent twice", async () => {
  const { headers } = await get("/api/v1/paths?q=hello");
  expect(headers).toMatchObject({
    etag: expect.stringMatching(/^"[\w-]+"$/),
    "cache-control": "no-cache",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
  });
  const again = await get("/api/v1/paths?q=hello", { "if-none-match": headers.etag! });
  expect(again).toMatchObject({ status: 304, body: "" });
});

test.each([
  ["another host name", "/api/v1/overview", { host: "evil.example" }, 403],
  ["another host name for a page", "/ui/", { host: "evil.example:8484" }, 403],
  ["another address", "/api/v1/overview", { host: "10.1.2.3" }, 403],
  ["another site", "/api/v1/overview", { "sec-fetch-site": "cross-site" }, 403],
  ["another port of this machine", "/api/v1/overview", { "sec-fetch-site": "same-site" }, 403],
  [
    "a frame",
    "/ui/",
    { "sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate", "sec-fetch-dest": "iframe" },
    403,
  ],
  [
    "a link",
    "/ui/",
    { "sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate", "sec-fetch-dest": "document" },
    200,
  ],
  ["itself", "/api/v1/overview", { "sec-fetch-site": "same-origin" }, 200],
  ["a configured name", "/api/v1/overview", { host: "trustix.test" }, 200],
  ["a loopback name", "/api/v1/overview", { host: "localhost:1" }, 200],
  ["a bad query", "/api/v1/paths?q=%zz", {}, 400],
  ["an unknown parameter", "/api/v1/paths?wat=1", {}, 400],
  ["a parameter twice", "/api/v1/paths?q=a&q=b", {}, 400],
  ["a cursor of nobody", "/api/v1/paths?cursor=abc", {}, 400],
  ["a long query", `/api/v1/paths?q=${"a".repeat(1100)}`, {}, 414],
])("%s", async (_, path, headers, status) => {
  const answer = await get(path, headers);
  expect(answer.status === 404 && path === "/ui/" ? 200 : answer.status).toBe(status);
});

test("nothing tells the public about the machine", async () => {
  const status = await get("/api/v1/status");
  expect(JSON.parse(status.body)).toMatchObject({ logs: [], subscriptions: [{ subscription: "alice" }, {}] });
  expect(status.body).not.toContain("pid");
});

/** Reads events until one passes. */
async function eventFrom(
  stream: AsyncIterable<Buffer>,
  passes: (event: LiveEventJson) => boolean,
): Promise<LiveEventJson> {
  let seen = "";
  for await (const chunk of stream) {
    seen += chunk;
    for (const [, data] of seen.matchAll(/event: change\n(?:id: \d+\n)?data: (.*)\n\n/g)) {
      const event = liveEventSchema.parse(JSON.parse(data!));
      if (passes(event)) return event;
    }
  }
  throw new Error(`no such event: ${seen}`);
}

test("events tell the present state at once", async () => {
  const sent = request({ host: "127.0.0.1", port, path: "/api/v1/events", agent: false }).end();
  const [response] = await once(sent, "response");
  expect(response.headers["content-type"]).toBe("text/event-stream");
  const event = await eventFrom(response, ({ paths }) => paths === 1);
  expect(event).toMatchObject({ paths: 1, disputed: 1, claims: 2 });
  sent.destroy();
});

test("no more clients listen than there may", async () => {
  const sockets = [];
  for (let i = 0; i < 64; i++) {
    const socket = connect(port, "127.0.0.1");
    socket.write("GET /api/v1/events HTTP/1.1\r\nhost: localhost\r\n\r\n");
    await once(socket, "data");
    sockets.push(socket);
  }
  const refused = await get("/api/v1/events");
  expect(refused.status).toBe(503);
  expect(refused.headers["retry-after"]).toBe("1");
  for (const socket of sockets) socket.destroy();
  await eventually(
    async () => {
      const sent = request({ host: "127.0.0.1", port, path: "/api/v1/events", agent: false }).end();
      const [response] = await once(sent, "response");
      sent.destroy();
      return response.statusCode as number;
    },
    (status) => status === 200,
  );
});

test("a node with a listener still stops at once", async () => {
  await using root = await temporary();
  const own = await startNode(root.path, `${NODE}${listenTo(builders)}`);
  const sent = request(`${own.url}api/v1/events`, { agent: false }).end();
  const [response] = await once(sent, "response");
  const ended = buffer(response);
  const startedMs = performance.now();
  await own[Symbol.asyncDispose]();
  await ended;
  expect(performance.now() - startedMs).toBeLessThan(5000);
});

test("without a dashboard there is nothing at all", async () => {
  await using root = await temporary();
  await using own = await startNode(root.path, `${NODE}[dashboard]\nenabled = false\n`);
  const { port } = new URL(own.url);
  for (const path of ["/ui/", "/ui", "/api/v1/status"]) {
    const sent = request({ host: "127.0.0.1", port, path, agent: false }).end();
    const [response] = await once(sent, "response");
    expect(response.statusCode).toBe(404);
    response.resume();
  }
  const client = new DaemonClient(join(root.path, "state", "admin.sock"));
  const { signal } = new AbortController();
  await expect(client.json({ method: "GET", path: "/api/v1/overview", signal })).rejects.toMatchObject({
    code: "NOT_FOUND",
  });
});
