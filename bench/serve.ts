// How fast the daemon serves a log's files over HTTP, against nginx and against bare node:http.
//
//     node --conditions=@trustix/source bench/serve.ts [--seconds 4] [--rounds 3] [--json]
//
// All three serve the same files, one after the other in turns, to wrk on this machine: 64 connections that ask for full
// tiles (8 KiB), full bundles (about 80 KiB) and the checkpoint. nginx has one worker, as the daemon has one thread;
// node:http answers with bytes it holds in memory and looks nothing up, so it is the most that Node can do. Best of the
// rounds. The daemon is a process of its own with the public listener of a fresh log of 25,600 claims.
// Goal: at least 0.6 of nginx for tiles. Needs `node scripts/outside-tools/main.ts bench`.

import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
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
import { run } from "../scripts/outside-tools/process.ts";

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

const nginxConfig = (port: number, root: string, publicDir: string): string => `
  ${process.getuid?.() === 0 ? "user root;" : ""} daemon off; worker_processes 1; pid ${root}/nginx.pid; error_log ${root}/error.log;
  events { worker_connections 1024; }
  http {
    access_log off; sendfile on; tcp_nopush on; keepalive_requests 1000000; open_file_cache max=1000;
    default_type application/octet-stream;
    client_body_temp_path ${root}/t1; proxy_temp_path ${root}/t2; fastcgi_temp_path ${root}/t3;
    uwsgi_temp_path ${root}/t4; scgi_temp_path ${root}/t5;
    server {
      listen 127.0.0.1:${port};
      location /log/raw/ { alias ${publicDir}/; add_header Cache-Control "public, max-age=31536000, immutable"; }
    }
  }
`;

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

  const [nginxPort, nodePort] = [await freePort(), await freePort()];
  const config = join(root, "nginx.conf");
  await writeFile(config, nginxConfig(nginxPort, root, publicDir));
  processes.push(spawn(join(tools.bin, "nginx"), ["-c", config, "-p", root], { stdio: "inherit" }));
  const files = Object.values(kinds).flat();
  processes.push(
    spawn(process.execPath, ["-e", NODE_SERVER, String(nodePort), publicDir, ...files], { stdio: "inherit" }),
  );
  await using daemon = await startDaemon(HERE, home);
  const servers = {
    nginx: `http://127.0.0.1:${nginxPort}`,
    "node:http": `http://127.0.0.1:${nodePort}`,
    trustix: daemon.url,
  };
  for (const url of Object.values(servers)) await untilItAnswers(`${url}/log/raw/checkpoint`);

  const results = [];
  for (const [kind, paths] of Object.entries(kinds)) {
    const script = join(root, `${kind}.lua`);
    const list = paths.map((path) => `"/log/raw/${path}"`).join(",");
    await writeFile(
      script,
      `local p = {${list}}\nlocal n = 0\nrequest = function() n = n % #p + 1; return wrk.format("GET", p[n]) end\n`,
    );
    const best = new Map<string, number>();
    for (let round = 0; round < Number(values.rounds); round++) {
      for (const [name, url] of Object.entries(servers)) {
        const args = ["-t1", "-c64", `-d${values.seconds}s`, "-s", script, url];
        const { stdout } = await run(join(tools.bin, "wrk"), args, { check: true });
        if (stdout.includes("Non-2xx")) throw new Error(`${name} ${kind}: ${stdout}`);
        const rate = Number(/Requests\/sec: +([\d.]+)/.exec(stdout)?.[1]);
        best.set(name, Math.max(best.get(name) ?? 0, rate));
      }
    }
    const base = best.get("nginx")!;
    for (const [server, perSecond] of best)
      results.push({ kind, server, perSecond, ratioToNginx: perSecond / base });
  }
  if (values.json) console.log(JSON.stringify(results));
  else {
    console.log("| files | server | requests/s | ratio to nginx |\n|---|---|---:|---:|");
    for (const { kind, server, perSecond, ratioToNginx } of results) {
      console.log(
        `| ${kind} | ${server} | ${Math.round(perSecond).toLocaleString("en")} | ${ratioToNginx.toFixed(2)} |`,
      );
    }
  }
} finally {
  for (const child of processes) child.kill();
  await rm(root, { recursive: true });
}
