// A user's node, as a process, among logs and caches that all try to fill its memory at once: what two honest builders agree
// on arrives all the same, and the node stays small.

import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import type { RequestListener, ServerResponse } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { formatNixEntry } from "@trustix/nix";
import { createCacheKey } from "trustix/src/cli/keys.ts";
import { listenTo, NODE } from "trustix/src/daemon/nodes.test.util.ts";
import { TestLog, TestServer } from "trustix/src/subscribe/test-log.test.util.ts";
import {
  ask,
  COMPRESS,
  fieldsOf,
  narInfoOf,
  type Sample,
  type Server,
  sample,
  serve,
} from "trustix/src/substitute/caches.test.util.ts";
import { expect, test } from "vitest";
import { eventually, HERE, startDaemon } from "./node.ts";

/** What the node may have at its peak. An idle one has about 150 MiB. */
const MAX_RESIDENT_MIB = 512;
const COMPRESSIONS = ["none", "zstd", "xz"] as const;
const CHUNK = Buffer.alloc(256 * 1024, "a");

/** Sends something, and then more for as long as it is taken. */
function pour(response: ServerResponse, first: Uint8Array): void {
  response.on("error", () => {});
  response.write(first);
  const more = (): void => {
    while (!response.destroyed && response.write(CHUNK));
    response.once("drain", more);
  };
  more();
}

interface Package extends Sample {
  readonly compression: (typeof COMPRESSIONS)[number];
  readonly file: Buffer;
}

/** How a cache answers what an honest one answers otherwise. */
interface Hostility {
  readonly narInfo?: (of: Package, response: ServerResponse) => void;
  readonly nar?: (of: Package, response: ServerResponse) => void;
}

function serveCache(
  packages: readonly Package[],
  { narInfo, nar }: Hostility,
  delayMs: number,
): Promise<Server> {
  const answer: RequestListener = (request, response) => {
    const path = (request.url ?? "").slice(1);
    const of = packages.find(({ hashPart }) => path.includes(hashPart));
    if (path === "nix-cache-info") response.end("StoreDir: /nix/store\n");
    else if (of === undefined) response.writeHead(404).end();
    else if (path.endsWith(".narinfo")) {
      const url = `nar/${of.hashPart}.nar`;
      if (narInfo === undefined) response.end(narInfoOf(of, of.compression, of.file, { url }));
      else narInfo(of, response);
    } else if (nar === undefined) response.end(of.file);
    else nar(of, response);
  };
  return serve((request, response) => setTimeout(answer, delayMs, request, response));
}

/** Half a gibibyte of nothing, packed. */
function makeBombs(): ReadonlyMap<string, Buffer> {
  const zeros = Buffer.alloc(512 << 20);
  const small = zeros.subarray(0, 64 << 20);
  return new Map([
    ["none", small],
    ["zstd", COMPRESS.zstd!(zeros)],
    ["xz", COMPRESS.xz!(small)],
  ]);
}

const HOSTILE_LOGS: Readonly<Record<string, (path: string, response: ServerResponse) => boolean>> = {
  "a checkpoint without end": (path, response) => {
    if (path === "checkpoint") pour(response, CHUNK);
    return path === "checkpoint";
  },
  "tiles without end": (path, response) => {
    if (path.startsWith("tile/")) pour(response, CHUNK);
    return path.startsWith("tile/");
  },
  "bundles that unpack without end": (() => {
    const bomb = gzipSync(Buffer.alloc(256 << 20));
    return (path, response) => {
      if (!path.startsWith("tile/entries/")) return false;
      response.writeHead(200, { "content-encoding": "gzip" }).end(bomb);
      return true;
    };
  })(),
};

/** The most memory that a process has ever had. */
async function peakMib(pid: number): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, "utf8");
  return Number(/VmHWM:\s+(\d+)/.exec(status)?.[1]) / 1024;
}

test.skipIf(process.platform !== "linux")(
  "stays small among endless answers and bombs, and serves what is right",
  async () => {
    await using stack = new AsyncDisposableStack();
    const root = await mkdtemp(join(tmpdir(), "hostile-node-"));
    stack.defer(() => rm(root, { recursive: true }));
    const packages: Package[] = [];
    for (const compression of COMPRESSIONS) {
      for (const size of [20_000, 3_000_000]) {
        const of = await sample(`package-${compression}-${size}`, size);
        packages.push({ ...of, compression, file: COMPRESS[compression]!(of.nar) });
      }
    }

    const builders: { name: string; vkey: string; logUrl: string }[] = [];
    const follow = async (name: string, hook?: TestServer["hook"]): Promise<void> => {
      const log = await TestLog.create(`${name}.example/log`);
      await log.append(packages.map(({ facts }) => formatNixEntry(facts, { kind: "built" })));
      const server = stack.use(await TestServer.start(log.files));
      if (hook !== undefined) server.hook = hook;
      builders.push({ name, vkey: log.key, logUrl: `${server.address}/` });
    };
    await follow("alice");
    await follow("bob");
    for (const [index, hostile] of Object.values(HOSTILE_LOGS).entries()) {
      await follow(`eve-${index}`, (_, response, path) => hostile(path, response));
    }

    const bombs = makeBombs();
    const hostilities: readonly Hostility[] = [
      { narInfo: (of, response) => pour(response, Buffer.from(`StorePath: ${of.storePath}\nReferences: `)) },
      { nar: (of, response) => pour(response, of.file) },
      { nar: (of, response) => response.end(bombs.get(of.compression)) },
      { narInfo: (_, response) => response.end(bombs.get("none")) },
    ];
    const caches = [
      ...(await Promise.all(hostilities.map((each) => serveCache(packages, each, 0)))),
      ...(await Promise.all([serveCache(packages, {}, 30), serveCache(packages, {}, 30)])),
    ];
    for (const server of caches) stack.use(server);

    const { secret } = await createCacheKey("user-1");
    await writeFile(join(root, "user.key"), secret, { mode: 0o600 });
    await writeFile(
      join(root, "trustix.toml"),
      `${NODE}${listenTo(builders)}[policy]\nthreshold = 2
[substitute]\nenabled = true\nkey-file = "user.key"
${caches.map(({ url }, index) => `[[upstream]]\nname = "cache-${index}"\nurl = "${url}"\n`).join("")}`,
    );
    await using node = await startDaemon(HERE, root);
    const last = packages.at(-1)!;
    await eventually(
      async () => (await ask(`${node.url}/${last.hashPart}.narinfo`)).status,
      (status) => status === 200,
    );

    const download = async (of: Package): Promise<void> => {
      const narInfo = await ask(`${node.url}/${of.hashPart}.narinfo`);
      expect(narInfo.status, `${narInfo.headers["trustix-reason"]}`).toBe(200);
      // Each of the two that lie about a large NAR costs one attempt.
      const tries: boolean[] = [];
      for (let isRight = false; !isRight; tries.push(isRight)) {
        expect(tries.length).toBeLessThan(6);
        const got = await ask(`${node.url}/${fieldsOf(narInfo.body).URL}`);
        expect(got.status, `${got.headers["trustix-reason"]}`).toBe(200);
        isRight = got.isComplete;
        if (isRight) expect(got.body.equals(of.file)).toBe(true);
      }
    };
    for (let round = 0; round < 3; round++) {
      await Promise.all([...packages, ...packages].map(download));
    }
    const peak = await peakMib(node.child.pid!);
    expect(peak).toBeGreaterThan(50);
    expect(peak).toBeLessThan(MAX_RESIDENT_MIB);
  },
);
