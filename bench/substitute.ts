// How fast the substituter is: warm narinfos against bare node:http and nginx with the same bytes, and NARs passing through
// against nginx's proxy_pass, verified and not.
//
//     node --conditions=@trustix/source bench/substitute.ts [--seconds 5] [--rounds 3] [--mib 1024] [--json FILE]
//
// Needs nginx and wrk: node scripts/outside-tools/main.ts bench. Every server is a process of its own with one thread for
// requests; wrk and curl run beside it, so on two cores they compete with nothing but the worker threads of the server.

import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { createHash, randomFillSync } from "node:crypto";
import { once } from "node:events";
import {
  closeSync,
  createReadStream,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import {
  createSigner,
  formatNarInfo,
  formatNixStatement,
  generateKey,
  hashPartOf,
  type NarInfo,
  parseStorePath,
} from "@trustix/nix";
import { openRemote } from "../packages/trustix/src/fetch/open-remote.ts";
import { createPublicServer } from "../packages/trustix/src/http/public-server.ts";
import { Substituter } from "../packages/trustix/src/substitute/substituter.ts";
import { installedTool } from "../scripts/outside-tools/install.ts";
import { cpuSeconds, formatSpread, loadInTurns, ratios, spreadOfLoads, type Target } from "./lib/load.ts";
import { type ServerProcess, startNginx } from "./lib/nginx.ts";

/** What the process of a substituter is told. */
interface Task {
  readonly upstream: string;
  readonly statements: readonly (readonly [string, string])[];
  readonly isVerified: boolean;
}

async function runSubstituter(task: Task): Promise<void> {
  const statements = new Map(task.statements);
  const substituter = new Substituter(
    { upstreams: [{ name: "nginx", remote: openRemote(task.upstream) }], xzProgram: "xz" },
    {
      now: () => performance.now(),
      signer: await createSigner(await generateKey("bench-1", new Uint8Array(32))),
      decide: (hashPart) => {
        const statement = statements.get(hashPart);
        return statement === undefined
          ? { accepted: false, reason: "no-votes", explanation: "" }
          : { accepted: true, statement, explanation: "" };
      },
      ...(task.isVerified
        ? {}
        : {
            createVerifier: () => ({
              write: () => undefined,
              finish: async () => {},
              [Symbol.dispose]: () => {},
            }),
          }),
    },
  );
  const server = createPublicServer({
    routes: [substituter.route],
    maxConnections: 1000,
    onRequest: () => {},
    onError: (error) => console.error(error),
  });
  server.listen(0, "127.0.0.1", () => process.send?.(server.address()));
}

function runBare(body: string): void {
  const bytes = Buffer.from(body);
  const headers = { "content-type": "text/x-nix-narinfo", "content-length": bytes.length };
  const server = createServer((_, response) => {
    response.writeHead(200, headers).end(bytes);
  });
  server.listen(0, "127.0.0.1", () => process.send?.(server.address()));
}

const children: ChildProcess[] = [];

/** This very file as another process, with a role. */
async function startRole(role: "bare" | "substituter", input: unknown): Promise<ServerProcess> {
  const child = spawn(
    process.execPath,
    ["--conditions=@trustix/source", import.meta.filename, "--role", role],
    { stdio: ["ignore", "inherit", "inherit", "ipc"] },
  );
  children.push(child);
  child.send({ input });
  const [{ port }] = (await once(child, "message")) as [{ port: number }];
  return { pid: child.pid!, url: `http://127.0.0.1:${port}/`, [Symbol.dispose]: () => child.kill() };
}

const rssMiB = (pid: number): number =>
  Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1]) / 1024;

interface Pass {
  readonly mibPerSecond: number;
  readonly cpuSecondsPerGiB: number;
  /** Resident memory of the server, at a tenth of the way and at most after it. */
  readonly rssMiB: { readonly early: number; readonly highest: number };
}

/** Downloads once; figures are by bytes of the NAR. */
async function measurePass(
  server: ServerProcess,
  path: string,
  fileBytes: number,
  narBytes: number,
): Promise<Pass> {
  const cpu = cpuSeconds(server.pid);
  const startedMs = performance.now();
  const child = spawn("curl", ["-sSf", "-o", "/dev/null", "-w", "%{size_download}", `${server.url}${path}`]);
  let output = "";
  child.stdout.on("data", (text) => {
    output += text;
  });
  child.stderr.pipe(process.stderr);
  const samples: number[] = [];
  const timer = setInterval(() => samples.push(rssMiB(server.pid)), 20);
  await once(child, "close");
  clearInterval(timer);
  const seconds = (performance.now() - startedMs) / 1000;
  if (Number(output) !== fileBytes) throw new Error(`${path}: ${output} of ${fileBytes} bytes arrived`);
  return {
    mibPerSecond: narBytes / 2 ** 20 / seconds,
    cpuSecondsPerGiB: (cpuSeconds(server.pid) - cpu) / (narBytes / 2 ** 30),
    rssMiB: { early: samples[Math.floor(samples.length / 10)] ?? 0, highest: Math.max(...samples) },
  };
}

/** A NAR in a file, half of it random. Nothing here reads its grammar. */
function makeNar(file: string, sizeBytes: number): Uint8Array {
  const hash = createHash("sha256");
  const block = Buffer.alloc(1 << 20);
  const descriptor = openSync(file, "w");
  for (let at = 0; at < sizeBytes; at += block.length) {
    for (let i = 0; i < block.length; i += 65_536) randomFillSync(block, i, 32_768);
    writeSync(descriptor, block);
    hash.update(block);
  }
  closeSync(descriptor);
  return hash.digest();
}

async function hashFile(file: string): Promise<Uint8Array> {
  const hash = createHash("sha256");
  for await (const chunk of createReadStream(file)) hash.update(chunk as Buffer);
  return hash.digest();
}

const EXTENSIONS = { none: "", zstd: ".zst", xz: ".xz" } as const;

/** A cache of one path for each compression, as files for nginx. */
async function makeCache(directory: string, mib: number): Promise<Made[]> {
  writeFileSync(join(directory, "nix-cache-info"), "StoreDir: /nix/store\n");
  const made: Made[] = [];
  for (const [index, compression] of (["none", "zstd", "xz"] as const).entries()) {
    // xz takes its time, here and there.
    const narSize = (compression === "xz" ? Math.min(mib, 128) : mib) << 20;
    const nar = join(directory, `${compression}.nar`);
    const narHash = { algorithm: "sha256", bytes: makeNar(nar, narSize) } as const;
    const file = `${nar}${EXTENSIONS[compression]}`;
    if (compression !== "none") {
      const { status } = spawnSync(compression, ["-1", "-q", "-f", "--keep", nar]);
      if (status !== 0) continue;
    }
    const info: NarInfo = {
      storePath: parseStorePath(`/nix/store/${String(index).repeat(32)}-bench`),
      narHash,
      narSize,
      references: [parseStorePath(`/nix/store/${"a".repeat(32)}-glibc-2.40-66`)],
      url: `${compression}.nar${EXTENSIONS[compression]}`,
      compression,
      fileHash: { algorithm: "sha256", bytes: await hashFile(file) },
      fileSize: statSync(file).size,
      signatures: [],
    };
    const hashPart = hashPartOf(info.storePath);
    writeFileSync(join(directory, `${hashPart}.narinfo`), formatNarInfo(info));
    made.push({
      compression,
      hashPart,
      statement: formatNixStatement(info),
      path: info.url,
      fileSize: info.fileSize!,
      narSize,
    });
  }
  return made;
}

interface Made {
  readonly compression: string;
  readonly hashPart: string;
  readonly statement: string;
  readonly path: string;
  readonly fileSize: number;
  readonly narSize: number;
}

const fetchText = async (url: string): Promise<string> => (await fetch(url)).text();

async function benchNarInfo(
  tools: Tools,
  cache: readonly Made[],
  upstream: ServerProcess,
  seconds: number,
  rounds: number,
) {
  const [first] = cache;
  const task: Task = {
    upstream: upstream.url,
    statements: cache.map(({ hashPart, statement }) => [hashPart, statement]),
    isVerified: true,
  };
  using ours = await startRole("substituter", task);
  const path = `${first!.hashPart}.narinfo`;
  const body = await fetchText(`${ours.url}${path}`);
  using bare = await startRole("bare", body);
  const static_ = mkdtempSync(join(tools.directory, "static-"));
  writeFileSync(join(static_, path), body);
  using nginx = await startNginx(tools.nginx, tools.directory, `root ${static_}; open_file_cache max=1000;`);
  const at = ({ pid, url }: ServerProcess): Target => ({ pid, url: url + path });
  const targets = { ours: at(ours), bare: at(bare), nginx: at(nginx) };
  const loads = loadInTurns(tools.wrk, targets, { rounds, seconds, args: ["-c25"] });
  const figures = (name: keyof typeof targets) => ({
    perSecond: formatSpread(spreadOfLoads(loads[name], "perSecond"), 0),
    p99Ms: formatSpread(spreadOfLoads(loads[name], "p99Ms")),
    cpuMicroseconds: formatSpread(spreadOfLoads(loads[name], "cpuMicroseconds")),
  });
  return {
    bytes: body.length,
    ours: figures("ours"),
    bare: figures("bare"),
    nginx: figures("nginx"),
    ratioToBare: formatSpread(ratios(loads.ours, loads.bare)),
    ratioToNginx: formatSpread(ratios(loads.ours, loads.nginx)),
  };
}

async function benchNars(tools: Tools, cache: readonly Made[], upstream: ServerProcess, rounds: number) {
  const results: Record<string, Pass> = {};
  const note = (name: string, passes: readonly Pass[]): void => {
    results[name] = passes.toSorted((a, b) => a.mibPerSecond - b.mibPerSecond)[passes.length >> 1]!;
  };
  const statements = cache.map(({ hashPart, statement }) => [hashPart, statement] as const);
  using proxy = await startNginx(
    tools.nginx,
    tools.directory,
    `proxy_pass ${upstream.url}; proxy_max_temp_file_size 0; proxy_http_version 1.1;`,
  );
  using verified = await startRole("substituter", { upstream: upstream.url, statements, isVerified: true });
  using unverified = await startRole("substituter", {
    upstream: upstream.url,
    statements,
    isVerified: false,
  });
  for (const { compression, hashPart, path, fileSize, narSize } of cache) {
    const passes: Record<string, Pass[]> = {};
    for (let round = 0; round < rounds; round++) {
      for (const [name, server] of Object.entries({ "nginx proxy_pass": proxy, unverified, verified })) {
        const isOurs = server !== proxy;
        const narInfo = isOurs ? await fetchText(`${server.url}${hashPart}.narinfo`) : "";
        const target = isOurs ? /^URL: (.*)$/m.exec(narInfo)![1]! : path;
        const pass = await measurePass(server, target, fileSize, narSize);
        const key = `${compression}, ${name}`;
        passes[key] = [...(passes[key] ?? []), pass];
      }
    }
    for (const [name, measured] of Object.entries(passes)) note(name, measured);
  }
  return results;
}

interface Tools {
  readonly nginx: string;
  readonly wrk: string;
  readonly directory: string;
}

async function main(): Promise<void> {
  const tool = await installedTool("bench");
  if (tool === undefined) throw new Error("needs nginx and wrk: node scripts/outside-tools/main.ts bench");
  const directory = mkdtempSync(join(values.directory, "trustix-bench-"));
  try {
    const tools: Tools = { nginx: join(tool.bin, "nginx"), wrk: join(tool.bin, "wrk"), directory };
    const files = mkdtempSync(join(directory, "cache-"));
    const cache = await makeCache(files, Number(values.mib));
    using upstream = await startNginx(tools.nginx, directory, `root ${files};`);
    const rounds = Number(values.rounds);
    const narInfo = await benchNarInfo(tools, cache, upstream, Number(values.seconds), rounds);
    console.log("warm narinfo, 25 connections");
    console.log(JSON.stringify(narInfo, undefined, 2));
    const nars = await benchNars(tools, cache, upstream, rounds);
    console.table(
      Object.fromEntries(
        Object.entries(nars).map(([name, { mibPerSecond, cpuSecondsPerGiB, rssMiB: rss }]) => [
          name,
          {
            "MiB/s of NAR": Math.round(mibPerSecond),
            "CPU s/GiB": Number(cpuSecondsPerGiB.toFixed(2)),
            "RSS MiB early": Math.round(rss.early),
            "RSS MiB highest": Math.round(rss.highest),
          },
        ]),
      ),
    );
    if (values.json) writeFileSync(values.json, `${JSON.stringify({ narInfo, nars }, undefined, 2)}\n`);
  } finally {
    for (const child of children) child.kill();
    rmSync(directory, { recursive: true });
  }
}

const { values } = parseArgs({
  options: {
    role: { type: "string" },
    seconds: { type: "string", default: "5" },
    rounds: { type: "string", default: "3" },
    mib: { type: "string", default: "1024" },
    directory: { type: "string", default: tmpdir() },
    json: { type: "string" },
  },
});

if (values.role === undefined) await main();
else {
  const [{ input }] = (await once(process, "message")) as [{ input: unknown }];
  if (values.role === "bare") runBare(input as string);
  else await runSubstituter(input as Task);
}
