// Costly operations are a bounded number at a time where strangers may ask, and whoever left does not count.
import { once } from "node:events";
import { createServer, request } from "node:http";
import type { AddressInfo } from "node:net";
import { json } from "node:stream/consumers";
import { setTimeout as sleep } from "node:timers/promises";
import { expect, test } from "vitest";
import { createApi } from "./admin-api.ts";
import type { ApiDecisions } from "./decisions-api.ts";
import { RateLimiter } from "./rate-limit.ts";
import { Slots } from "./slots.ts";

test("a slot is taken once, and given back once", () => {
  const slots = new Slots(2);
  const first = slots.take();
  const second = slots.take();
  expect(() => slots.take()).toThrow(expect.objectContaining({ code: "PUSHBACK", retryAfterMs: 1000 }));
  first[Symbol.dispose]();
  first[Symbol.dispose]();
  expect(slots.taken).toBe(1);
  slots.take();
  expect(() => slots.take()).toThrow();
  second[Symbol.dispose]();
});

test("a client from elsewhere does not take all slots, and gives back its own only", () => {
  const slots = new Slots(4, 2);
  const [mine, more] = [slots.take("192.0.2.1"), slots.take("::ffff:192.0.2.1")];
  expect(() => slots.take("192.0.2.1")).toThrow(expect.objectContaining({ code: "PUSHBACK" }));
  const other = slots.take("192.0.2.2");
  other[Symbol.dispose]();
  expect(() => slots.take("192.0.2.1")).toThrow();
  expect(slots.taken).toBe(2);
  mine[Symbol.dispose]();
  mine[Symbol.dispose]();
  slots.take("192.0.2.1");
  expect(() => slots.take("192.0.2.1")).toThrow();
  more[Symbol.dispose]();
  // Proxies of this machine are not told apart.
  const local = [slots.take("127.0.0.1"), slots.take("127.0.0.1"), slots.take(undefined)];
  expect(local).toHaveLength(3);
  expect(() => slots.take("127.0.0.1")).toThrow();
});

test("the next one is told when to come again, until an earlier one is answered or gone", async () => {
  const waiting: PromiseWithResolvers<unknown>[] = [];
  const decisions = {
    explainOn: () => {
      const answer = Promise.withResolvers<unknown>();
      waiting.push(answer);
      return answer.promise;
    },
  } as unknown as ApiDecisions;
  const slots = new Slots(2);
  const app = await createApi({
    logs: new Map(),
    decisions,
    audience: "public",
    status: () => ({ listen: [], subscriptions: [] }),
    maxBodyBytes: 1024,
    limiter: new RateLimiter(1, Date.now),
    authenticate: async () => "public",
    costly: slots,
    signal: new AbortController().signal,
    onError: () => {},
  });
  const server = createServer((incoming, response) => app.routing(incoming, response)).listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  const ask = (path: string) => request({ port, host: "127.0.0.1", path, agent: false }).end();
  const sent = [ask("/api/v1/decisions/a"), ask("/api/v1/decisions/b")];
  for (const each of sent) each.on("error", () => {});
  while (waiting.length < 2) await sleep(5);

  const [refused] = await once(ask("/api/v1/decisions/c"), "response");
  expect(refused.statusCode).toBe(503);
  expect(refused.headers["retry-after"]).toBe("1");
  expect(await json(refused)).toMatchObject({ error: { code: "PUSHBACK" } });
  const [cheap] = await once(ask("/api/v1/status"), "response");
  expect(cheap.statusCode).toBe(200);
  cheap.resume();

  sent[0]!.destroy();
  while (slots.taken > 1) await sleep(5);
  const third = ask("/api/v1/decisions/d");
  while (waiting.length < 3) await sleep(5);
  for (const each of waiting) each.resolve({ accepted: true, votes: [] });
  const [answered] = await once(third, "response");
  expect(answered.statusCode).toBe(200);
  answered.resume();
  await once(answered, "end");
  while (slots.taken > 0) await sleep(5);
  server.closeAllConnections();
  server.close();
  await app.close();
});
