import { once } from "node:events";
import { type AddressInfo, connect } from "node:net";
import type { FastifyInstance } from "fastify";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { TrustixError } from "../errors.ts";
import { createAdminServer, createApi } from "./admin-api.ts";
import type { ApiLog, RawSubmission } from "./logs-api.ts";
import { RateLimiter } from "./rate-limit.ts";

let app: FastifyInstance;
let nowMs: number;
let problem: Error | undefined;
let submitted: unknown[];
let errors: unknown[];

function fakeLog(name: string, protocol: "nix" | "raw"): ApiLog {
  const accept = async (keys: readonly string[], what: readonly unknown[]) => {
    if (problem !== undefined) throw problem;
    submitted.push(...what);
    return keys.map((key, index) => ({ key, status: "claimed" as const, index, isNew: true }));
  };
  return {
    name,
    protocol,
    submitPaths: (paths) => accept(paths, paths),
    submitRaw: (claims: readonly RawSubmission[]) =>
      accept(
        claims.map(({ label }) => label),
        claims,
      ),
    proof: async (index, { wait }) => {
      if (index < 5 || wait) return `proof of ${index}\n`;
      throw new TrustixError("NOT_FOUND", "not published yet");
    },
    find: async (key) => (key === "known" ? [1, 3] : []),
    async *backfill() {
      yield { listed: 1 };
      if (problem !== undefined) throw problem;
      yield { listed: 2 };
    },
    status: () => ({ name }),
  };
}

beforeEach(async () => {
  [nowMs, problem, submitted, errors] = [0, undefined, [], []];
  app = await createApi({
    logs: new Map([
      ["nix", fakeLog("nix", "nix")],
      ["raw", fakeLog("raw", "raw")],
    ]),
    status: () => ({ version: "1" }),
    maxBodyBytes: 4096,
    limiter: new RateLimiter(10, () => nowMs),
    authenticate: async (header) => {
      if (header === "Bearer no") throw new TrustixError("UNAUTHORIZED", "no", { hint: "get one" });
      return header ?? "socket";
    },
    signal: new AbortController().signal,
    onError: (error) => errors.push(error),
  });
});
afterEach(() => app.close());

const post = (url: string, payload: string | object, headers: Record<string, string> = {}) =>
  app.inject({ method: "POST", url, payload, headers: { "content-type": "application/json", ...headers } });
const CLAIMS = "/api/v1/logs/raw/claims";

test("claims are taken, with their proofs when they are waited for", async () => {
  const plain = await post("/api/v1/logs/nix/claims", { paths: ["/nix/store/a"] });
  expect(plain.json()).toEqual({
    claims: [{ key: "/nix/store/a", status: "claimed", index: 0, isNew: true }],
  });
  const waited = await post(CLAIMS, { claims: [{ key: "k", value: "v" }], wait: true });
  expect(waited.json()).toMatchObject({ claims: [{ key: "k", index: 0, proof: "proof of 0\n" }] });
});

test("keys and values are text or hex", async () => {
  const claims = [
    { key: "ä", value: "" },
    { key: "00ff", value: "0a", encoding: "hex" },
  ];
  expect((await post(CLAIMS, { claims })).statusCode).toBe(200);
  expect(submitted).toEqual([
    { label: "ä", key: Buffer.from("ä"), value: Buffer.alloc(0) },
    { label: "00ff", key: Buffer.from([0, 255]), value: Buffer.from([10]) },
  ]);
});

describe("what the API refuses", () => {
  test.each([
    ["no JSON", CLAIMS, "{", 400, "REQUEST_INVALID"],
    ["another type", CLAIMS, "[]", 400, "REQUEST_INVALID"],
    ["nothing", CLAIMS, '{"claims":[]}', 400, "REQUEST_INVALID"],
    ["an unknown field", CLAIMS, '{"claims":[{"key":"a","value":"b"}],"wat":1}', 400, "REQUEST_INVALID"],
    ["a value that is no text", CLAIMS, '{"claims":[{"key":"a","value":5}]}', 400, "REQUEST_INVALID"],
    ["half a character", CLAIMS, '{"claims":[{"key":"\\ud800","value":"b"}]}', 400, "REQUEST_INVALID"],
    ["odd hex", CLAIMS, '{"claims":[{"key":"abc","value":"","encoding":"hex"}]}', 400, "REQUEST_INVALID"],
    [
      "upper-case hex",
      CLAIMS,
      '{"claims":[{"key":"AB","value":"","encoding":"hex"}]}',
      400,
      "REQUEST_INVALID",
    ],
    ["prototype games", CLAIMS, '{"__proto__":{"wait":true},"claims":[]}', 400, "REQUEST_INVALID"],
    ["paths for a raw log", CLAIMS, '{"paths":["/nix/store/a"]}', 400, "REQUEST_INVALID"],
    ["too much", CLAIMS, `{"claims":[{"key":"a","value":"${"x".repeat(5000)}"}]}`, 413, "REQUEST_TOO_LARGE"],
    ["another log", "/api/v1/logs/wat/claims", "{}", 404, "NOT_FOUND"],
    ["another place", "/api/v2", "{}", 404, "NOT_FOUND"],
  ])("%s", async (_, url, payload, status, code) => {
    const answer = await post(url, payload);
    expect(answer.statusCode).toBe(status);
    expect(answer.json()).toMatchObject({
      error: { code, message: expect.any(String), hint: expect.any(String) },
    });
    expect(submitted).toEqual([]);
    expect(errors).toEqual([]);
  });

  test("another content type", async () => {
    const answer = await post(CLAIMS, "<claims/>", { "content-type": "text/xml" });
    expect(answer.json()).toMatchObject({ error: { code: "REQUEST_INVALID" } });
  });

  test("a stranger", async () => {
    const answer = await post(CLAIMS, { claims: [{ key: "a", value: "b" }] }, { authorization: "Bearer no" });
    expect(answer.statusCode).toBe(401);
    expect(answer.headers["www-authenticate"]).toBe("Bearer");
    expect(answer.json()).toEqual({ error: { code: "UNAUTHORIZED", message: "no", hint: "get one" } });
  });
});

test("a full log pushes back with the time to wait", async () => {
  problem = new TrustixError("PUSHBACK", "full", { retryAfterMs: 2500, hint: "later" });
  const answer = await post(CLAIMS, { claims: [{ key: "a", value: "b" }] });
  expect(answer.statusCode).toBe(503);
  expect(answer.headers["retry-after"]).toBe("3");
});

test("a client that submits too fast has to wait; another one does not", async () => {
  const claims = Array.from({ length: 60 }, (_, index) => ({ key: `k${index}`, value: "v" }));
  expect((await post(CLAIMS, { claims })).statusCode).toBe(200);
  const second = await post(CLAIMS, { claims });
  expect(second.statusCode).toBe(429);
  expect(second.headers["retry-after"]).toBe("2");
  expect((await post(CLAIMS, { claims }, { authorization: "Bearer other" })).statusCode).toBe(200);
  nowMs += 2000;
  expect((await post(CLAIMS, { claims })).statusCode).toBe(200);
});

test("a defect is reported inside and not shown outside", async () => {
  problem = new Error("secret details");
  const answer = await post(CLAIMS, { claims: [{ key: "a", value: "b" }] });
  expect(answer.statusCode).toBe(500);
  expect(answer.body).not.toContain("secret");
  expect(errors).toEqual([problem]);
});

test("work that takes too long is pushed back", async () => {
  problem = new DOMException("timed out", "TimeoutError");
  expect((await post(CLAIMS, { claims: [{ key: "a", value: "b" }] })).statusCode).toBe(503);
});

test("proofs are found by index and by key, the newest claim", async () => {
  const get = (query: string) => app.inject(`/api/v1/logs/raw/proof?${query}`);
  expect((await get("index=2")).body).toBe("proof of 2\n");
  expect((await get("key=known")).body).toBe("proof of 3\n");
  expect((await get("index=7&wait=true")).body).toBe("proof of 7\n");
  expect((await get("index=7")).statusCode).toBe(404);
  expect((await get("key=unknown")).statusCode).toBe(404);
  for (const query of [
    "",
    "index=-1",
    "index=01",
    "index=1e3",
    "index=9999999999999999",
    "index=1&key=a",
    "key=a&key=b",
  ]) {
    expect((await get(query)).statusCode, query).toBe(400);
  }
});

test("backfill reports line by line, and a failure as the last line", async () => {
  const run = async () =>
    (await post("/api/v1/logs/nix/backfill", {})).body
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line));
  expect(await run()).toEqual([{ listed: 1 }, { listed: 2 }]);
  problem = new TrustixError("NIX_UNAVAILABLE", "no nix", { hint: "install it" });
  expect(await run()).toEqual([
    { listed: 1 },
    { error: { code: "NIX_UNAVAILABLE", message: "no nix", hint: "install it" } },
  ]);
});

test("the status has the node and its logs; metrics that are off are not there", async () => {
  expect((await app.inject("/api/v1/status")).json()).toEqual({
    version: "1",
    logs: [{ name: "nix" }, { name: "raw" }],
  });
  expect((await app.inject("/metrics")).statusCode).toBe(404);
});

test("connections beyond a number are closed at once, and the others are served", async () => {
  const server = createAdminServer(app).listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  const answer = await fetch(`http://127.0.0.1:${port}/api/v1/status`, { headers: { connection: "close" } });
  expect(answer.status).toBe(200);
  const sockets = Array.from({ length: 270 }, () => connect(port, "127.0.0.1").on("error", () => {}));
  let closed = 0;
  for (const socket of sockets) socket.once("close", () => closed++);
  for (let i = 0; i < 200 && closed < 14; i++) await new Promise((resolve) => setTimeout(resolve, 10));
  expect(closed).toBe(14);
  for (const socket of sockets) socket.destroy();
  server.close();
  await once(server, "close");
});
