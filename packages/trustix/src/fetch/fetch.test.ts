import { once } from "node:events";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer, type RequestListener } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { describe, expect, it } from "vitest";
import { Breaker } from "./breaker.ts";
import { parseNetrc } from "./netrc.ts";
import { openRemote } from "./open-remote.ts";
import { admitOrigin, createPublicAddressTest } from "./origins.ts";
import { readBody } from "./remote.ts";

const signal = new AbortController().signal;

async function serve(listener: RequestListener) {
  const server = createServer(listener).listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`,
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };
}

describe("netrc", () => {
  it("finds logins by host, the first of a name, or else the default", () => {
    const find = parseNetrc(`
      # machine commented.example login no password no
      machine cache.example login alice password "pass \\"word"
      macdef init
        machine in.macro login no password no

      machine CACHE.example login late password late
      machine port.example account x password p login bob
      default login anonymous password guest`);
    expect(find("cache.EXAMPLE")).toEqual({ login: "alice", password: 'pass "word' });
    expect(find("port.example")).toEqual({ login: "bob", password: "p" });
    expect(find("in.macro")).toEqual({ login: "anonymous", password: "guest" });
    expect(find("commented.example")).toEqual({ login: "anonymous", password: "guest" });
    expect(parseNetrc("machine a login b password c")("d")).toBeUndefined();
  });
});

describe("origins", () => {
  const isPublic = createPublicAddressTest();

  it.each(["1.1.1.1", "93.184.216.34", "2606:4700::1111", "2a00:1450::1"])("%s is public", (address) => {
    expect(isPublic(address)).toBe(true);
  });

  it.each([
    ...["127.0.0.1", "10.1.2.3", "172.31.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1", "0.0.0.0"],
    ...["224.0.0.1", "255.255.255.255", "::1", "::", "fe80::1", "fc00::1", "ff02::1", "::ffff:10.0.0.1"],
    ...["64:ff9b::a00:1", "2002:7f00:1::", "2001:db8::1", "localhost"],
  ])("%s is not public", (address) => {
    expect(isPublic(address)).toBe(false);
  });

  const root = new URL("https://cache.example/prefix/");
  it.each([
    ["https://cache.example/elsewhere", [], "own"],
    ["https://cache.example:8443/", [], "forbidden"],
    ["http://cache.example/", [], "forbidden"],
    ["https://user@cache.example/", [], "forbidden"],
    ["https://files.example/x", ["https://files.example"], "listed"],
    ["https://files.example/x", "public", "if-public"],
    ["http://files.example/x", "public", "forbidden"],
    ["file:///etc/passwd", "public", "forbidden"],
  ] as const)("%s with %j is %s", (url, foreign, verdict) => {
    expect(admitOrigin(root, foreign, new URL(url))).toBe(verdict);
  });

  it("checks the address itself where any public host is allowed", async () => {
    await using inside = await serve((_, response) => response.end("secret"));
    const { port } = new URL(inside.url);
    await using remote = openRemote("http://cache.invalid/", { foreign: "public" });
    const byNumber = remote.get(new URL(inside.url), { signal });
    await expect(byNumber).rejects.toMatchObject({ code: "PEER_MISBEHAVED" });
    const byName = remote.get(new URL(`http://localhost:${port}/`), { signal });
    await expect(byName).rejects.toMatchObject({ code: "PEER_UNREACHABLE" });
  });
});

describe("a breaker", () => {
  it("opens after failures in a row, longer each time, and lets one through when its time is up", () => {
    let nowMs = 0;
    const breaker = new Breaker({ now: () => nowMs, threshold: 2, minOpenMs: 100, maxOpenMs: 150 });
    breaker.fail();
    breaker.succeed();
    breaker.fail();
    expect(breaker.tryEnter()).toBe(true);
    breaker.fail();
    expect(breaker.tryEnter()).toBe(false);
    nowMs = 100;
    expect(breaker.tryEnter()).toBe(true);
    expect(breaker.tryEnter()).toBe(false);
    breaker.fail();
    nowMs = 249;
    expect(breaker.tryEnter()).toBe(false);
    nowMs = 250;
    expect(breaker.tryEnter()).toBe(true);
    breaker.succeed();
    expect(breaker.tryEnter()).toBe(true);
    expect(breaker.failures).toBe(0);
  });
});

describe("a remote", () => {
  it("follows redirects within its origin, and logs in there", async () => {
    await using server = await serve((request, response) => {
      const { url, headers } = request;
      if (url === "/a/b") response.writeHead(302, { location: "../c?d=1" }).end();
      else response.end(`${url} ${headers.authorization}`);
    });
    const netrc = () => ({ login: "alice", password: "pass" });
    await using remote = openRemote(server.url, { netrc });
    const url = new URL("a/b", remote.root);
    const { status, body } = await remote.get(url, { signal });
    expect(status).toBe(200);
    const basic = Buffer.from("alice:pass").toString("base64");
    expect((await readBody(url, body, 1000)).toString()).toBe(`/c?d=1 Basic ${basic}`);
  });

  it("gives up after too many redirects, silence and too many bytes", async () => {
    await using server = await serve(({ url }, response) => {
      if (url === "/loop") response.writeHead(302, { location: "/loop" }).end();
      else if (url === "/large") response.end(Buffer.alloc(1001));
    });
    await using remote = openRemote(server.url, { headersTimeoutMs: 1_000 });
    const get = (path: string) => remote.get(new URL(path, remote.root), { signal });
    await expect(get("loop")).rejects.toMatchObject({ code: "PEER_MISBEHAVED" });
    await expect(get("silent")).rejects.toMatchObject({ code: "PEER_UNREACHABLE" });
    const { body } = await get("large");
    await expect(readBody(remote.root, body, 1000)).rejects.toMatchObject({ code: "PEER_MISBEHAVED" });
  });

  it("may be a directory, and nothing beside it", async () => {
    const directory = await mkdtemp(join(tmpdir(), "remote-"));
    try {
      await mkdir(join(directory, "cache"));
      await writeFile(join(directory, "secret"), "secret");
      await writeFile(join(directory, "cache/file"), "0123456789");
      await using remote = openRemote(pathToFileURL(join(directory, "cache")).href);
      const url = new URL("file", remote.root);
      const part = await remote.get(url, { signal, offset: 4 });
      expect(part).toMatchObject({ status: 206, headers: { "content-range": "bytes 4-9/10" } });
      expect((await readBody(url, part.body, 10)).toString()).toBe("456789");
      expect((await remote.get(new URL("none", remote.root), { signal })).status).toBe(404);
      for (const outside of ["../secret", "/etc/passwd", "%2e%2e/secret", "", "http://127.0.0.1/"]) {
        const got = remote.get(new URL(outside, remote.root), { signal });
        await expect(got, outside).rejects.toMatchObject({ code: "PEER_MISBEHAVED" });
      }
    } finally {
      await rm(directory, { recursive: true });
    }
  });

  it.each(["", "cache.example", "ftp://cache.example/", "https://cache.example/?x", "file://host/x"])(
    "is not opened by %j",
    (text) => {
      expect(() => openRemote(text)).toThrow(expect.objectContaining({ code: "INVALID_ARGUMENT" }));
    },
  );
});
