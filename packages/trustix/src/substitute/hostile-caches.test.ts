// Every way in which a cache can fail or lie, with two good caches beside it: the client gets the right NAR, and never a
// wrong one to its end.
import { spawnSync } from "node:child_process";
import type { RequestListener } from "node:http";
import { setTimeout as sleep } from "node:timers/promises";
import { parseStorePath } from "@trustix/nix";
import { describe, expect, it } from "vitest";
import {
  accepting,
  ask,
  type CacheBehaviour,
  COMPRESS,
  fieldsOf,
  narInfoOf,
  runSubstituter,
  type Sample,
  type Server,
  sample,
  serve,
  serveCache,
} from "./caches.test.util.ts";

/** Where the program xz is, large files in xz are tried with it and without. */
const hasXz = spawnSync("xz", ["--version"]).status === 0;

const SIZES = { small: 20_000, large: 3_000_000 };

const html: RequestListener = (_, response) => {
  response.end("<!doctype html><title>Welcome to the hotel</title>\n");
};
const status =
  (code: number): RequestListener =>
  (_, response) => {
    response.writeHead(code).end();
  };
const hang: RequestListener = () => {};

/** Sends half of a file and then does something else. */
const halfThen =
  (
    file: Buffer,
    then: (response: Parameters<RequestListener>[1]) => void,
    length?: number,
  ): RequestListener =>
  (_, response) => {
    if (length !== undefined) response.setHeader("content-length", length);
    response.write(file.subarray(0, file.length >> 1), () => setTimeout(then, 20, response));
  };

const endless = (first: Buffer): RequestListener => {
  return (_, response) => {
    response.on("error", () => {});
    response.write(first);
    const pour = (): void => {
      while (!response.destroyed && response.write(Buffer.alloc(65_536)));
      response.once("drain", pour);
    };
    pour();
  };
};

const drip =
  (file: Buffer): RequestListener =>
  (_, response) => {
    let at = 0;
    const timer = setInterval(() => {
      response.write(file.subarray(at, ++at));
    }, 30);
    response.once("close", () => clearInterval(timer));
  };

const flipped = (file: Buffer, at = 0.5): Buffer => {
  const copy = Buffer.from(file);
  copy[Math.floor(file.length * at)]! ^= 0x10;
  return copy;
};

type Hostile = (of: Sample, compression: string) => Promise<Server>;
const cache =
  (behave: (of: Sample, compression: string, file: Buffer) => CacheBehaviour): Hostile =>
  (of, compression) =>
    serveCache(of, { compression, ...behave(of, compression, COMPRESS[compression]!(of.nar)) });

const HOSTILE: Readonly<Record<string, Hostile>> = {
  "is dead": async () => {
    const server = await serve(html);
    await server[Symbol.asyncDispose]();
    return { ...server, [Symbol.asyncDispose]: async () => {} };
  },
  "never answers": () => serve(hang),
  "answers 500 to everything": () => serve(status(500)),
  "answers 500 to the NAR": cache(() => ({ nar: status(500) })),
  "answers 404 to the NAR": cache(() => ({ nar: status(404) })),
  "never answers for the NAR": cache(() => ({ nar: hang })),
  "answers HTML with 200 to everything": () => serve(html),
  "answers HTML with 200 to the narinfo": cache(() => ({ narInfo: html })),
  "answers HTML with 200 to the NAR": cache(() => ({ nar: html })),
  "has a narinfo without end": cache(({ hashPart }) => ({
    narInfo: endless(Buffer.from(`StorePath: /nix/store/${hashPart}-`)),
  })),
  "has the narinfo of another path": cache((of, compression, file) => ({
    narInfo: narInfoOf(of, compression, file, {
      storePath: parseStorePath(`/nix/store/${"0".repeat(32)}-other`),
    }),
  })),
  "has another binary": cache((of, compression, file) => ({
    narInfo: narInfoOf(of, compression, file, { narSize: of.nar.length + 8 }),
  })),
  "has a wrong NAR under the right narinfo": cache((of, compression, file) => ({
    narInfo: narInfoOf(of, compression, file),
    file: COMPRESS[compression]!(flipped(of.nar)),
  })),
  "has a wrong NAR with its own file hash": cache((of, compression) => ({
    file: COMPRESS[compression]!(flipped(of.nar)),
  })),
  "has a wrong NAR of the right file size": cache((of, compression, file) => ({
    narInfo: narInfoOf(of, compression, file),
    file: flipped(file, 0.9),
  })),
  "has a truncated NAR": cache((of, compression, file) => ({
    narInfo: narInfoOf(of, compression, file),
    file: file.subarray(0, -100),
  })),
  "ends the NAR early, as if that were all": cache((of, compression, file) => ({
    narInfo: narInfoOf(of, compression, file, { fileSize: undefined, fileHash: undefined }),
    nar: halfThen(file, (response) => response.end()),
  })),
  "has bytes after the NAR": cache((of, compression, file) => ({
    narInfo: narInfoOf(of, compression, file),
    file: Buffer.concat([file, Buffer.from("trailing")]),
  })),
  "has bytes after the NAR and says so": cache((_, __, file) => ({
    file: Buffer.concat([file, Buffer.from("trailing")]),
  })),
  "labels the compression wrongly": cache((of, compression) => ({
    file: COMPRESS[compression === "gzip" ? "xz" : "gzip"]!(of.nar),
  })),
  "has a compression nobody knows": cache((of, _, file) => ({ narInfo: narInfoOf(of, "lrzip", file) })),
  "has a corrupt file": cache((_, __, file) => ({ file: flipped(file) })),
  "has a corrupt file from its first byte": cache((_, __, file) => ({ file: flipped(file, 0) })),
  "has a decompression bomb": cache((of, compression, file) => {
    const zeros = Buffer.alloc(16 << 20);
    return {
      narInfo: narInfoOf(of, compression, file, { fileSize: undefined }),
      file: COMPRESS[compression]!(zeros),
    };
  }),
  "drops the connection in the middle": cache((_, __, file) => ({
    nar: halfThen(file, (response) => response.destroy(), file.length),
  })),
  "falls silent in the middle": cache((_, __, file) => ({ nar: halfThen(file, () => {}, file.length) })),
  drips: cache((_, __, file) => ({ nar: drip(file) })),
  "never ends": cache((_, __, file) => ({ nar: endless(file) })),
  "redirects for ever": () =>
    serve((request, response) => {
      response.writeHead(302, { location: `${request.url}x` }).end();
    }),
  "encodes what nobody asked to be encoded": cache((_, __, file) => ({
    nar: (_request, response) => {
      response.writeHead(200, { "content-encoding": "gzip" }).end(COMPRESS.gzip!(file));
    },
  })),
  "is for another store": cache(() => ({ cacheInfo: "StoreDir: /gnu/store\n" })),
};

/** A good cache that answers after the bad one, however slow this machine is, so that the bad one is preferred. */
const good = (of: Sample, compression: string, bad: Server) => {
  const file = COMPRESS[compression]!(of.nar);
  const narInfo = narInfoOf(of, compression, file);
  return serveCache(of, {
    compression,
    narInfo: async (_, response) => {
      const isBadAsked = () => bad.requests.some((path) => path.endsWith(".narinfo"));
      // Some never get so far.
      for (let tries = 0; tries < 15 && !isBadAsked(); tries++) await sleep(20);
      await sleep(60);
      response.end(narInfo);
    },
  });
};

/** What is no failure of the cache: it has not what is wanted. */
const HARMLESS = [
  "has another binary",
  "has a compression nobody knows",
  "answers 404 to the NAR",
  "is for another store",
];

describe.each(Object.entries(HOSTILE))("beside a cache that %s", (kind, hostile) => {
  it.for([
    ...(["none", "zstd", "xz"] as const).flatMap((compression) =>
      (["small", "large"] as const).map((size) => [size, compression, undefined] as const),
    ),
    ...(hasXz ? [["large", "xz", "xz"] as const] : []),
  ])("a %s NAR in %s arrives (program: %s)", async ([size, compression, xzProgram]) => {
    const hello = await sample(`hello-${size}`, SIZES[size]);
    await using bad = await hostile(hello, compression);
    await using first = await good(hello, compression, bad);
    await using second = await good(hello, compression, bad);
    await using node = await runSubstituter(
      [bad.url, first.url, second.url],
      accepting(hello),
      xzProgram === undefined ? {} : { xzProgram },
    );

    const startedMs = performance.now();
    const narInfo = await ask(`${node.url}${hello.hashPart}.narinfo`);
    expect(narInfo.status, JSON.stringify(narInfo.headers)).toBe(200);
    // A good cache has answered long before; a silent one is not waited for to its limits.
    expect(performance.now() - startedMs).toBeLessThan(20_000);
    const fields = fieldsOf(narInfo.body);
    expect(fields.NarSize).toBe(String(hello.nar.length));

    // A large NAR is cut off when its cache turns out to lie; the next download is right.
    const right = COMPRESS[fields.Compression!]!(hello.nar);
    let got = await ask(`${node.url}${fields.URL}`);
    if (size === "large" && !got.isComplete) {
      const rest = await ask(`${node.url}${fields.URL}`, { range: `bytes=${got.body.length}-` });
      if (rest.status === 206) expect(Buffer.concat([got.body, rest.body]).equals(right)).toBe(true);
      else expect(rest.status).toBe(404);
      got = await ask(`${node.url}${fields.URL}`);
    }
    expect(got.status, `${got.headers["trustix-reason"]}`).toBe(200);
    expect(got.isComplete).toBe(true);
    expect(got.body.equals(right)).toBe(true);
    const isNoticed = (): boolean =>
      node.events.some(
        (event) =>
          (event.type === "upstream-failed" && event.upstream === "cache-0") ||
          (event.type === "wrong-nar" && event.upstreams.includes("cache-0")),
      );
    if (HARMLESS.includes(kind)) expect(isNoticed()).toBe(false);
    else await expect.poll(isNoticed, { timeout: 20_000 }).toBe(true);
  });
});

describe("a cache that points elsewhere", () => {
  it.each([
    ["to another port of this machine", (port: string) => `http://127.0.0.1:${port}/secret`],
    ["to a file", () => "file:///etc/passwd"],
    ["to the metadata service", () => "http://169.254.169.254/latest/"],
  ])("%s is not followed", async (_, target) => {
    const hello = await sample("hello", 1000);
    await using inside = await serve((__, response) => response.end(hello.nar));
    const url = target(new URL(inside.url).port);
    await using byUrl = await serveCache(hello, { narInfo: narInfoOf(hello, "none", hello.nar, { url }) });
    await using byRedirect = await serveCache(hello, {
      nar: (__, response) => response.writeHead(302, { location: url }).end(),
    });
    await using node = await runSubstituter([byUrl.url, byRedirect.url], accepting(hello));
    const { URL: nar } = fieldsOf((await ask(`${node.url}${hello.hashPart}.narinfo`)).body);
    const got = await ask(`${node.url}${nar}`);
    expect(got.status).toBe(404);
    expect(got.headers["trustix-reason"]).toContain("not allowed");
    expect(inside.requests).toEqual([]);
  });
});
