// Whoever listens is told; whoever does not read is cut off, and nothing piles up for it.
import { once } from "node:events";
import { createServer, request } from "node:http";
import { type AddressInfo, connect } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { expect, test } from "vitest";
import type { LiveEventJson } from "./insight-schema.ts";
import { LiveStream } from "./live.ts";

class Source {
  readonly listeners = new Set<(event: LiveEventJson) => void>();
  version = 1;

  live(): LiveEventJson {
    return { version: this.version, claims: 0, behind: 0, paths: 0, disputed: 0 };
  }

  onChange(listener: (event: LiveEventJson) => void): Disposable {
    this.listeners.add(listener);
    return { [Symbol.dispose]: () => void this.listeners.delete(listener) };
  }

  change(): void {
    this.version++;
    for (const listener of this.listeners) listener(this.live());
  }
}

async function serve() {
  const source = new Source();
  const stop = new AbortController();
  const stream = new LiveStream(source, stop.signal);
  const server = createServer((_, response) => stream.open()(response)).listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  const close = async (): Promise<void> => {
    stop.abort();
    server.closeAllConnections();
    server.close();
    await once(server, "close");
  };
  return { source, stop, stream, port, [Symbol.asyncDispose]: close };
}

test("a client is told the present state, then each change, until the node stops", async () => {
  await using served = await serve();
  const sent = request({ port: served.port, host: "127.0.0.1" }).end();
  const [response] = await once(sent, "response");
  let seen = "";
  response.on("data", (chunk: Buffer) => {
    seen += chunk;
    if (served.source.version < 3) served.source.change();
    else served.stop.abort();
  });
  await once(response, "end");
  expect([...seen.matchAll(/^id: (\d+)$/gm)].map(([, id]) => id)).toEqual(["1", "2", "3"]);
  expect(seen).toMatch(/^retry: \d+\n\nevent: change\nid: 1\ndata: \{"version":1,.*\}\n\n/);
  expect(served.source.listeners.size).toBe(0);
});

test("a client that does not read is cut off, and others are not", async () => {
  await using served = await serve();
  const deaf = connect(served.port, "127.0.0.1");
  deaf.on("error", () => {});
  deaf.pause();
  deaf.write("GET / HTTP/1.1\r\nhost: localhost\r\n\r\n");
  const [response] = await once(request({ port: served.port, host: "127.0.0.1" }).end(), "response");
  let bytes = 0;
  response.on("data", (chunk: Buffer) => (bytes += chunk.length));
  while (served.stream.clients < 2) await sleep(5);
  // More than the buffers of the system take: some megabytes.
  while (served.stream.clients === 2 && served.source.version < 1_000_000) {
    for (let i = 0; i < 50; i++) served.source.change();
    await sleep(0);
  }
  expect(served.stream.clients).toBe(1);
  served.source.change();
  const before = bytes;
  while (bytes === before) await sleep(5);
  deaf.destroy();
});
