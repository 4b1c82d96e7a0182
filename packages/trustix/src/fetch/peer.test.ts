import { randomBytes } from "node:crypto";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import * as http from "node:http";
import { createServer, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { openPeer, type Peer, type PeerLimits } from "./peer.ts";
import { parsePeerAddress } from "./peer-address.ts";

let stack: AsyncDisposableStack;
let root: string;
beforeEach(async () => {
  stack = new AsyncDisposableStack();
  root = await mkdtemp(join(tmpdir(), "peer-"));
  stack.defer(() => rm(root, { recursive: true }));
});
afterEach(() => stack.disposeAsync());

async function serve(listener: http.RequestListener, listen: number | string = 0): Promise<URL> {
  const server = http.createServer(listener);
  await new Promise<void>((resolve) => {
    if (typeof listen === "string") server.listen(listen, resolve);
    else server.listen(listen, "127.0.0.1", resolve);
  });
  stack.defer(async () => {
    server.closeAllConnections();
    server.close();
  });
  const address = server.address();
  return new URL(typeof address === "string" ? "http://localhost/" : `http://127.0.0.1:${address!.port}/`);
}

/** A server that speaks bytes. */
async function serveRaw(listener: (socket: Socket) => void): Promise<URL> {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket.on("error", () => {}));
    listener(socket);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  stack.defer(async () => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return new URL(`http://127.0.0.1:${(server.address() as { port: number }).port}/`);
}

function open(address: URL | string, limits: Partial<PeerLimits> = {}): Peer {
  const pace = { idleMs: 1000, minBytesPerSecond: 1000, windowMs: 1000 };
  return stack.use(openPeer(String(address), { headersTimeoutMs: 1000, pace, ...limits }));
}

const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);

describe("a peer over HTTP", () => {
  it("gets, over one connection, also after answers that are not 200", async () => {
    const sockets = new Set<Socket>();
    const url = await serve((request, response) => {
      sockets.add(request.socket);
      response.writeHead(request.url === "/a" ? 200 : 404).end(`this is ${request.url}`);
    });
    const peer = open(url);
    expect(text((await peer.fetch("a", { maxBytes: 100 }))!)).toBe("this is /a");
    expect(await peer.fetch("b", { maxBytes: 100 })).toBeUndefined();
    expect(await peer.fetch("a", { maxBytes: 10 })).toHaveLength(10);
    expect(sockets.size).toBe(1);
  });

  it("asks again when a kept connection was closed by the other side", async () => {
    let requests = 0;
    const url = await serveRaw((socket) => {
      let isUsed = false;
      socket.on("data", () => {
        requests++;
        if (isUsed) socket.destroy();
        else socket.write("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
        isUsed = true;
      });
    });
    const peer = open(url);
    await peer.fetch("", { maxBytes: 10 });
    await new Promise((resolve) => setTimeout(resolve, 10));
    expect(text((await peer.fetch("", { maxBytes: 10 }))!)).toBe("ok");
    expect(requests).toBe(3);
  });

  it("takes as many bytes as it may, and not one more, packed or not", async () => {
    const body = randomBytes(100_000);
    const url = await serve((request, response) => {
      if (request.url === "/gzip")
        response.writeHead(200, { "content-encoding": "gzip" }).end(gzipSync(body));
      else response.writeHead(200).end(body);
    });
    const peer = open(url);
    for (const path of ["plain", "gzip"]) {
      const answer = await peer.fetch(path, { maxBytes: 100_000, acceptGzip: true });
      expect(Buffer.compare(answer!, body)).toBe(0);
      await expect(peer.fetch(path, { maxBytes: 99_999 })).rejects.toMatchObject({
        code: "PEER_MISBEHAVED",
      });
    }
  });

  it.each([
    ["is not gzip", "gzip", Buffer.from("hello, this is not gzip")],
    ["is gzip cut off", "gzip", gzipSync(randomBytes(1000)).subarray(0, 500)],
    ["is brotli", "br", Buffer.from("x")],
  ])("refuses a body that %s", async (_, encoding, body) => {
    const url = await serve(
      (__, response) => void response.writeHead(200, { "content-encoding": encoding }).end(body),
    );
    await expect(open(url).fetch("", { maxBytes: 1000 })).rejects.toMatchObject({ code: "PEER_MISBEHAVED" });
  });

  it("gives up a body that unpacks to nothing for ever", async () => {
    // A gzip header, and then empty stored blocks without end.
    const blocks = Buffer.concat(Array.from({ length: 10_000 }, () => Buffer.from([0, 0, 0, 0xff, 0xff])));
    const url = await serve((_, response) => {
      response.writeHead(200, { "content-encoding": "gzip" });
      response.write(Buffer.from([0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3]));
      const more = () => response.destroyed || response.write(blocks, () => setImmediate(more));
      more();
    });
    await expect(open(url).fetch("", { maxBytes: 1000 })).rejects.toMatchObject({ code: "PEER_MISBEHAVED" });
  });

  it.each<[string, (socket: Socket) => void]>([
    ["accepts and is silent", () => {}],
    [
      "sends headers slowly",
      (socket) => {
        socket.write("HTTP/1.1 200 OK\r\n");
        const timer = setInterval(() => socket.write("X: y\r\n"), 20);
        socket.on("close", () => clearInterval(timer));
      },
    ],
    [
      "sends headers without end",
      (socket) => {
        socket.write("HTTP/1.1 200 OK\r\n");
        const line = `X: ${"y".repeat(1000)}\r\n`;
        const more = () => socket.destroyed || socket.write(line, () => setImmediate(more));
        more();
      },
    ],
    [
      "sends a body slowly",
      (socket) => {
        socket.write("HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n");
        const timer = setInterval(() => socket.write("a"), 20);
        socket.on("close", () => clearInterval(timer));
      },
    ],
    [
      "stops within a body",
      (socket) => void socket.end("HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nabc"),
    ],
    [
      "stops within a chunk",
      (socket) => void socket.end("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nff\r\nabc"),
    ],
    ["speaks something else", (socket) => void socket.end("SSH-2.0-OpenSSH_9.2p1\r\n")],
    ["hangs up", (socket) => void socket.destroy()],
    [
      "says continue for ever",
      (socket) => {
        const timer = setInterval(() => socket.write("HTTP/1.1 100 Continue\r\n\r\n"), 10);
        socket.on("close", () => clearInterval(timer));
      },
    ],
  ])("gives up on time a server that %s", async (_, listener) => {
    const url = await serveRaw((socket) => {
      socket.once("data", () => listener(socket));
    });
    await expect(open(url, { totalTimeoutMs: 5000 }).fetch("", { maxBytes: 10_000 })).rejects.toMatchObject({
      code: "PEER_UNREACHABLE",
    });
  });

  it("waits no longer than it may in all", async () => {
    const url = await serve((_, response) => {
      const timer = setInterval(() => response.write("a".repeat(500)), 5);
      response.on("close", () => clearInterval(timer));
    });
    await expect(open(url, { totalTimeoutMs: 300 }).fetch("", { maxBytes: 1e9 })).rejects.toMatchObject({
      code: "PEER_UNREACHABLE",
    });
  });

  it("ends when the signal says so, with its reason", async () => {
    const url = await serve(() => {});
    const stop = new AbortController();
    const pending = open(url).fetch("", { maxBytes: 10, signal: stop.signal });
    stop.abort(new Error("enough"));
    await expect(pending).rejects.toThrow("enough");
    await expect(open(url).fetch("", { maxBytes: 10, signal: stop.signal })).rejects.toThrow("enough");
  });

  it("follows redirects, a few", async () => {
    const url = await serve((request, response) => {
      const n = Number(request.url!.slice(1));
      if (n === 0) response.end("here");
      else response.writeHead(302, { location: `${n - 1}` }).end("moved");
    });
    const peer = open(url, { maxRedirects: 3 });
    expect(text((await peer.fetch("3", { maxBytes: 10 }))!)).toBe("here");
    await expect(peer.fetch("4", { maxBytes: 10 })).rejects.toMatchObject({
      code: "PEER_MISBEHAVED",
    });
  });

  it.each(["file:///etc/passwd", "ftp://x/", "http://", "http://127.0.0.1:9/", undefined])(
    "does not follow a redirect to %s",
    async (to) => {
      const url = await serve(
        (_, response) => void response.writeHead(301, to === undefined ? {} : { location: to }).end(),
      );
      await expect(open(url).fetch("", { maxBytes: 10 })).rejects.toMatchObject({ code: "PEER_MISBEHAVED" });
    },
  );

  it("opens no more connections to a host than it may", async () => {
    let asking = 0;
    let most = 0;
    const url = await serve((_, response) => {
      most = Math.max(most, ++asking);
      setTimeout(() => {
        asking--;
        response.end("ok");
      }, 10);
    });
    const peer = open(url, { maxConnections: 3 });
    await Promise.all(Array.from({ length: 20 }, () => peer.fetch("", { maxBytes: 10 })));
    expect(most).toBe(3);
  });
});

describe("a peer", () => {
  const request = { maxBytes: 10 };

  it("is reached over HTTP below its prefix", async () => {
    const url = await serve((request, response) => void response.end(request.url));
    const peer = open(`${url.href}a/b`);
    expect(text((await peer.fetch("c/d", request))!)).toBe("/a/b/c/d");
  });

  it("is reached over a Unix socket, which a redirect must not leave", async () => {
    const socketPath = join(root, "s.sock");
    await serve((request, response) => {
      if (request.url === "/p/away") response.writeHead(302, { location: "http://127.0.0.1:1/" }).end();
      else response.end(request.url);
    }, socketPath);
    const peer = open(`unix:${socketPath}:/p`);
    expect(text((await peer.fetch("x", request))!)).toBe("/p/x");
    await expect(peer.fetch("away", request)).rejects.toMatchObject({ code: "PEER_MISBEHAVED" });
  });

  it("is a directory", async () => {
    await mkdir(join(root, "dir"));
    await writeFile(join(root, "file"), "0123456789");
    await writeFile(join(root, "big"), "0123456789a");
    const peer = open(`file://${root}`);
    expect(text((await peer.fetch("file", request))!)).toBe("0123456789");
    expect(await peer.fetch("missing", request)).toBeUndefined();
    expect(await peer.fetch("file/below", request)).toBeUndefined();
    await expect(peer.fetch("big", request)).rejects.toMatchObject({ code: "PEER_MISBEHAVED" });
    expect(await peer.fetch("dir", request)).toBeUndefined();
  });

  it.each([
    "",
    "ftp://host/",
    "host/path",
    "https://user:password@host/",
    "https://host/?q",
    "https://host/#x",
    "file://host/path",
    "unix:relative",
    "unix:",
    `unix:/${"x".repeat(107)}`,
    `https://host/${"x".repeat(3000)}`,
  ])("has no address like %j", (address) => {
    expect(() => parsePeerAddress(address)).toThrow(expect.objectContaining({ code: "INVALID_ARGUMENT" }));
  });
});
