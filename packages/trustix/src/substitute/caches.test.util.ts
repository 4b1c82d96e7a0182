// Caches for tests: honest ones, and all the ways of being another.
import { createHash } from "node:crypto";
import { once } from "node:events";
import { createServer, get, type IncomingHttpHeaders, type RequestListener } from "node:http";
import type { AddressInfo } from "node:net";
import { brotliCompressSync, constants, crc32, gzipSync, zstdCompressSync } from "node:zlib";
import {
  createSigner,
  encodeNar,
  formatNarInfo,
  formatNixStatement,
  generateKey,
  hashPartOf,
  type NarInfo,
  parseStorePath,
  publicKeyOf,
  type StorePath,
} from "@trustix/nix";
import { openRemote } from "../fetch/open-remote.ts";
import { createPublicServer } from "../http/public-server.ts";
import type { Decide } from "./decision.ts";
import type { SubstituterEvent } from "./events.ts";
import { Substituter, type SubstituterOptions, type UpstreamOptions } from "./substituter.ts";

function littleEndian(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value >>> 0);
  return bytes;
}

function variableLength(value: number): number[] {
  const bytes: number[] = [];
  for (let rest = value; ; rest = Math.floor(rest / 128)) {
    if (rest < 128) return [...bytes, rest];
    bytes.push((rest % 128) | 0x80);
  }
}

const padding = (length: number): Buffer => Buffer.alloc((4 - (length % 4)) % 4);

/** An xz file whose contents are stored, not compressed: made without any xz (its file format 1.2.1, LZMA2 chunks). */
function storeAsXz(data: Uint8Array): Buffer {
  const flags = Buffer.from([0, 1]);
  const blockHeader = Buffer.from([2, 0, 0x21, 1, 0x16, 0, 0, 0]);
  const chunks: Uint8Array[] = [];
  for (let at = 0; at < data.length; at += 65_536) {
    const part = data.subarray(at, at + 65_536);
    chunks.push(Buffer.from([at === 0 ? 1 : 2, (part.length - 1) >> 8, (part.length - 1) & 255]), part);
  }
  const packed = Buffer.concat([...chunks, Buffer.of(0)]);
  const unpadded = blockHeader.length + 4 + packed.length + 4;
  const records = Buffer.from([0, 1, ...variableLength(unpadded), ...variableLength(data.length)]);
  const index = Buffer.concat([records, padding(records.length)]);
  const backward = Buffer.concat([littleEndian((index.length + 4) / 4 - 1), flags]);
  return Buffer.concat([
    Buffer.from([0xfd, 0x37, 0x7a, 0x58, 0x5a, 0]),
    flags,
    littleEndian(crc32(flags)),
    blockHeader,
    littleEndian(crc32(blockHeader)),
    packed,
    padding(packed.length),
    littleEndian(crc32(data)),
    index,
    littleEndian(crc32(index)),
    littleEndian(crc32(backward)),
    backward,
    Buffer.from("YZ"),
  ]);
}

export const COMPRESS: Readonly<Record<string, (data: Uint8Array) => Buffer>> = {
  none: (data) => Buffer.from(data),
  xz: storeAsXz,
  zstd: (data) => zstdCompressSync(data),
  gzip: (data) => gzipSync(data),
  br: (data) => brotliCompressSync(data, { params: { [constants.BROTLI_PARAM_QUALITY]: 1 } }),
};

/** A path with its NAR. */
export interface Sample {
  readonly storePath: StorePath;
  readonly hashPart: string;
  readonly nar: Buffer;
  readonly statement: string;
  readonly facts: Pick<NarInfo, "storePath" | "narHash" | "narSize" | "references">;
}

const sha256 = (data: Uint8Array) => createHash("sha256").update(data).digest();

/** Bytes that look random and are the same for the same seed. */
function noise(seed: string, size: number): Buffer {
  return createHash("shake256", { outputLength: size }).update(seed).digest();
}

/** A path whose only file has `size` bytes. */
export async function sample(
  name: string,
  size: number,
  references: readonly StorePath[] = [],
): Promise<Sample> {
  const parts: Uint8Array[] = [];
  for await (const part of encodeNar({ type: "regular", executable: false, contents: noise(name, size) })) {
    parts.push(part);
  }
  const nar = Buffer.concat(parts);
  const hashPart = sha256(Buffer.from(name)).toString("hex").slice(0, 32).replaceAll("e", "z");
  const storePath = parseStorePath(`/nix/store/${hashPart}-${name}`);
  const narHash = { algorithm: "sha256", bytes: sha256(nar) } as const;
  const facts = { storePath, narHash, narSize: nar.length, references };
  return { storePath, hashPart: hashPartOf(storePath), nar, statement: formatNixStatement(facts), facts };
}

/** The narinfo of a cache that has a file. */
export function narInfoOf(
  { facts }: Sample,
  compression: string,
  file: Uint8Array,
  changes: Partial<NarInfo> = {},
): string {
  const fileHash = { algorithm: "sha256", bytes: sha256(file) } as const;
  const info: NarInfo = {
    ...facts,
    url: `nar/file.nar?key=${compression}`,
    compression,
    fileHash,
    fileSize: file.length,
    signatures: [],
  };
  return formatNarInfo({ ...info, ...changes });
}

/** A server on loopback. */
export interface Server extends AsyncDisposable {
  readonly url: string;
  /** Paths asked for, with their query, in order. */
  readonly requests: string[];
}

export async function serve(listener: RequestListener): Promise<Server> {
  const requests: string[] = [];
  const server = createServer((request, response) => {
    requests.push(request.url ?? "");
    listener(request, response);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}/`,
    requests,
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };
}

const CACHE_INFO = "StoreDir: /nix/store\nWantMassQuery: 1\nPriority: 40\n";

/** How a cache with one path answers; what is absent is as an honest one does. */
export interface CacheBehaviour {
  readonly compression?: string;
  /** The compressed file, and what its narinfo is made of. */
  readonly file?: Buffer;
  readonly cacheInfo?: string;
  readonly narInfo?: string | RequestListener;
  readonly nar?: RequestListener;
}

/** A cache that has one path. It knows ranges from an offset to the end. */
export function serveCache(of: Sample, behaviour: CacheBehaviour = {}): Promise<Server> {
  const { compression = "none", cacheInfo = CACHE_INFO } = behaviour;
  const file = behaviour.file ?? COMPRESS[compression]!(of.nar);
  const narInfo = behaviour.narInfo ?? narInfoOf(of, compression, file);
  return serve((request, response) => {
    const url = request.url ?? "";
    if (url === "/nix-cache-info") response.end(cacheInfo);
    else if (url === `/${of.hashPart}.narinfo`) {
      if (typeof narInfo === "string") response.end(narInfo);
      else narInfo(request, response);
    } else if (url !== `/nar/file.nar?key=${compression}`) response.writeHead(404).end();
    else if (behaviour.nar !== undefined) behaviour.nar(request, response);
    else {
      const offset = Number(/^bytes=(\d+)-$/.exec(request.headers.range ?? "")?.[1] ?? 0);
      const headers = { "content-length": file.length - offset };
      if (offset === 0) response.writeHead(200, headers);
      else {
        const range = `bytes ${offset}-${file.length - 1}/${file.length}`;
        response.writeHead(206, { ...headers, "content-range": range });
      }
      response.end(file.subarray(offset));
    }
  });
}

/** What a client got. */
export interface Got {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
  /** Whether the answer ended as it should. */
  readonly isComplete: boolean;
}

export function ask(
  url: string,
  headers: Readonly<Record<string, string>> = {},
  method: "GET" | "HEAD" = "GET",
): Promise<Got> {
  return new Promise((resolve, reject) => {
    const request = get(url, { headers, method, agent: false }, (response) => {
      const chunks: Buffer[] = [];
      response.on("data", (chunk: Buffer) => chunks.push(chunk));
      response.on("error", () => {});
      response.on("close", () => {
        const { statusCode: status = 0, headers, complete: isComplete } = response;
        resolve({ status, headers, body: Buffer.concat(chunks), isComplete });
      });
    });
    request.on("error", reject);
  });
}

/** The fields of a narinfo, as a client sees them. */
export function fieldsOf(body: Buffer): Record<string, string> {
  const lines = body.toString().trimEnd().split("\n");
  return Object.fromEntries(
    lines.map((line) => [line.slice(0, line.indexOf(":")), line.slice(line.indexOf(":") + 2)]),
  );
}

/** A substituter on loopback. */
export interface Running extends AsyncDisposable {
  readonly url: string;
  readonly substituter: Substituter;
  readonly events: SubstituterEvent[];
}

const NODE_KEY = await generateKey("node-1", new Uint8Array(32).fill(7));

/** The key that test substituters sign with. */
export const nodeKey = publicKeyOf(NODE_KEY);

/** A test's substituter: caches by URL, the preferred first; limits small enough that tests end, and large enough for a machine with a lot else to do. */
export async function runSubstituter(
  caches: readonly string[],
  decide: Decide,
  options: Partial<SubstituterOptions> = {},
): Promise<Running> {
  const signer = await createSigner(NODE_KEY);
  const events: SubstituterEvent[] = [];
  const upstreams: UpstreamOptions[] = caches.map((url, i) => ({
    name: `cache-${i}`,
    remote: openRemote(url, { headersTimeoutMs: 1_500 }),
    priority: i,
  }));
  const substituter = new Substituter(
    {
      upstreams,
      budgetMs: 6_000,
      pace: { idleMs: 1_500, minBytesPerSecond: 1_024, windowMs: 1_000 },
      ...options,
    },
    { decide, signer, now: () => performance.now(), onEvent: (event) => events.push(event) },
  );
  const errors: unknown[] = [];
  const server = createPublicServer({
    routes: [substituter.route],
    maxConnections: 100,
    onError: (error) => errors.push(error),
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}/`,
    substituter,
    events,
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections();
      server.close();
      await once(server, "close");
      await substituter[Symbol.asyncDispose]();
      if (errors.length > 0) throw errors[0];
    },
  };
}

/** A policy that accepts these paths and nothing else. */
export function accepting(...samples: readonly Sample[]): Decide {
  const statements = new Map(samples.map(({ hashPart, statement }) => [hashPart, statement]));
  return (hashPart) => {
    const statement = statements.get(hashPart);
    return statement === undefined
      ? { accepted: false, reason: "no-votes", explanation: "nobody has built this path" }
      : { accepted: true, statement, explanation: "alice and bob agree" };
  };
}
