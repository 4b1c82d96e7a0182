// nginx, to measure against.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, writeFileSync } from "node:fs";
import { createServer, get } from "node:http";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

/** A server that is measured. Disposing ends it. */
export interface ServerProcess extends Disposable {
  readonly pid: number;
  /** Its root, with a slash at the end. */
  readonly url: string;
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as { port: number };
  server.close();
  await once(server, "close");
  return port;
}

/**
 * Starts nginx with one worker.
 * @param directory for its own files; it makes a folder in it
 * @param serve what stands in its `location /`: files of a directory, or a proxy for another server
 */
export async function startNginx(program: string, directory: string, serve: string): Promise<ServerProcess> {
  const port = await freePort();
  const home = mkdtempSync(join(directory, "nginx-"));
  writeFileSync(
    join(home, "nginx.conf"),
    `daemon off; master_process off; worker_processes 1; pid ${home}/pid; error_log ${home}/error.log;
events { worker_connections 1024; }
http {
  access_log off; sendfile on; tcp_nopush on; keepalive_requests 1000000000; default_type text/x-nix-narinfo;
  client_body_temp_path ${home}/body; proxy_temp_path ${home}/proxy; fastcgi_temp_path ${home}/fastcgi;
  uwsgi_temp_path ${home}/uwsgi; scgi_temp_path ${home}/scgi;
  server { listen 127.0.0.1:${port}; location / { ${serve} } }
}\n`,
  );
  const child = spawn(program, ["-p", home, "-c", join(home, "nginx.conf")], { stdio: "inherit" });
  const url = `http://127.0.0.1:${port}/`;
  for (let tries = 0; ; tries++) {
    const isUp = await new Promise((resolve) =>
      get(url, (response) => resolve(response.resume())).on("error", () => resolve(false)),
    );
    if (isUp) break;
    if (tries > 100) throw new Error("nginx does not start");
    await sleep(50);
  }
  return { pid: child.pid!, url, [Symbol.dispose]: () => child.kill() };
}
