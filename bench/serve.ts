// How fast the daemon serves a log's files over HTTP, against nginx and against bare node:http.
//
//     node --conditions=@trustix/source bench/serve.ts [--seconds 4] [--rounds 3] [--json]
//
// All three serve the same files, one after the other in turns, to wrk on this machine: 64 connections that ask for full
// tiles (8 KiB), full bundles (about 80 KiB) and the checkpoint. nginx has one worker, as the daemon has one thread;
// node:http answers with bytes it holds in memory and looks nothing up. Ratios are of rounds, medians with their range.
// The daemon is a process of its own with the public listener of a fresh log of 25,600 claims.
// Goal: at least 0.6 of nginx for tiles. Needs `node scripts/outside-tools/main.ts bench`, and `npm run build` before it.

import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, mkdtemp, readFile, rm, symlink, writeFile } from "node:fs/promises";
import type { AddressInfo } from "node:net";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { parseArgs } from "node:util";
import { formatRawEntry, rawProtocol } from "@trustix/nix";
import { createSigner } from "@trustix/tlog";
import { HERE, startDaemon, trustixJson } from "../e2e/node.ts";
import { PublishedLog } from "../packages/trustix/src/log/published-log.ts";
import { ensureTool } from "../scripts/outside-tools/install.ts";
import { formatSpread, loadInTurns, ratios, spreadOfLoads } from "./lib/load.ts";
import { startNginx } from "./lib/nginx.ts";

const CLAIMS = 25_600;
const { values } = parseArgs({
  options: {
    seconds: { type: "string", default: "4" },
    rounds: { type: "string", default: "3" },
    json: { type: "boolean", default: false },
  },
});

const NODE_SERVER = `
  const { readFileSync } = require("node:fs");
  const files = new Map(process.argv.slice(3).map((f) => ["/log/raw/" + f, readFileSync(process.argv[2] + "/" + f)]));
  require("node:http").createServer((request, response) => {
    const body = files.get(request.url);
    response.writeHead(200, { "content-type": "application/octet-stream", "content-length": body.length });
    response.end(body);
  }).listen(Number(process.argv[1]), "127.0.0.1");
`;

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  server.close();
  return port;
}

async function untilItAnswers(url: string): Promise<void> {
  for (let waitedMs = 0; waitedMs < 10_000; waitedMs += 20) {
    if ((await fetch(url).catch(() => undefined))?.status === 200) return;
    await sleep(20);
  }
  throw new Error(`nothing answers at ${url}`);
}

const tools = await ensureTool("bench");
const root = await mkdtemp(join(tmpdir(), "bench-serve-"));
const processes: ChildProcess[] = [];
try {
  const home = join(root, "node");
  await trustixJson(HERE, root, "init", home, "--origin", "bench.test", "--listen", "127.0.0.1:0", "--raw");
  const directory = join(home, "state/logs/raw");
  await mkdir(join(home, "state/logs"), { recursive: true });
  {
    const signer = await createSigner((await readFile(join(home, "keys/raw.key"), "utf8")).trim());
    await using log = await PublishedLog.open(
      { origin: "bench.test/raw", directory },
      { protocol: rawProtocol, signer },
    );
    const value = Buffer.alloc(280, "v");
    for (let first = 0; first < CLAIMS; first += 256) {
      const entries = Array.from({ length: 256 }, (_, i) =>
        formatRawEntry({ key: Buffer.from(`k${first + i}`), value }),
      );
      await Promise.all(entries.map((entry) => log.submit(entry)));
    }
    await log.whenPublished(CLAIMS - 1);
  }
  const publicDir = join(directory, "public");
  const numbered = (directory: string): string[] =>
    Array.from({ length: CLAIMS / 256 }, (_, i) => `${directory}/${String(i).padStart(3, "0")}`);
  const kinds: Readonly<Record<string, readonly string[]>> = {
    tiles: numbered("tile/0"),
    bundles: numbered("tile/entries"),
    checkpoint: ["checkpoint"],
  };

  const www = join(root, "www/log");
  await mkdir(www, { recursive: true });
  await symlink(publicDir, join(www, "raw"));
  const cacheControl = `add_header Cache-Control "public, max-age=31536000, immutable";`;
  using nginx = await startNginx(
    join(tools.bin, "nginx"),
    root,
    `root ${root}/www; open_file_cache max=1000; ${cacheControl}`,
  );
  const nodePort = await freePort();
  const files = Object.values(kinds).flat();
  const node = spawn(process.execPath, ["-e", NODE_SERVER, String(nodePort), publicDir, ...files], {
    stdio: "inherit",
  });
  processes.push(node);
  await using daemon = await startDaemon(HERE, home);
  const servers = {
    nginx: { pid: nginx.pid, url: nginx.url.slice(0, -1) },
    "node:http": { pid: node.pid!, url: `http://127.0.0.1:${nodePort}` },
    trustix: { pid: daemon.child.pid!, url: daemon.url },
  };
  for (const { url } of Object.values(servers)) await untilItAnswers(`${url}/log/raw/checkpoint`);

  const results = [];
  for (const [kind, paths] of Object.entries(kinds)) {
    const script = join(root, `${kind}.lua`);
    const list = paths.map((path) => `"/log/raw/${path}"`).join(",");
    await writeFile(
      script,
      `local p = {${list}}\nlocal n = 0\nrequest = function() n = n % #p + 1; return wrk.format("GET", p[n]) end\n`,
    );
    const loads = loadInTurns(join(tools.bin, "wrk"), servers, {
      rounds: Number(values.rounds),
      seconds: Number(values.seconds),
      args: ["-c64", "-s", script],
    });
    for (const [server, measured] of Object.entries(loads)) {
      results.push({
        kind,
        server,
        perSecond: spreadOfLoads(measured, "perSecond"),
        ratioToNginx: ratios(measured, loads.nginx),
        cpuMicroseconds: spreadOfLoads(measured, "cpuMicroseconds"),
        p99Ms: spreadOfLoads(measured, "p99Ms"),
      });
    }
  }
  if (values.json) console.log(JSON.stringify(results));
  else {
    console.log(
      "| files | server | requests/s | ratio to nginx | CPU µs | p99 ms |\n|---|---|---:|---:|---:|---:|",
    );
    for (const { kind, server, perSecond, ratioToNginx, cpuMicroseconds, p99Ms } of results) {
      const rate = Math.round(perSecond.median).toLocaleString("en");
      const figures = [ratioToNginx, cpuMicroseconds, p99Ms].map((spread) => formatSpread(spread));
      console.log(`| ${kind} | ${server} | ${rate} | ${figures.join(" | ")} |`);
    }
  }
} finally {
  for (const child of processes) child.kill();
  await rm(root, { recursive: true });
}
