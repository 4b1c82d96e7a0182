import { createHash } from "node:crypto";
import { request } from "node:http";
import { setTimeout as sleep } from "node:timers/promises";
import { zstdDecompressSync } from "node:zlib";
import {
  createSigner,
  createVerifier,
  type DumpDbEntry,
  encodeNar,
  formatFingerprint,
  generateKey,
  type NarTree,
  parseCacheInfo,
  parseNarInfo,
  parseNarListing,
  parseStorePath,
  verifySignatures,
} from "@trustix/nix";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { type Listener, openListener } from "../http/bind.ts";
import { createPublicServer } from "../http/public-server.ts";
import { cacheRoute } from "./cache-route.ts";
import { DamagedPaths } from "./damaged-paths.ts";
import { ServedPaths } from "./served-paths.ts";
import { StoreNames } from "./store-names.ts";

const SMALL = "/nix/store/0d0c9qz8c8qihvq3bkrk3kjkxjx2h3zv-small";
const LARGE = "/nix/store/1d0c9qz8c8qihvq3bkrk3kjkxjx2h3zv-large";
const VERIFY_BEFORE = 4096;
const CHUNK = 16 << 10;

const file = (contents: Uint8Array): NarTree => ({ type: "regular", executable: false, contents });
const narOf = (tree: NarTree): Buffer => Buffer.concat([...encodeNar(tree)]);

let store: Map<string, { nar: Buffer; stamp: string; info: DumpDbEntry }>;
let queries: string[][];
let damages: string[];
let unreadable: unknown[];
let now: number;
/** Archives that are being read, the most there were at one time, and the pieces read in all. */
let reading: { now: number; most: number; pieces: number };
/** How long one piece takes. */
let pieceMs: number;
let listener: Listener;
let port: number;

function register(path: string, nar: Buffer): void {
  const narHash = {
    algorithm: "sha256",
    bytes: new Uint8Array(createHash("sha256").update(nar).digest()),
  } as const;
  const storePath = parseStorePath(path);
  store.set(path, {
    nar,
    stamp: "1",
    info: { storePath, narHash, narSize: nar.length, references: [storePath] },
  });
}

function damage(path: string): void {
  const entry = store.get(path)!;
  entry.nar = Buffer.from(entry.nar);
  entry.nar[entry.nar.length - 100]! ^= 1;
}

async function* chunks(nar: Buffer): AsyncGenerator<Uint8Array> {
  reading.most = Math.max(reading.most, ++reading.now);
  try {
    for (let at = 0; at < nar.length; at += CHUNK) {
      if (pieceMs > 0) await sleep(pieceMs);
      reading.pieces++;
      yield nar.subarray(at, at + CHUNK);
    }
  } finally {
    reading.now--;
  }
}

interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly body: Buffer;
  readonly isComplete: boolean;
}

function ask(path: string, headers: Record<string, string> = {}, method = "GET"): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const outgoing = request({ port, host: "127.0.0.1", path, method, headers, agent: false }, (response) => {
      const parts: Buffer[] = [];
      response.on("data", (part: Buffer) => parts.push(part));
      response.on("error", () => {});
      response.on("close", () => {
        const body = Buffer.concat(parts);
        resolve({
          status: response.statusCode ?? 0,
          headers: response.headers,
          body,
          isComplete: response.complete,
        });
      });
    });
    outgoing.once("error", reject);
    outgoing.end();
  });
}

const key = await generateKey("builder-1", new Uint8Array(32).fill(9));
const signer = await createSigner(key);
const verifier = await createVerifier(signer.publicKey);

beforeEach(async () => {
  [store, queries, damages, unreadable, now] = [new Map(), [], [], [], 0];
  [reading, pieceMs] = [{ now: 0, most: 0, pieces: 0 }, 0];
  register(SMALL, narOf(file(Buffer.from("hello"))));
  register(LARGE, narOf(file(Buffer.alloc(200_000, "x"))));
  const nix = {
    storeDir: "/nix/store",
    queryPathInfo: async (paths: readonly string[]) => {
      queries.push([...paths]);
      return paths.flatMap((path) => store.get(path)?.info ?? []);
    },
  };
  const names = new StoreNames(
    {
      modifiedNs: async () => BigInt(store.size),
      names: async () => [
        ".links",
        "lost+found",
        ...[...store.keys()].map((path) => path.slice(11)),
        `${SMALL.slice(11)}.lock`,
      ],
    },
    () => 10n ** 18n,
  );
  const route = cacheRoute({
    storeDir: "/nix/store",
    priority: 30,
    wantMassQuery: true,
    paths: new ServedPaths(nix, names, async (path) => store.get(path)?.stamp),
    signer,
    damaged: new DamagedPaths(() => now),
    verifyBeforeSendBytes: VERIFY_BEFORE,
    onDamaged: (error) => damages.push(error.message),
    onUnreadable: (error) => unreadable.push(error),
    dump: (path) => chunks(store.get(path)!.nar),
  });
  listener = await openListener([{ kind: "tcp", host: "127.0.0.1", port: 0 }], {
    createServer: () =>
      createPublicServer({ routes: [route], maxConnections: 64, onError: (error) => unreadable.push(error) }),
    graceMs: 100,
  });
  const [address] = listener.addresses;
  port = address?.kind === "tcp" ? address.port : 0;
});
afterEach(() => listener.close());

const hashOf = (path: string): string => path.slice(11, 43);
const urlOf = async (path: string): Promise<string> =>
  `/${parseNarInfo((await ask(`/${hashOf(path)}.narinfo`)).body).url}`;

test("nix-cache-info", async () => {
  const { headers, body } = await ask("/nix-cache-info");
  expect(headers["content-type"]).toBe("text/x-nix-cache-info");
  expect(parseCacheInfo(body)).toEqual({ storeDir: "/nix/store", wantMassQuery: true, priority: 30 });
});

test("a narinfo carries what Nix registered, signed, with a relative URL", async () => {
  const { status, headers, body } = await ask(`/${hashOf(SMALL)}.narinfo`);
  expect(status).toBe(200);
  expect(headers["content-type"]).toBe("text/x-nix-narinfo");
  const info = parseNarInfo(body);
  expect(info).toMatchObject({ ...store.get(SMALL)!.info, compression: "none" });
  expect(info.url).toMatch(/^nar\/[0-9a-z]{32}-[0-9a-z]{52}\.nar$/);
  await verifySignatures(formatFingerprint(info), info.signatures, [verifier]);
  expect((await ask(`/${hashOf(SMALL)}.narinfo`, {}, "HEAD")).status).toBe(200);
});

test("many questions at once are few commands, and the next ones none", async () => {
  const wanted = [SMALL, LARGE].map(hashOf);
  await Promise.all([...wanted, ...wanted, ...wanted].map((hash) => ask(`/${hash}.narinfo`)));
  expect(queries.length).toBeLessThanOrEqual(3);
  const before = queries.length;
  await Promise.all(wanted.map((hash) => ask(`/${hash}.narinfo`)));
  expect(queries.length).toBe(before);
});

test("references are looked up ahead, before a client asks for them", async () => {
  const dependency = `/nix/store/3${"a".repeat(31)}-dependency`;
  register(dependency, narOf(file(Buffer.from("used"))));
  const small = store.get(SMALL)!;
  small.info = { ...small.info, references: [parseStorePath(dependency)] };
  await ask(`/${hashOf(SMALL)}.narinfo`);
  for (let i = 0; i < 50 && queries.length < 2; i++) await new Promise(setImmediate);
  expect(queries).toEqual([[SMALL], [dependency]]);
  expect((await ask(`/${hashOf(dependency)}.narinfo`)).status).toBe(200);
  expect(queries).toHaveLength(2);
});

test("a path that is rebuilt, deleted or new is seen at once", async () => {
  expect((await ask(`/${hashOf(SMALL)}.narinfo`)).status).toBe(200);
  const nar = narOf(file(Buffer.from("other")));
  register(SMALL, nar);
  store.get(SMALL)!.stamp = "2";
  expect(parseNarInfo((await ask(`/${hashOf(SMALL)}.narinfo`)).body).narHash).toEqual(
    store.get(SMALL)!.info.narHash,
  );
  const added = `/nix/store/2${"a".repeat(31)}-new`;
  expect((await ask(`/${hashOf(added)}.narinfo`)).status).toBe(404);
  register(added, nar);
  expect((await ask(`/${hashOf(added)}.narinfo`)).status).toBe(200);
  store.delete(SMALL);
  expect((await ask(`/${hashOf(SMALL)}.narinfo`)).status).toBe(404);
});

describe("archives", () => {
  test.each([SMALL, LARGE])("%s comes whole, with everything that clients ask about", async (path) => {
    const { nar } = store.get(path)!;
    const url = await urlOf(path);
    const answer = await ask(url);
    expect(answer.status).toBe(200);
    expect(answer.headers).toMatchObject({
      "content-type": "application/x-nix-nar",
      "content-length": String(nar.length),
      "accept-ranges": "bytes",
      "cache-control": "public, max-age=31536000, immutable",
    });
    expect(answer.body.equals(nar)).toBe(true);
    const head = await ask(url, {}, "HEAD");
    expect([head.headers["content-length"], head.body.length]).toEqual([String(nar.length), 0]);
    expect((await ask(url, { "if-none-match": String(answer.headers.etag) })).status).toBe(304);
    const zstd = await ask(url, { "accept-encoding": "zstd, br" });
    expect(zstd.headers["content-encoding"]).toBe("zstd");
    expect(zstd.headers.etag).not.toBe(answer.headers.etag);
    expect(zstdDecompressSync(zstd.body).equals(nar)).toBe(true);
  });

  test.each([
    ["bytes=100000-", 100_000, undefined],
    ["bytes=5-20", 5, 21],
    ["bytes=16383-16384", 16_383, 16_385],
    ["bytes=-50", -50, undefined],
  ])("%s gives those bytes, even to who accepts compression", async (range, start, end) => {
    const { nar } = store.get(LARGE)!;
    const answer = await ask(await urlOf(LARGE), { range, "accept-encoding": "zstd" });
    expect(answer.status).toBe(206);
    expect(answer.body.equals(nar.subarray(start, end))).toBe(true);
  });

  test("a range beyond the end is answered with the size", async () => {
    const answer = await ask(await urlOf(LARGE), { range: "bytes=99999999-" });
    expect([answer.status, answer.headers["content-range"]]).toEqual([
      416,
      `bytes */${store.get(LARGE)!.nar.length}`,
    ]);
  });

  test("listings", async () => {
    const answer = await ask(`/${hashOf(SMALL)}.ls`);
    expect(answer.headers["content-type"]).toBe("application/json");
    expect(parseNarListing(answer.body).root).toMatchObject({ type: "regular", sizeBytes: 5 });
  });
});

describe("a path whose contents are not what Nix registered", () => {
  test("small: not one byte is sent, and the path is refused from then on", async () => {
    const url = await urlOf(SMALL);
    damage(SMALL);
    const answer = await ask(url);
    expect(answer.status).toBe(404);
    expect(damages).toEqual([expect.stringContaining(SMALL)]);
    expect((await ask(`/${hashOf(SMALL)}.narinfo`)).status).toBe(404);
    expect((await ask(`/${hashOf(SMALL)}.ls`)).status).toBe(404);
    expect(damages).toHaveLength(1);
  });

  test("large: a range that fits one piece is not sent at all", async () => {
    const url = await urlOf(LARGE);
    damage(LARGE);
    expect((await ask(url, { range: "bytes=0-100" })).status).toBe(404);
    expect(damages).toHaveLength(1);
  });

  test.each([{}, { "accept-encoding": "zstd" }, { range: "bytes=1000-" }])(
    "large: the download breaks off before its end with %j",
    async (headers) => {
      const url = await urlOf(LARGE);
      damage(LARGE);
      const answer = await ask(url, headers);
      expect(answer.isComplete).toBe(false);
      expect(damages).toHaveLength(1);
      expect((await ask(url)).status).toBe(404);
    },
  );

  test("longer than registered: it is not read on and on", async () => {
    const url = await urlOf(LARGE);
    store.get(LARGE)!.nar = Buffer.alloc(50 << 20);
    expect((await ask(url)).isComplete).toBe(false);
    expect(damages[0]).toContain("more than");
  });

  test("listing it", async () => {
    damage(SMALL);
    expect((await ask(`/${hashOf(SMALL)}.ls`)).status).toBe(404);
    expect(damages).toHaveLength(1);
  });

  test("after a repair, or a while, it is looked at again", async () => {
    const url = await urlOf(SMALL);
    const { nar } = store.get(SMALL)!;
    damage(SMALL);
    expect((await ask(url)).status).toBe(404);
    store.get(SMALL)!.nar = nar;
    expect((await ask(url)).status).toBe(404);
    store.get(SMALL)!.stamp = "repaired";
    expect((await ask(url)).status).toBe(200);
    damage(SMALL);
    expect((await ask(url)).status).toBe(404);
    store.get(SMALL)!.nar = nar;
    now += 10 * 60_000;
    expect((await ask(url)).status).toBe(200);
  });
});

describe("everything else is 404", () => {
  test.each([
    "/",
    "/index.html",
    `/${"e".repeat(32)}.narinfo`,
    `/${"0".repeat(32)}.narinfo`,
    `/${"0".repeat(31)}.narinfo`,
    `/${hashOf(SMALL)}.narinfo/`,
    `/${hashOf(SMALL)}.narinf`,
    `/nar/${hashOf(SMALL)}-${"0".repeat(52)}.nar`,
    `/nar/${hashOf(SMALL)}.nar`,
    `/log/${hashOf(SMALL)}-small.drv`,
    "/realisations/sha256:00!out.doi",
    "/nar/../nix-cache-info",
  ])("%s", async (path) => {
    expect((await ask(path)).status).toBe(404);
    expect(unreadable).toEqual([]);
  });
});

test("a client that leaves in the middle is nobody's fault", async () => {
  register(LARGE, narOf(file(Buffer.alloc(30_000_000))));
  store.get(LARGE)!.stamp = "2";
  const url = await urlOf(LARGE);
  await new Promise<void>((resolve) => {
    const outgoing = request({ port, host: "127.0.0.1", path: url, agent: false }, (response) => {
      response.once("data", () => {
        outgoing.destroy();
        resolve();
      });
    });
    outgoing.on("error", () => {});
    outgoing.end();
  });
  expect((await ask("/nix-cache-info")).status).toBe(200);
  await listener.close();
  expect([damages, unreadable]).toEqual([[], []]);
});

describe("requests that cost their sender nothing", () => {
  /** Asks, and leaves while the archive is being read. */
  async function askAndLeave(path: string, headers: Record<string, string> = {}): Promise<void> {
    const outgoing = request({ port, host: "127.0.0.1", path, headers, agent: false });
    outgoing.on("error", () => {});
    outgoing.end();
    for (let i = 0; i < 500 && reading.now === 0; i++) await sleep(2);
    expect(reading.now).toBe(1);
    outgoing.destroy();
  }

  test.each([
    ["a listing", `/${hashOf(LARGE)}.ls`, {}],
    ["the end of a large archive", undefined, { range: "bytes=-10" }],
  ])("nothing is read on when the client of %s has left", async (_, path, headers) => {
    register(LARGE, narOf(file(Buffer.alloc(10_000_000))));
    const url = path ?? (await urlOf(LARGE));
    pieceMs = 2;
    await askAndLeave(url, headers);
    for (let i = 0; i < 200 && reading.now > 0; i++) await sleep(2);
    expect(reading.now).toBe(0);
    expect(reading.pieces).toBeLessThan(300);
    expect([damages, unreadable]).toEqual([[], []]);
  });

  test("many of them read few archives at a time, and a listing is made once", async () => {
    pieceMs = 1;
    const url = await urlOf(LARGE);
    const asked = [`/${hashOf(LARGE)}.ls`, url].flatMap((path) => Array<string>(8).fill(path));
    const answers = await Promise.all(asked.map((path) => ask(path, { range: "bytes=-10" })));
    expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([206]));
    expect(reading.most).toBeLessThanOrEqual(2);
    const before = reading.pieces;
    expect((await ask(`/${hashOf(LARGE)}.ls`)).status).toBe(200);
    expect(reading.pieces).toBe(before);
  });
});
