import { spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import {
  contentAddressedPath,
  createSigner,
  createVerifier,
  formatContentAddress,
  formatFingerprint,
  formatNixStatement,
  generateKey,
  hashPartOf,
  parseNarInfo,
  parseStorePath,
  publicKeyOf,
} from "@trustix/nix";
import { describe, expect, it } from "vitest";
import { openRemote } from "../fetch/open-remote.ts";
import {
  accepting,
  ask,
  COMPRESS,
  fieldsOf,
  narInfoOf,
  nodeKey,
  type Running,
  runSubstituter,
  type Sample,
  sample,
  serve,
  serveCache,
} from "./caches.test.util.ts";
import type { SubstituteDecision } from "./decision.ts";

const KiB = 1024;
const SMALL = 10 * KiB;
const LARGE = 2500 * KiB;

async function narUrl(node: Running, { hashPart }: Sample): Promise<string> {
  const { status, body, headers } = await ask(`${node.url}${hashPart}.narinfo`);
  expect(status, String(headers["trustix-reason"])).toBe(200);
  return `${node.url}${fieldsOf(body).URL}`;
}

describe.each(Object.keys(COMPRESS))("a NAR compressed as %s", (compression) => {
  it.each([
    ["small", SMALL],
    ["large", LARGE],
  ])("comes through byte for byte: %s", async (_, size) => {
    const hello = await sample("hello", size);
    await using cache = await serveCache(hello, { compression });
    await using node = await runSubstituter([cache.url], accepting(hello));
    const narInfo = await ask(`${node.url}${hello.hashPart}.narinfo`);
    const fields = fieldsOf(narInfo.body);
    expect(fields).toMatchObject({ StorePath: hello.storePath, Compression: compression });
    const [signature, ...others] = parseNarInfo(narInfo.body).signatures;
    const verifier = await createVerifier(nodeKey);
    expect(await verifier.isValid(formatFingerprint(hello.facts), signature!)).toBe(true);
    expect(others).toEqual([]);
    for (let i = 0; i < 2; i++) {
      const nar = await ask(`${node.url}${fields.URL}`);
      expect(nar).toMatchObject({ status: 200, isComplete: true });
      expect(nar.body.equals(COMPRESS[compression]!(hello.nar))).toBe(true);
      expect(nar.headers["content-length"]).toBe(String(nar.body.length));
    }
    expect(node.events.map(({ type }) => type)).toEqual(["nar-served", "nar-served"]);
    expect(node.substituter.stats()).toMatchObject({ narInfos: 1, nars: 2, refusals: {} });
  });
});

describe("the program xz", () => {
  it.each([
    ["decompresses large NARs", 'exec xz "$@"', true],
    ["makes no NAR complete when it fails", "exit 1", false],
    ["makes no NAR complete when it is killed", "kill -9 $$", false],
  ])("%s", async (_, script, isComplete) => {
    if (spawnSync("xz", ["--version"]).status !== 0) return;
    const directory = await mkdtemp(join(tmpdir(), "xz-"));
    const xzProgram = join(directory, "xz");
    const log = join(directory, "log");
    await writeFile(xzProgram, `#!/bin/sh\necho "$XZ_OPT $*" >> ${log}\n${script}\n`, { mode: 0o755 });
    process.env.XZ_OPT = "--keep";
    try {
      const hello = await sample("hello", LARGE);
      await using cache = await serveCache(hello, { compression: "xz" });
      await using node = await runSubstituter([cache.url], accepting(hello), { xzProgram });
      const got = await ask(await narUrl(node, hello));
      expect(got.isComplete && got.status === 200).toBe(isComplete);
      expect(await readFile(log, "utf8")).toMatch(/^ -dcq /);
    } finally {
      delete process.env.XZ_OPT;
      await rm(directory, { recursive: true });
    }
  });

  it("is not missed where it is not", async () => {
    const hello = await sample("hello", LARGE);
    await using cache = await serveCache(hello, { compression: "xz" });
    await using node = await runSubstituter([cache.url], accepting(hello), { xzProgram: "/nowhere/xz" });
    for (let i = 0; i < 2; i++) {
      expect(await ask(await narUrl(node, hello))).toMatchObject({ status: 200, isComplete: true });
    }
  });
});

describe("HTTP", () => {
  it("introduces the cache, and answers 404 with a reason to what is not there", async () => {
    await using node = await runSubstituter([], accepting());
    const info = await ask(`${node.url}nix-cache-info`);
    expect(info.body.toString()).toBe("StoreDir: /nix/store\nWantMassQuery: 1\nPriority: 20\n");
    const paths = ["", "x", "nar/x.nar", `nar/${"a".repeat(32)}-${"0".repeat(52)}-any.nar.lz`, "E.narinfo"];
    for (const path of paths) {
      const { status, headers } = await ask(`${node.url}${path}`);
      expect([path, status, headers["trustix-reason"]]).toEqual([
        path,
        404,
        expect.stringContaining("not-found"),
      ]);
    }
  });

  it.each([SMALL, LARGE])("knows HEAD, validators and ranges: %d bytes", async (size) => {
    const hello = await sample("hello", size);
    await using cache = await serveCache(hello, { compression: "zstd" });
    await using node = await runSubstituter([cache.url], accepting(hello));
    const file = COMPRESS.zstd!(hello.nar);
    const url = await narUrl(node, hello);
    const head = await ask(url, {}, "HEAD");
    expect(head.status).toBe(200);
    expect(head.headers).toMatchObject({ "content-length": String(file.length), "accept-ranges": "bytes" });
    expect(head.body.length).toBe(0);
    const { etag } = head.headers;
    expect((await ask(url, { "if-none-match": etag! })).status).toBe(304);
    for (const [range, start, end] of [
      ["bytes=1000-", 1000, file.length],
      ["bytes=5-99", 5, 100],
      ["bytes=-7", file.length - 7, file.length],
    ] as const) {
      const part = await ask(url, { range });
      expect(part.status).toBe(206);
      expect(part.headers["content-range"]).toBe(`bytes ${start}-${end - 1}/${file.length}`);
      expect(part.body.equals(file.subarray(start, end))).toBe(true);
    }
    expect((await ask(url, { range: `bytes=${file.length}-` })).status).toBe(416);
    expect((await ask(url, { range: "bytes=5-", "if-range": '"other"' })).status).toBe(200);
    const narInfo = `${node.url}${hello.hashPart}.narinfo`;
    expect((await ask(narInfo, {}, "HEAD")).body.length).toBe(0);
    expect((await ask(narInfo, { "if-none-match": (await ask(narInfo)).headers.etag! })).status).toBe(304);
  });

  it("continues nothing where caches do not say which file they have", async () => {
    const hello = await sample("hello", LARGE);
    const file = COMPRESS.gzip!(hello.nar);
    const narInfo = narInfoOf(hello, "gzip", file, { fileHash: undefined, fileSize: undefined });
    await using cache = await serveCache(hello, { compression: "gzip", narInfo });
    await using node = await runSubstituter([cache.url], accepting(hello));
    const whole = await ask(await narUrl(node, hello), { range: "bytes=1000-" });
    expect(whole.status).toBe(200);
    expect(whole.headers["accept-ranges"]).toBeUndefined();
    expect(whole.body.equals(file)).toBe(true);
  });

  it("writes reasons as one line of ASCII", async () => {
    const refuse = (): SubstituteDecision => ({
      accepted: false,
      reason: "no-quorum",
      explanation: "Zoë\r\nSet-Cookie: x agrees",
    });
    await using node = await runSubstituter([], refuse);
    const { status, headers, body } = await ask(`${node.url}${"a".repeat(32)}.narinfo`);
    expect(status).toBe(404);
    expect(headers["trustix-reason"]).toBe("no-quorum; Zo?Set-Cookie: x agrees");
    expect(headers["set-cookie"]).toBeUndefined();
    expect(body.toString()).toContain("no-quorum");
  });
});

describe("the decision", () => {
  it("is made again when the NAR is asked for", async () => {
    const hello = await sample("hello", SMALL);
    const other = await sample("other", SMALL);
    let decision: SubstituteDecision = { accepted: true, statement: hello.statement, explanation: "" };
    await using cache = await serveCache(hello);
    await using node = await runSubstituter([cache.url], () => decision);
    const url = await narUrl(node, hello);
    expect((await ask(url)).status).toBe(200);
    decision = { accepted: false, reason: "dissent", explanation: "dan dissents" };
    expect(await ask(url)).toMatchObject({
      status: 404,
      headers: { "trustix-reason": "dissent; dan dissents" },
    });
    const statement = formatNixStatement({ ...other.facts, storePath: hello.storePath });
    decision = { accepted: true, statement, explanation: "" };
    const superseded = await ask(url);
    expect(superseded.status).toBe(404);
    expect(superseded.headers["trustix-reason"]).toContain("superseded");
    expect((await ask(`${node.url}${hello.hashPart}.narinfo`)).headers["trustix-reason"]).toContain(
      "no-source",
    );
    expect(node.substituter.stats().refusals).toEqual({ dissent: 1, superseded: 1, "no-source": 1 });
  });

  it.each([
    ["fails", () => Promise.reject(new Error("disk full"))],
    [
      "throws",
      () => {
        throw new Error("disk full");
      },
    ],
    ["takes too long", () => new Promise<never>(() => {})],
  ])("is a refusal when the policy %s", async (_, decide) => {
    await using node = await runSubstituter([], decide, { budgetMs: 100 });
    const { status, headers } = await ask(`${node.url}${"a".repeat(32)}.narinfo`);
    expect(status).toBe(404);
    expect(headers["trustix-reason"]).toMatch(/^undecided; /);
  });

  it("may be a promise, and carry a deriver", async () => {
    const hello = await sample("hello", SMALL);
    const deriver = parseStorePath(`/nix/store/${"d".repeat(32)}-hello.drv`);
    const { statement } = hello;
    await using cache = await serveCache(hello);
    await using node = await runSubstituter([cache.url], async () => ({
      accepted: true,
      statement,
      deriver,
      explanation: "",
    }));
    for (let i = 0; i < 2; i++) {
      const { body } = await ask(`${node.url}${hello.hashPart}.narinfo`);
      expect(fieldsOf(body).Deriver).toBe(`${"d".repeat(32)}-hello.drv`);
    }
    expect(cache.requests).toHaveLength(2);
  });

  it("costs no time of its own: caches are asked while it is being made", async () => {
    const hello = await sample("hello", SMALL);
    const asked = Promise.withResolvers<void>();
    await using cache = await serveCache(hello, {
      narInfo: (_, response) => {
        asked.resolve();
        response.end(narInfoOf(hello, "none", hello.nar));
      },
    });
    const { statement } = hello;
    await using node = await runSubstituter([cache.url], () =>
      asked.promise.then(() => ({ accepted: true, statement, explanation: "in the end" })),
    );
    const { status } = await ask(`${node.url}${hello.hashPart}.narinfo`);
    expect(status).toBe(200);
    expect(cache.requests.filter((path) => path.endsWith(".narinfo"))).toHaveLength(1);
  });

  it("is not needed for what proves itself", async () => {
    const { facts, nar } = await sample("source", SMALL);
    const contentAddress = { method: "nar", hash: facts.narHash } as const;
    const storePath = contentAddressedPath(contentAddress, "source");
    const hashPart = hashPartOf(storePath);
    const source: Sample = { storePath, hashPart, nar, statement: "", facts: { ...facts, storePath } };
    await using cache = await serveCache(source, {
      narInfo: narInfoOf(source, "none", nar, { contentAddress }),
    });
    await using node = await runSubstituter([cache.url], accepting());
    const info = parseNarInfo((await ask(`${node.url}${hashPart}.narinfo`)).body);
    expect(formatContentAddress(info.contentAddress!)).toBe(formatContentAddress(contentAddress));
    expect(info.signatures).toMatchObject([{ keyName: "node-1" }]);
    expect((await ask(await narUrl(node, source))).body.equals(nar)).toBe(true);
    await using strict = await runSubstituter([cache.url], accepting(), { selfProving: false });
    expect((await ask(`${strict.url}${hashPart}.narinfo`)).headers["trustix-reason"]).toContain("no-votes");
  });

  it("signs nothing that only reading could prove: Nix does that on import", async () => {
    const { facts, nar } = await sample("flat", SMALL);
    const contentAddress = { method: "flat", hash: facts.narHash } as const;
    const storePath = contentAddressedPath(contentAddress, "flat");
    const flat: Sample = {
      storePath,
      hashPart: hashPartOf(storePath),
      nar,
      statement: "",
      facts: { ...facts, storePath },
    };
    await using cache = await serveCache(flat, { narInfo: narInfoOf(flat, "none", nar, { contentAddress }) });
    await using node = await runSubstituter([cache.url], accepting());
    const info = parseNarInfo((await ask(`${node.url}${flat.hashPart}.narinfo`)).body);
    expect(formatContentAddress(info.contentAddress!)).toBe(formatContentAddress(contentAddress));
    expect(info.signatures).toEqual([]);
  });

  it("holds for references that stand in the statement as a digest", async () => {
    const many = Array.from({ length: 800 }, (_, i) =>
      parseStorePath(`/nix/store/${String(i).padStart(32, "0")}-reference`),
    );
    const hello = await sample("hello", SMALL, many);
    expect(hello.statement).toContain("#sha256:");
    const file = Buffer.from(hello.nar);
    const fewer = narInfoOf(hello, "none", file, { references: many.slice(1) });
    await using liar = await serveCache(hello, { narInfo: fewer });
    await using cache = await serveCache(hello);
    await using node = await runSubstituter([liar.url, cache.url], accepting(hello));
    const { body } = await ask(`${node.url}${hello.hashPart}.narinfo`);
    expect(parseNarInfo(body).references).toHaveLength(800);
  });
});

describe("work", () => {
  it("is shared by all who ask at the same time, and remembered", async () => {
    const hello = await sample("hello", SMALL);
    await using cache = await serveCache(hello, {
      narInfo: (_, response) => setTimeout(() => response.end(narInfoOf(hello, "none", hello.nar)), 50),
      nar: (_, response) => setTimeout(() => response.end(hello.nar), 50),
    });
    await using node = await runSubstituter([cache.url], accepting(hello));
    const urls = await Promise.all(Array.from({ length: 20 }, () => narUrl(node, hello)));
    const got = await Promise.all(urls.map((url) => ask(url)));
    expect(got.every(({ body }) => body.equals(hello.nar))).toBe(true);
    expect(cache.requests).toEqual([
      "/nix-cache-info",
      `/${hello.hashPart}.narinfo`,
      "/nar/file.nar?key=none",
    ]);
  });

  it("is not done again at once for what a cache does not have", async () => {
    const hello = await sample("hello", SMALL);
    await using cache = await serve((_, response) => response.writeHead(404).end());
    await using node = await runSubstituter([cache.url], accepting(hello));
    for (let i = 0; i < 3; i++) await ask(`${node.url}${hello.hashPart}.narinfo`);
    expect(cache.requests).toHaveLength(2);
  });

  it("is not asked of a cache that fails again and again", async () => {
    const samples = await Promise.all(Array.from({ length: 8 }, (_, i) => sample(`hello-${i}`, 100)));
    await using cache = await serve((_, response) => response.writeHead(500).end());
    await using node = await runSubstituter([cache.url], accepting(...samples));
    for (const { hashPart } of samples) await ask(`${node.url}${hashPart}.narinfo`);
    expect(cache.requests).toHaveLength(3);
    expect(node.substituter.stats().upstreams).toMatchObject([{ state: "failing", failures: 3 }]);
  });

  it("is not asked of a cache for another store", async () => {
    const hello = await sample("hello", SMALL);
    await using cache = await serveCache(hello, { cacheInfo: "StoreDir: /gnu/store\n" });
    await using node = await runSubstituter([cache.url], accepting(hello));
    expect((await ask(`${node.url}${hello.hashPart}.narinfo`)).status).toBe(404);
    expect(cache.requests).toEqual(["/nix-cache-info"]);
    expect(node.substituter.stats().upstreams).toMatchObject([{ state: "skipped" }]);
  });

  it("ends when the client leaves", async () => {
    const hello = await sample("hello", LARGE);
    let hasEnded = false;
    await using cache = await serveCache(hello, {
      nar: (_, response) => {
        response.once("close", () => {
          hasEnded = true;
        });
        response.write(hello.nar.subarray(0, 200_000));
      },
    });
    const pace = { idleMs: 60_000, minBytesPerSecond: 0, windowMs: 60_000 };
    await using node = await runSubstituter([cache.url], accepting(hello), { pace });
    const url = await narUrl(node, hello);
    const leaving = new AbortController();
    const response = await fetch(url, { signal: leaving.signal });
    await response.body!.getReader().read();
    leaving.abort();
    await expect.poll(() => hasEnded).toBe(true);
    expect(node.events).toEqual([]);
  });

  it("goes on at another cache that has the same file, without the client noticing", async () => {
    const hello = await sample("hello", LARGE);
    const file = COMPRESS.zstd!(hello.nar);
    const half = file.length >> 1;
    const starts: number[] = [];
    await using first = await serveCache(hello, {
      compression: "zstd",
      nar: (_, response) => {
        response.setHeader("content-length", file.length);
        // A reset takes with it what has arrived and was not read yet: how far the other side got is not known here.
        response.write(file.subarray(0, half), () => setTimeout(() => response.destroy(), 50));
      },
    });
    const narInfo = narInfoOf(hello, "zstd", file);
    await using second = await serveCache(hello, {
      compression: "zstd",
      narInfo: (_, response) => setTimeout(() => response.end(narInfo), 60),
      nar: (request, response) => {
        const start = Number(/^bytes=(\d+)-$/.exec(request.headers.range ?? "")?.[1]);
        starts.push(start);
        response
          .writeHead(206, { "content-range": `bytes ${start}-${file.length - 1}/${file.length}` })
          .end(file.subarray(start));
      },
    });
    await using node = await runSubstituter([first.url, second.url], accepting(hello));
    const url = await narUrl(node, hello);
    await expect.poll(() => second.requests.length).toBe(2);
    const got = await ask(url);
    expect(got.isComplete).toBe(true);
    expect(got.body.equals(file)).toBe(true);
    expect(starts).toHaveLength(1);
    expect(starts[0]).toBeGreaterThan(0);
    expect(starts[0]).toBeLessThanOrEqual(half);
    expect(node.events.at(-1)).toMatchObject({ type: "nar-served", upstreams: ["cache-0", "cache-1"] });
  });

  it("needs no memory of earlier answers: a new process serves the URLs of an old one", async () => {
    const hello = await sample("hello", SMALL);
    await using cache = await serveCache(hello, { compression: "xz" });
    let path: string;
    {
      await using before = await runSubstituter([cache.url], accepting(hello));
      path = (await narUrl(before, hello)).slice(before.url.length);
    }
    await using after = await runSubstituter([cache.url], accepting(hello));
    expect((await ask(after.url + path)).body.equals(COMPRESS.xz!(hello.nar))).toBe(true);
  });
});

describe("caches", () => {
  it("may be a directory, or a unix socket", async () => {
    const hello = await sample("hello", LARGE);
    const directory = await mkdtemp(join(tmpdir(), "cache-"));
    const socket = join(directory, "socket");
    const narInfo = narInfoOf(hello, "none", hello.nar, { url: "a%20b.nar?x=1" });
    const server = createServer((request, response) => {
      if (request.url === `/${hello.hashPart}.narinfo`) response.end(narInfo);
      else if (request.url === "/a%20b.nar?x=1") response.end(hello.nar);
      else response.writeHead(404).end();
    }).listen(socket);
    await once(server, "listening");
    try {
      await writeFile(join(directory, `${hello.hashPart}.narinfo`), narInfo);
      await writeFile(join(directory, "a b.nar"), hello.nar);
      for (const url of [pathToFileURL(directory).href, `unix:${socket}`]) {
        await using node = await runSubstituter([url], accepting(hello));
        const got = await ask(await narUrl(node, hello));
        expect(got.body.equals(hello.nar)).toBe(true);
      }
    } finally {
      server.close();
      server.closeAllConnections();
      await rm(directory, { recursive: true });
    }
  });

  it("have their own signatures passed on, when these are right", async () => {
    const hello = await sample("hello", SMALL);
    const secret = await generateKey("cache.example.org-1", new Uint8Array(32).fill(3));
    const signer = await createSigner(secret);
    const right = await signer.sign(formatFingerprint(hello.facts));
    const wrong = await signer.sign("something else");
    const foreign = { keyName: "other-1", bytes: right.bytes };
    const narInfo = narInfoOf(hello, "none", hello.nar, { signatures: [wrong, foreign, right] });
    await using cache = await serveCache(hello, { narInfo });
    const verifiers = [await createVerifier(publicKeyOf(secret))];
    const upstreams = [{ name: "cache", remote: openRemote(cache.url), verifiers }];
    await using node = await runSubstituter([], accepting(hello), { upstreams });
    const { body } = await ask(`${node.url}${hello.hashPart}.narinfo`);
    const [ours, ...theirs] = parseNarInfo(body).signatures;
    expect(ours?.keyName).toBe("node-1");
    expect(theirs).toEqual([right]);
  });
});
