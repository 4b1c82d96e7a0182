// A Trustix node in a process of its own, with an address that it keeps when it is started anew.

import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { DaemonClient } from "trustix/src/cli/client.ts";
import type { NodeStatus } from "trustix/src/daemon/status.ts";
import { type Place, type RunningDaemon, startDaemon } from "../../e2e/node.ts";

/** A port of the loopback interface that is free now. */
export async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

/** A node whose configuration is in the directory `home`. Disposing stops it. */
export class NodeProcess implements AsyncDisposable {
  readonly home: string;
  readonly #place: Place;
  readonly #client: DaemonClient;
  #daemon: RunningDaemon | undefined;

  constructor(home: string, place: Place) {
    this.home = home;
    this.#place = place;
    this.#client = new DaemonClient(join(home, "state/admin.sock"));
  }

  /** Starts the daemon and returns once it is ready. */
  async start(): Promise<void> {
    this.#daemon ??= await startDaemon(this.#place, this.home);
  }

  /** Stops it gracefully: what it has accepted is published. */
  async stop(): Promise<void> {
    const daemon = this.#daemon;
    this.#daemon = undefined;
    await daemon?.end("SIGTERM");
  }

  /** What the admin API answers. @throws TrustixError what the daemon says, or `DAEMON_UNREACHABLE` */
  async ask(path: string): Promise<unknown> {
    return await this.#client.json({ method: "GET", path, signal: AbortSignal.timeout(30_000) });
  }

  async status(): Promise<NodeStatus> {
    return (await this.ask("/api/v1/status")) as NodeStatus;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }
}
