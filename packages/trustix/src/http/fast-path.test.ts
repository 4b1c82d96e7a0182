// The fast path beside node:http: whatever bytes come, in whatever pieces, both give the same answers.
import { once } from "node:events";
import type { Server } from "node:http";
import { type AddressInfo, connect, type Socket } from "node:net";
import { setTimeout as sleep, setImmediate as turn } from "node:timers/promises";
import fc from "fast-check";
import { afterAll, beforeAll, expect, test } from "vitest";
import { createPublicServer, type PublicServerOptions } from "./public-server.ts";
import type { Found, Representation } from "./representation.ts";
import { foundRoute, type RequestRecord, type Route } from "./route.ts";

const representation = (body: string, more: Partial<Representation> = {}): Representation => ({
  body: Buffer.from(body),
  type: "text/plain",
  etag: `"${body.length}"`,
  cacheControl: "no-cache",
  ...more,
});

/** More than the system takes from us at once. */
const HUGE = 16 << 20;

const THINGS: Readonly<Record<string, Found>> = {
  small: representation("hello", { common: { "x-common": "1" } }),
  empty: representation(""),
  large: representation("0123456789".repeat(10_000), { negotiated: true, encoding: "gzip" }),
  huge: representation("0".repeat(HUGE)),
  gone: { status: 404, text: "gone", headers: { "trustix-reason": "gone; for good" } },
  // What a defect would do: no header of it may reach the client.
  split: { status: 404, text: "x", headers: { "x-a": "b\r\nx-injected: 1" } },
};

/** Answers that are being made. */
let pending = 0;

const find = (_: unknown, rest: string): Found => {
  if (rest === "throw") throw new Error("thrown");
  return THINGS[rest] ?? { status: 404, text: "not found" };
};

const ROUTES: readonly Route[] = [
  foundRoute("/mem/", find),
  foundRoute("/later/", async (request, rest) => {
    pending++;
    await sleep(1);
    pending--;
    return find(request, rest);
  }),
  {
    path: "/",
    handle: async (_, response, rest) => {
      response.end(`streamed ${rest}`);
    },
  },
];

interface Running {
  readonly server: Server;
  readonly port: number;
  readonly records: RequestRecord[];
  /** What it accepted, newest last. */
  readonly sockets: Socket[];
}

async function start(options: Partial<PublicServerOptions> = {}): Promise<Running> {
  const records: RequestRecord[] = [];
  const onRequest = (record: RequestRecord): void => void records.push(record);
  const server = createPublicServer({ routes: ROUTES, maxConnections: 64, onRequest, ...options });
  const sockets: Socket[] = [];
  server.on("connection", (socket: Socket) => sockets.push(socket));
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return { server, port: (server.address() as AddressInfo).port, records, sockets };
}

/**
 * Sends each piece when the one before it is read and dealt with, half-closes, and gives what came back without its
 * dates.
 */
async function talk({ port, sockets }: Running, pieces: readonly string[]): Promise<string> {
  const before = sockets.length;
  const client = connect(port, "127.0.0.1").on("error", () => {});
  let answer = "";
  client.setEncoding("latin1").on("data", (text) => {
    answer += text;
  });
  const closed = new Promise((resolve) => client.once("close", resolve));
  while (sockets.length === before) await turn();
  const socket = sockets[before]!;
  let sent = 0;
  for (const piece of pieces) {
    client.write(piece, "latin1");
    sent += piece.length;
    while (!socket.destroyed && (socket.bytesRead < sent || pending > 0)) await turn();
    for (let turns = 0; turns < 3; turns++) await turn();
    while (pending > 0) await turn();
  }
  client.end();
  await closed;
  return answer.replaceAll(
    /\r\nDate: [A-Z][a-z]{2}, \d\d [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d GMT\r\n/g,
    "\r\nDate\r\n",
  );
}

/** Never finds anything, so that node:http answers all. */
const withoutFind = ({ path, handle }: Route): Route => ({ path, handle });

let fast: Running;
let plain: Running;

beforeAll(async () => {
  fast = await start();
  plain = await start({ routes: ROUTES.map(withoutFind) });
});

afterAll(() => {
  for (const { server } of [fast, plain]) {
    server.close();
    server.closeAllConnections();
  }
});

const HOST = "Host: a\r\n";
const often = <T>(usual: T, ...rare: readonly T[]): fc.Arbitrary<T> =>
  fc.oneof(
    { weight: 3 * rare.length, arbitrary: fc.constant(usual) },
    { weight: rare.length, arbitrary: fc.constantFrom(...rare) },
  );

const targets = fc.constantFrom(
  ...[
    "/mem/small",
    "/mem/small",
    "/mem/large",
    "/mem/empty",
    "/mem/gone",
    "/mem/split",
    "/mem/throw",
    "/mem/",
  ],
  ...[
    "/later/small",
    "/later/large",
    "/later/throw",
    "/streamed",
    "/",
    "/mem/small?a=b",
    "/mem/../x",
    "/mem/.",
    "//",
  ],
  ...[
    "/mem/a%20b",
    "*",
    "http://a/mem/small",
    `/mem/${"a".repeat(1100)}`,
    "/mem/small HTTP/1.1",
    "",
    "/mem/ü",
  ],
);
const lines = fc.constantFrom(
  ...[
    "Accept: */*\r\n",
    "Accept-Encoding: gzip, zstd\r\n",
    "User-Agent: curl/8 (x)\r\n",
    'If-None-Match: "5"\r\n',
  ],
  ...[
    "If-None-Match: *\r\n",
    "Range: bytes=1-3\r\n",
    "Range: bytes=-2\r\n",
    "Range: bytes=9999999-\r\n",
    "Range: x\r\n",
  ],
  ...['If-Range: "5"\r\n', 'If-Range: "6"\r\n', "Connection: close\r\n", "Connection: keep-alive\r\n"],
  ...[
    "Connection: Keep-Alive\r\n",
    "Connection: upgrade\r\nUpgrade: h2c\r\n",
    "Content-Length: 0\r\n",
    "Keep-Alive: 5\r\n",
  ],
  ...[
    "Content-Length: 3\r\n",
    "Transfer-Encoding: chunked\r\n",
    "Transfer-Encoding : chunked\r\n",
    "TE: trailers\r\n",
  ],
  ...[
    "Expect: 100-continue\r\n",
    "X-Empty:\r\n",
    "X-Spaces:   a  \r\n",
    "X-Tab:\ta\tb\r\n",
    "X-Fold: a\r\n b\r\n",
  ],
  ...[
    "X_Y: 1\r\n",
    "X Y: 1\r\n",
    ": 1\r\n",
    "no colon\r\n",
    "X: \0\r\n",
    "X: ü\r\n",
    "X: a\rb\r\n",
    "X: a\n",
    "\n",
    "\r\n",
  ],
  ...[
    "Accept: a\r\n",
    "Range: bytes=0-0\r\n",
    "constructor: 1\r\n",
    "__proto__: 1\r\n",
    `X: ${"x".repeat(5000)}\r\n`,
    HOST,
  ],
);
const requests = fc
  .record({
    method: often("GET ", "HEAD ", "get ", "POST ", "OPTIONS ", "GET  ", "\r\nGET ", "G"),
    target: targets,
    version: often(
      " HTTP/1.1\r\n",
      " HTTP/1.0\r\n",
      " HTTP/2.0\r\n",
      " HTTP/1.1\n",
      " HTTP/1.1 \r\n",
      "\r\n",
      " http/1.1\r\n",
    ),
    host: often(HOST, "", "host:a\r\n", "Host:\r\n", "HOST: a\r\n"),
    more: fc.array(lines, { maxLength: 3 }),
    end: often("\r\n", "\n", "", "\r\nabc", "\r\n0\r\n\r\n", "\r\n3\r\nabc\r\n0\r\n\r\n"),
  })
  .map(
    ({ method, target, version, host, more, end }) =>
      `${method}${target}${version}${host}${more.join("")}${end}`,
  );

/** Up to four requests, a byte or so changed, in pieces that mostly end where requests do. */
const conversations = fc
  .record({
    asked: fc.array(requests, { minLength: 1, maxLength: 4 }),
    joined: fc.array(fc.nat(9), { minLength: 4, maxLength: 4 }),
    cuts: fc.array(fc.nat(400), { maxLength: 2 }),
    change: fc.option(
      fc.record({ at: fc.nat(400), text: fc.constantFrom("", "\r", "\n", " ", "\0", "x", "\xff") }),
      {
        freq: 4,
      },
    ),
  })
  .map(({ asked, joined, cuts, change }) => {
    const bytes = Buffer.from(asked.join(""), "latin1");
    let text = bytes.toString("latin1");
    const borders = new Set<number>(cuts);
    let at = 0;
    for (const [index, request] of asked.entries()) {
      at += request.length;
      if (joined[index]! > 1) borders.add(at);
    }
    if (change !== null) text = text.slice(0, change.at) + change.text + text.slice(change.at + 1);
    const sorted = [0, ...[...borders].toSorted((a, b) => a - b), text.length];
    return sorted.map((from, index) => text.slice(from, sorted[index + 1])).filter((piece) => piece !== "");
  });

test("any bytes in any pieces get the same answers as from node:http", { timeout: 120_000 }, async () => {
  await fc.assert(
    fc.asyncProperty(conversations, async (pieces) => {
      const [ours, theirs] = [await talk(fast, pieces), await talk(plain, pieces)];
      expect(ours).toBe(theirs);
      expect(ours).not.toContain("x-injected");
    }),
    { numRuns: Number(process.env.FAST_PATH_RUNS ?? 400) },
  );
});

test("what is plain never reaches node:http, and is recorded as it would be there", async () => {
  const [ours, theirs] = [await start(), await start({ routes: ROUTES.map(withoutFind) })];
  let handled = 0;
  ours.server.on("request", () => handled++);
  const ask = (line: string): string => `${line} HTTP/1.1\r\nHost: a\r\nAccept: */*\r\n\r\n`;
  const asked = [
    "GET /mem/small",
    "HEAD /mem/large",
    "GET /later/gone",
    "GET /mem/throw",
    "GET /later/throw",
  ];
  for (const running of [ours, theirs]) {
    const answer = await talk(running, asked.map(ask));
    expect(answer.match(/HTTP\/1\.1 \d+/g)).toEqual([200, 200, 404, 500, 500].map((n) => `HTTP/1.1 ${n}`));
    while (running.records.length < asked.length) await turn();
    expect(running.records.map(({ route, method, status }) => [route, method, status])).toEqual([
      ["/mem/", "GET", 200],
      ["/mem/", "HEAD", 200],
      ["/later/", "GET", 404],
      ["/mem/", "GET", 500],
      ["/later/", "GET", 500],
    ]);
    expect(running.records[0]).toMatchObject({ target: "/mem/small", remote: "127.0.0.1" });
    running.server.close();
  }
  expect(handled).toBe(0);
  // From the first other request on, node:http has the connection.
  const mixed = [ask("GET /mem/small"), ask("GET /streamed"), ask("GET /mem/small")];
  const again = await start();
  again.server.on("request", () => handled++);
  expect((await talk(again, mixed)).match(/200 OK/g)).toHaveLength(3);
  expect(handled).toBe(2);
  again.server.close();
});

test("who does not read what was asked for is not read from either, and cut off in the end", async () => {
  const running = await start({ idleTimeoutMs: 300 });
  const client = connect(running.port, "127.0.0.1").on("error", () => {});
  const ask = "GET /mem/large HTTP/1.1\r\nHost: a\r\n\r\n";
  client.pause();
  // One by one, so that each comes alone.
  for (let i = 0; i < 2_000 && !client.destroyed && client.writableLength < 10 * ask.length; i++) {
    client.write(ask);
    await turn();
  }
  const [socket] = running.sockets;
  expect(socket!.writableLength).toBeLessThan(1 << 20);
  while (!socket!.destroyed) await sleep(20);
  expect(running.records.length).toBeLessThan(2_000);
  client.destroy();
  running.server.close();
});

test("who reads slowly gets everything, and is heard again", async () => {
  const running = await start();
  const client = connect(running.port, "127.0.0.1");
  for (let round = 1; round <= 2; round++) {
    let read = 0;
    client.write("GET /mem/huge HTTP/1.1\r\nHost: a\r\n\r\n");
    for await (const chunk of client.iterator({ destroyOnReturn: false })) {
      read += (chunk as Buffer).length;
      if (read > HUGE) break;
      await turn();
    }
    while (running.records.length < round) await turn();
  }
  expect(running.records[0]!.durationMs).toBeGreaterThan(1);
  client.destroy();
  running.server.close();
});

test("who says nothing is cut off", async () => {
  const running = await start({ headersTimeoutMs: 100 });
  const client = connect(running.port, "127.0.0.1").resume();
  await once(client, "close");
  expect(client.bytesRead).toBe(0);
  running.server.close();
});

test("closing lets an answer that is being made go out, and closes who waits", async () => {
  const { promise, resolve } = Promise.withResolvers<Found>();
  const running = await start({ routes: [foundRoute("/", () => promise)] });
  const waiting = connect(running.port, "127.0.0.1").resume();
  const asking = connect(running.port, "127.0.0.1");
  let answer = "";
  asking.on("data", (chunk) => {
    answer += chunk;
  });
  asking.write("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
  while (running.sockets.length < 2 || running.sockets.every(({ bytesRead }) => bytesRead === 0))
    await turn();
  running.server.close();
  await once(waiting, "close");
  resolve({ status: 404, text: "late" });
  const sweep = setInterval(() => running.server.closeIdleConnections(), 10);
  await once(asking, "close");
  clearInterval(sweep);
  expect(answer).toMatch(/^HTTP\/1\.1 404 .*\r\n\r\nlate\n$/s);
});

test("a client that leaves while its answer is made harms nobody", async () => {
  const { promise, resolve } = Promise.withResolvers<Found>();
  const running = await start({ routes: [foundRoute("/", () => promise)] });
  const client = connect(running.port, "127.0.0.1").on("error", () => {});
  client.write("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
  while (running.sockets[0] === undefined || running.sockets[0].bytesRead === 0) await turn();
  client.resetAndDestroy();
  await sleep(20);
  resolve(THINGS.large!);
  while (running.records.length === 0) await turn();
  expect(running.records).toMatchObject([{ status: 200 }]);
  running.server.close();
});

test("one client has so many connections and no more, until some are closed", async () => {
  const running = await start({ maxConnectionsPerClient: 2 });
  let address = "192.0.2.1";
  running.server.prependListener("connection", (socket: Socket) => {
    Object.defineProperty(socket, "remoteAddress", { value: address });
  });
  const ask = async (): Promise<string> => talk(running, ["GET /mem/small HTTP/1.1\r\nHost: a\r\n\r\n"]);
  const held = [connect(running.port, "127.0.0.1"), connect(running.port, "127.0.0.1")];
  while (running.sockets.length < 2) await turn();
  expect(await ask()).toBe("");
  address = "192.0.2.2";
  expect(await ask()).toContain("200 OK");
  address = "192.0.2.1";
  for (const client of held) client.destroy();
  while (running.sockets.some(({ destroyed }) => !destroyed)) await turn();
  expect(await ask()).toContain("200 OK");
  running.server.close();
});
