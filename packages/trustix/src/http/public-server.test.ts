// What hostile clients meet at the public listener.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { statSync } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { request, type ServerResponse } from "node:http";
import { connect, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { setTimeout as sleep } from "node:timers/promises";
import { expect, test } from "vitest";
import { type Listener, openListener } from "./bind.ts";
import {
  createPublicServer,
  type PublicServerOptions,
  parseTarget,
  type RequestRecord,
  type Route,
} from "./public-server.ts";

const HELLO: Route = {
  path: "/hello",
  handle: async (_, response) => {
    response.end("hello");
  },
};

async function open(
  routes: readonly Route[],
  options: Partial<PublicServerOptions> & { readonly graceMs?: number } = {},
): Promise<{ readonly listener: Listener; readonly port: number } & AsyncDisposable> {
  const { graceMs = 100, ...server } = options;
  const listener = await openListener([{ kind: "tcp", host: "127.0.0.1", port: 0 }], {
    createServer: () => createPublicServer({ routes, maxConnections: 16, ...server }),
    graceMs,
  });
  const [address] = listener.addresses;
  if (address?.kind !== "tcp") throw new Error("no address");
  return { listener, port: address.port, [Symbol.asyncDispose]: () => listener.close() };
}

/** Sends bytes as they are and returns all that comes back until the server closes. */
async function raw(port: number, bytes: string): Promise<string> {
  const socket = connect(port, "127.0.0.1");
  socket.on("error", () => {});
  socket.write(bytes);
  return text(socket);
}

async function statusOf(port: number, path: string, method = "GET"): Promise<number | undefined> {
  return new Promise((resolve, reject) => {
    request({ port, host: "127.0.0.1", path, method, agent: false }, (response) => {
      response.resume();
      resolve(response.statusCode);
    })
      .once("error", reject)
      .end();
  });
}

test.each(["/", "/a", "/a/b.c/x001/", "/nar/a-b.nar?hash=1", "/a+b_c~d:e=f"])("%s is a path", (target) => {
  expect(parseTarget(target)).toBe(target.split("?")[0]);
});

test.each([
  "",
  "a",
  "*",
  "http://host/a",
  "//a",
  "/a//b",
  "/a/../b",
  "/..",
  "/./a",
  "/a%2fb",
  "/a b",
  "/a\\b",
  "/ä",
  "/a\0",
])("%j is no path", (target) => {
  expect(parseTarget(target)).toBeUndefined();
});

test.each([
  ["headers without end", `GET /hello HTTP/1.1\r\nHost: a\r\nX: ${"x".repeat(10_000)}\r\n\r\n`, "431"],
  ["many headers", `GET /hello HTTP/1.1\r\nHost: a\r\n${"A: b\r\n".repeat(3000)}\r\n`, "431"],
  ["no HTTP at all", "\x16\x03\x01\x02\x00\x01\x00\r\n\r\n", "400"],
  ["no host", "GET /hello HTTP/1.1\r\n\r\n", "400"],
  [
    "two lengths",
    "GET /hello HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nxx",
    "400",
  ],
  [
    "a length and chunks",
    "POST /hello HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "400",
  ],
  ["a body", "GET /hello HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc", "413"],
  [
    "a body in chunks",
    "GET /hello HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "413",
  ],
  ["a long path", `GET /${"a".repeat(2000)} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n`, "414"],
  ["an absolute path", "GET http://a/hello HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", "404"],
  ["a method", "DELETE /hello HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", "405"],
])("%s is refused", async (_, bytes, status) => {
  await using server = await open([HELLO]);
  expect(await raw(server.port, bytes)).toMatch(new RegExp(`^HTTP/1\\.1 ${status} `));
  expect(await statusOf(server.port, "/hello")).toBe(200);
});

test("a client that sends its headers drop by drop is cut off", async () => {
  await using server = await open([HELLO], { headersTimeoutMs: 200 });
  const socket = connect(server.port, "127.0.0.1");
  socket.on("error", () => {});
  const drops = setInterval(() => socket.write("X"), 50);
  socket.write("GET /hello HTTP/1.1\r\nX-");
  // A drop that crosses the answer may have the connection reset.
  let answer = "";
  socket.on("data", (chunk) => {
    answer += chunk;
  });
  await new Promise((resolve) => socket.once("close", resolve));
  clearInterval(drops);
  expect(answer).toMatch(/^HTTP\/1\.1 408 /);
});

test("a client that stops reading is cut off, and others are served meanwhile", async () => {
  const body = Buffer.alloc(32 << 20);
  const big: Route = {
    path: "/big",
    handle: async (_, response) => {
      response.end(body);
    },
  };
  await using server = await open([HELLO, big], { idleTimeoutMs: 300 });
  const socket = connect(server.port, "127.0.0.1");
  const closed = new Promise((resolve) => socket.once("close", resolve));
  socket.on("error", () => {});
  socket.write("GET /big HTTP/1.1\r\nHost: a\r\n\r\n");
  socket.once("data", () => socket.pause());
  expect(await statusOf(server.port, "/hello")).toBe(200);
  await sleep(600);
  socket.resume();
  await closed;
  expect(socket.bytesRead).toBeLessThan(body.length);
});

test("connections beyond the limit are closed at once", async () => {
  await using server = await open([HELLO], { maxConnections: 2 });
  const sockets: Socket[] = [];
  for (let i = 0; i < 2; i++) {
    const socket = connect(server.port, "127.0.0.1");
    await new Promise((resolve) => socket.once("connect", resolve));
    sockets.push(socket);
  }
  await sleep(50);
  expect(await raw(server.port, "GET /hello HTTP/1.1\r\nHost: a\r\n\r\n")).toBe("");
  for (const socket of sockets) socket.destroy();
});

test("the longest route wins, and every request is recorded", async () => {
  const records: RequestRecord[] = [];
  const answer = (path: string): Route => ({
    path,
    handle: async (_, response, rest) => {
      response.end(`${path} ${rest}`);
    },
  });
  await using server = await open([answer("/"), answer("/log/a/"), answer("/log/")], {
    onRequest: (record) => records.push(record),
  });
  const get = async (path: string): Promise<string> =>
    (await fetch(`http://127.0.0.1:${server.port}${path}`)).text();
  expect(await get("/log/a/tile/x")).toBe("/log/a/ tile/x");
  expect(await get("/log/b")).toBe("/log/ b");
  expect(await get("/nix-cache-info")).toBe("/ nix-cache-info");
  await sleep(20);
  expect(records.map(({ route, status }) => [route, status])).toEqual([
    ["/log/a/", 200],
    ["/log/", 200],
    ["/", 200],
  ]);
});

test("a route that throws gives 500, or a broken answer when it had begun", async () => {
  const errors: unknown[] = [];
  const early: Route = { path: "/early", handle: () => Promise.reject(new Error("early")) };
  const late: Route = {
    path: "/late",
    handle: async (_, response) => {
      response.writeHead(200, { "content-length": 10 });
      response.write("half");
      await sleep(20);
      throw new Error("late");
    },
  };
  await using server = await open([early, late], { onError: (error) => errors.push(error) });
  expect(await statusOf(server.port, "/early")).toBe(500);
  await expect(fetch(`http://127.0.0.1:${server.port}/late`).then((r) => r.text())).rejects.toThrow();
  expect(errors.map((error) => (error as Error).message)).toEqual(["early", "late"]);
});

test("requests sent without waiting are answered one after the other, and too many of them cut the connection", async () => {
  let running = 0;
  let most = 0;
  let handled = 0;
  const slow: Route = {
    path: "/slow",
    handle: async (_, response) => {
      handled++;
      most = Math.max(most, ++running);
      await sleep(5);
      running--;
      response.end("done");
    },
  };
  await using server = await open([slow]);
  const ask = "GET /slow HTTP/1.1\r\nhost: a\r\n\r\n";
  const last = "GET /slow HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n";
  const answers = await raw(server.port, ask.repeat(4) + last);
  expect(answers.match(/HTTP\/1.1 200/g)).toHaveLength(5);
  expect([most, handled]).toEqual([1, 5]);
  expect(await raw(server.port, ask.repeat(1000))).not.toContain("HTTP");
  await sleep(50);
  expect([most, handled]).toEqual([1, 6]);
});

test("closing lets a request in flight finish, and cuts it after the grace time", async () => {
  const handled = new Map<string, ServerResponse>();
  const both = Promise.withResolvers<void>();
  const slow: Route = {
    path: "/slow/",
    handle: async (_, response, rest) => {
      handled.set(rest, response);
      if (handled.size === 2) both.resolve();
    },
  };
  const server = await open([slow], { graceMs: 400 });
  const quick = fetch(`http://127.0.0.1:${server.port}/slow/quick`).then((r) => r.text());
  const never = fetch(`http://127.0.0.1:${server.port}/slow/never`).then((r) => r.text());
  never.catch(() => {});
  await both.promise;
  const closed = server.listener.close();
  handled.get("quick")!.end("done");
  await closed;
  expect(await quick).toBe("done");
  await expect(never).rejects.toThrow();
});

test("addresses in use are named; a socket file that nobody answers on is replaced, any other file is not", async () => {
  const directory = await mkdtemp(join(tmpdir(), "trustix-bind-"));
  const path = join(directory, "s.sock");
  const failures: unknown[] = [];
  const options = {
    createServer: () => createPublicServer({ routes: [HELLO], maxConnections: 4 }),
    graceMs: 0,
    onError: (error: unknown) => failures.push(error),
  };
  const unix = { kind: "unix", path } as const;
  await using server = await open([HELLO]);
  await expect(
    openListener([{ kind: "tcp", host: "127.0.0.1", port: server.port }], options),
  ).rejects.toMatchObject({
    code: "LISTEN_FAILED",
  });
  // The mode at the moment of creation, seen by the first thing that runs after it.
  let created: number | undefined;
  const watching = {
    ...options,
    createServer: () =>
      options.createServer().once("listening", () => {
        created = statSync(path).mode & 0o777;
      }),
  };
  const umask = process.umask();
  const first = await openListener([unix], watching);
  expect(created).toBe(0o600);
  expect(process.umask()).toBe(umask);
  expect(statSync(path).mode & 0o777).toBe(0o666);
  await expect(openListener([unix], options)).rejects.toMatchObject({ code: "LISTEN_FAILED" });
  expect(failures, "what is thrown is not reported besides").toEqual([]);
  await first.close();
  await writeFile(path, "precious");
  await expect(openListener([unix], options)).rejects.toMatchObject({ code: "LISTEN_FAILED" });
  await rm(directory, { recursive: true });
});

test("a socket file whose program is too busy to answer is left alone", async () => {
  const directory = await mkdtemp(join(tmpdir(), "trustix-bind-"));
  const path = join(directory, "s.sock");
  const script = `require("net").createServer().listen({ path: process.argv[1], backlog: 1 }, () => {
    process.stdout.write("listening", () => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0));
  })`;
  const busy = spawn(process.execPath, ["-e", script, path], { stdio: ["ignore", "pipe", "inherit"] });
  await once(busy.stdout, "data");
  const waiting = Array.from({ length: 8 }, () => connect(path).on("error", () => {}));
  await sleep(100);
  const options = {
    createServer: () => createPublicServer({ routes: [HELLO], maxConnections: 4 }),
    graceMs: 0,
  };
  await expect(openListener([{ kind: "unix", path }], options)).rejects.toMatchObject({
    code: "LISTEN_FAILED",
  });
  expect(statSync(path).isSocket()).toBe(true);
  for (const socket of waiting) socket.destroy();
  busy.kill("SIGKILL");
  await once(busy, "exit");
  await rm(directory, { recursive: true });
});
