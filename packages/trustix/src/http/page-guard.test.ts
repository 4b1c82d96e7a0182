// Who is let through to the pages and the API: asked over a real connection.
import { once } from "node:events";
import { createServer } from "node:http";
import { type AddressInfo, connect } from "node:net";
import { text } from "node:stream/consumers";
import { afterAll, beforeAll, expect, test } from "vitest";
import { pageGuard } from "./page-guard.ts";

const guards = {
  local: pageGuard([], { isLocalOnly: true }),
  open: pageGuard(["trustix.test"]),
};
const server = createServer((request, response) => {
  const guard = request.url === "/open" ? guards.open : guards.local;
  response.writeHead(guard(request) === undefined ? 200 : 403, { connection: "close" }).end();
});
beforeAll(async () => {
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
});
afterAll(() => void server.close());

async function statusOf(path: string, headers: readonly string[]): Promise<string> {
  const socket = connect((server.address() as AddressInfo).port, "127.0.0.1");
  socket.write(`GET ${path} HTTP/1.1\r\n${headers.map((header) => `${header}\r\n`).join("")}\r\n`);
  return (await text(socket)).slice(9, 12);
}

test.each([
  ["X-Forwarded-For: 192.0.2.1"],
  ["X-Forwarded-Host: trustix.example.org"],
  ["X-Real-IP: 192.0.2.1"],
  ["Forwarded: for=192.0.2.1"],
  ["Via: 1.1 proxy"],
])("who comes through a proxy is not of this machine: %s", async (header) => {
  expect(await statusOf("/local", ["Host: 127.0.0.1:8080", header])).toBe("403");
  expect(await statusOf("/open", ["Host: trustix.test", header])).toBe("200");
});

test("who comes directly is", async () => {
  expect(await statusOf("/local", ["Host: localhost:8080"])).toBe("200");
});

test("a request with two hosts is refused, whichever of them is ours", async () => {
  for (const hosts of [
    ["Host: localhost", "Host: evil.example"],
    ["Host: evil.example", "Host: localhost"],
    ["Host: localhost", "Host: localhost"],
  ]) {
    expect(await statusOf("/local", hosts)).toBe("403");
    expect(await statusOf("/open", hosts)).toBe("403");
  }
});
