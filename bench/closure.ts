// The real thing: Nix installs a closure of a thousand paths through a user's node, against directly from nginx with the same
// binary cache. The node runs as its users run it, follows three logs that state every path, and needs two of them.
//
// Two proxies that check nothing take part, for what no proxy can do without: nginx's own, and the least that node:http
// needs. All share two cores with Nix, so the CPU seconds of each are half of the story.
//
//     node --conditions=@trustix/source bench/closure.ts [--paths 1000] [--rounds 3] [--compression xz] [--nix 2.34] [--json FILE]
//
// Needs nginx and Nix: node scripts/outside-tools/main.ts bench nix-2.34. Every round has new stores. In its first round the
// node has just started; nothing is known to it but its logs.

import { spawn, spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { mkdir, writeFile } from "node:fs/promises";
import { Agent, createServer, get } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { zstdCompressSync } from "node:zlib";
import {
  createSigner,
  encodeNar,
  formatFingerprint,
  formatNixEntry,
  formatNixStatement,
  formatPublicKey,
  generateKey,
  parseStorePath,
  publicKeyOf,
  type StorePath,
} from "@trustix/nix";
import { createCacheKey } from "trustix/src/cli/keys.ts";
import { listenTo, NODE } from "trustix/src/daemon/nodes.test.util.ts";
import { TestLog, TestServer } from "trustix/src/subscribe/test-log.test.util.ts";
import { narInfoOf, type Sample } from "trustix/src/substitute/caches.test.util.ts";
import { eventually, HERE, startDaemon } from "../e2e/node.ts";
import { installedTool } from "../scripts/outside-tools/install.ts";
import { NIX_VERSIONS, type Nix, openNix } from "../scripts/outside-tools/nix.ts";
import { type ServerProcess, startNginx } from "./lib/nginx.ts";

const { values } = parseArgs({
  options: {
    paths: { type: "string", default: "1000" },
    rounds: { type: "string", default: "3" },
    compression: { type: "string", default: "xz" },
    nix: { type: "string", default: "2.34" },
    json: { type: "string" },
    proxy: { type: "string" },
  },
});
const paths = Number(values.paths);
const rounds = Number(values.rounds);
const { compression } = values;
const version = NIX_VERSIONS.find((each) => each === values.nix);

/** Most paths are small, few are large, as in nixpkgs: from 1 KiB to 2 MiB, 300 KiB on average. */
const sizeOf = (n: number): number => Math.round(1024 * 2 ** (11 * ((n * 0.618034) % 1) ** 0.85));

function compress(nar: Uint8Array): Buffer {
  if (compression === "zstd") return zstdCompressSync(nar);
  if (compression === "none") return Buffer.from(nar);
  const { stdout, status } = spawnSync(compression, ["-1", "-c"], { input: nar, maxBuffer: 1 << 28 });
  if (status !== 0) throw new Error(`${compression} is not here`);
  return stdout;
}

/** Machine code and constants: what packages are made of, and as compressible. */
const PROGRAM = readFileSync(process.execPath);

async function makePath(n: number, references: readonly StorePath[]): Promise<Sample> {
  const size = sizeOf(n);
  const at = Math.floor(((n * 0.7548777) % 1) * (PROGRAM.length - size));
  const contents = PROGRAM.subarray(at, at + size);
  const parts: Uint8Array[] = [];
  for await (const part of encodeNar({ type: "regular", executable: false, contents })) parts.push(part);
  const nar = Buffer.concat(parts);
  const hashPart = createHash("sha256").update(`${n}`).digest("hex").slice(0, 32).replaceAll("e", "z");
  const storePath = parseStorePath(`/nix/store/${hashPart}-package-${n}`);
  const narHash = { algorithm: "sha256", bytes: createHash("sha256").update(nar).digest() } as const;
  const facts = { storePath, narHash, narSize: nar.length, references };
  return { storePath, hashPart, nar, statement: formatNixStatement(facts), facts };
}

interface Closure {
  readonly samples: readonly Sample[];
  readonly publicKey: string;
  readonly narBytes: number;
  readonly fileBytes: number;
}

/** Writes a binary cache. Each path needs a few of those before it, the last one all that nobody else needs. */
async function writeCache(directory: string): Promise<Closure> {
  const key = await generateKey("cache-1", new Uint8Array(32).fill(5));
  const signer = await createSigner(key);
  await mkdir(join(directory, "nar"), { recursive: true });
  await writeFile(
    join(directory, "nix-cache-info"),
    "StoreDir: /nix/store\nWantMassQuery: 1\nPriority: 30\n",
  );
  const samples: Sample[] = [];
  let [narBytes, fileBytes] = [0, 0];
  for (let n = 0; n < paths; n++) {
    const wanted =
      n === paths - 1 ? samples.slice(n >> 1) : [1, 2, 3].map((k) => samples[Math.floor((n * k) / 4)]);
    const references = new Set(wanted.flatMap((each) => (each === undefined ? [] : [each.storePath])));
    const each = await makePath(n, [...references].sort() as StorePath[]);
    samples.push(each);
    const file = compress(each.nar);
    const url = `nar/${each.hashPart}.nar`;
    const signatures = [await signer.sign(formatFingerprint(each.facts))];
    await writeFile(
      join(directory, `${each.hashPart}.narinfo`),
      narInfoOf(each, compression, file, { url, signatures }),
    );
    await writeFile(join(directory, url), file);
    narBytes += each.nar.length;
    fileBytes += file.length;
  }
  return { samples, publicKey: formatPublicKey(publicKeyOf(key)), narBytes, fileBytes };
}

/** Seconds of CPU that a process has used, or its children that have ended. */
function cpuSeconds(pid: number | "self", ofChildren = false): number {
  const fields = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1]!.split(" ");
  const at = ofChildren ? 13 : 11;
  return (Number(fields[at]) + Number(fields[at + 1])) / 100;
}

interface Install {
  readonly seconds: number;
  /** CPU time of Nix. */
  readonly nixSeconds: number;
  /** CPU time of the server meanwhile. */
  readonly serverSeconds: number;
}

/** The least that a proxy on node:http does: it passes on whatever comes. */
function runProxy(upstream: string): void {
  const agent = new Agent({ keepAlive: true, maxSockets: 64 });
  const server = createServer((request, response) => {
    get(new URL(request.url!, upstream), { agent }, (answer) => {
      response.writeHead(answer.statusCode!, { "content-length": answer.headers["content-length"] });
      answer.pipe(response);
    });
  });
  server.listen(0, "127.0.0.1", () => console.log((server.address() as AddressInfo).port));
}

async function startProxy(upstream: string): Promise<ServerProcess> {
  const args = ["--conditions=@trustix/source", import.meta.filename, "--proxy", upstream];
  const child = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "inherit"] });
  const [port] = await once(child.stdout, "data");
  const url = `http://127.0.0.1:${String(port).trim()}/`;
  return { pid: child.pid!, url, [Symbol.dispose]: () => child.kill() };
}

let stores = 0;

/** Installs the closure into a new store. */
async function install(
  root: string,
  server: { readonly url: string; readonly pid: number },
  publicKey: string,
  { samples }: Closure,
): Promise<Install> {
  const home = join(root, `client-${stores++}`);
  const settings = { substituters: server.url, "trusted-public-keys": publicKey };
  const nix: Nix = await openNix(version!, { root: home, settings });
  const top = samples.at(-1)!.storePath;
  const cpu = cpuSeconds(server.pid);
  const ofNix = cpuSeconds("self", true);
  const startedMs = performance.now();
  const { status, stderr } = await nix.run("nix-store", ["-r", top]);
  const seconds = (performance.now() - startedMs) / 1000;
  const nixSeconds = cpuSeconds("self", true) - ofNix;
  const serverSeconds = cpuSeconds(server.pid) - cpu;
  if (status !== 0) throw new Error(stderr);
  const requisites = await nix.run("nix-store", ["-q", "--requisites", top]);
  const count = requisites.stdout.trim().split("\n").length;
  if (count !== samples.length) throw new Error(`${count} paths were installed`);
  await nix.run("chmod", ["-R", "u+w", "/nix/store"]);
  rmSync(home, { recursive: true });
  return { seconds, nixSeconds, serverSeconds };
}

const median = (numbers: readonly number[]): number =>
  numbers.toSorted((a, b) => a - b)[numbers.length >> 1]!;

async function main(): Promise<void> {
  const tool = await installedTool("bench");
  if (tool === undefined || version === undefined || (await installedTool(`nix-${version}`)) === undefined) {
    throw new Error(`needs nginx and Nix: node scripts/outside-tools/main.ts bench nix-${values.nix}`);
  }
  await using stack = new AsyncDisposableStack();
  const root = mkdtempSync(join(tmpdir(), "bench-closure-"));
  stack.defer(() => rmSync(root, { recursive: true }));
  const directory = join(root, "cache");
  const closure = await writeCache(directory);
  const { samples, publicKey, narBytes, fileBytes } = closure;
  const nginx = stack.use(await startNginx(join(tool.bin, "nginx"), root, `root ${directory};`));
  const mib = (bytes: number) => Math.round(bytes / 2 ** 20);
  console.log(
    `${samples.length} paths, ${mib(narBytes)} MiB of NARs, ${mib(fileBytes)} MiB as ${compression}; Nix ${version}`,
  );

  const builders = [];
  for (const name of ["alice", "bob", "chuck"]) {
    const log = await TestLog.create(`${name}.example/log`);
    await log.append(samples.map(({ facts }) => formatNixEntry(facts, { kind: "built" })));
    const server = stack.use(await TestServer.start(log.files));
    builders.push({ name, vkey: log.key, logUrl: `${server.address}/` });
  }
  const ownKey = await createCacheKey("user-1");
  const user = join(root, "user");
  await mkdir(user);
  await writeFile(join(root, "user.key"), ownKey.secret, { mode: 0o600 });
  await writeFile(
    join(user, "trustix.toml"),
    `${NODE}${listenTo(builders).replace("100ms", "30s")}[policy]\nthreshold = 2
[substitute]\nenabled = true\nkey-file = "../user.key"\n[[upstream]]\nname = "nginx"\nurl = "${nginx.url}"\n`,
  );
  {
    await using node = await startDaemon(HERE, user);
    const last = `${node.url}/${samples.at(-1)!.hashPart}.narinfo`;
    await eventually(
      async () => (await fetch(last)).status,
      (status) => status === 200,
    );
  }
  await using node = await startDaemon(HERE, user);
  const proxy = stack.use(await startProxy(nginx.url));
  const serve = `proxy_pass ${nginx.url}; proxy_http_version 1.1; proxy_max_temp_file_size 0;`;
  const servers = {
    nginx,
    "nginx's proxy": stack.use(await startNginx(join(tool.bin, "nginx"), root, serve)),
    "node:http proxy": proxy,
    ours: { url: `${node.url}/`, pid: node.child.pid! },
  };
  const installs: Record<string, Install[]> = {};
  for (let round = 0; round < rounds; round++) {
    for (const [name, server] of Object.entries(servers)) {
      const key = name === "ours" ? ownKey.publicKey : publicKey;
      const done = await install(root, server, key, closure);
      installs[name] = [...(installs[name] ?? []), done];
      const { seconds, serverSeconds, nixSeconds } = done;
      console.log(
        `round ${round}, ${name}: ${seconds.toFixed(2)} s; CPU ${serverSeconds.toFixed(2)} s, Nix ${nixSeconds.toFixed(2)} s`,
      );
    }
  }
  const medians = Object.entries(installs).map(([name, each]) => {
    const seconds = median(each.map((one) => one.seconds));
    return [name, seconds, seconds / median(installs.nginx!.map((one) => one.seconds))] as const;
  });
  for (const [name, seconds, ratio] of medians) {
    const [server, nix] = (["serverSeconds", "nixSeconds"] as const).map((what) =>
      median(installs[name]!.map((one) => one[what])).toFixed(2),
    );
    console.log(`${name}: ${seconds.toFixed(2)} s, ${ratio.toFixed(2)} times; CPU ${server} s, Nix ${nix} s`);
  }
  if (values.json) {
    const result = { paths, narBytes, fileBytes, compression, version, installs };
    writeFileSync(values.json, `${JSON.stringify(result, undefined, 2)}\n`);
  }
}

if (values.proxy === undefined) await main();
else runProxy(values.proxy);
