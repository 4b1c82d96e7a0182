// Opens servers on addresses and closes them gracefully: TCP, unix sockets, and sockets passed by systemd.
import { chmod, lstat, unlink } from "node:fs/promises";
import type { Server } from "node:http";
import { type AddressInfo, connect } from "node:net";
import type { Address } from "../config/units.ts";
import { TrustixError } from "../errors.ts";

/** How to open and close. */
export interface ListenerOptions {
  /** Makes one server for each address. */
  readonly createServer: () => Server;
  /** How long requests in flight may take after {@link Listener.close}, in milliseconds. */
  readonly graceMs: number;
  /** Sockets from systemd by name, as file descriptors. */
  readonly inherited?: ReadonlyMap<string, readonly number[]>;
  /** Mode of unix sockets; default 0o666. */
  readonly socketMode?: number;
  /** Accepting a connection failed, for lack of file descriptors as a rule; the listener goes on. */
  readonly onError?: (error: unknown) => void;
}

/** A running listener. */
export interface Listener extends AsyncDisposable {
  /** Where it listens, with real port numbers. */
  readonly addresses: readonly Address[];
  /** Stops accepting, lets requests in flight finish within the grace time, then cuts. */
  close(): Promise<void>;
}

function listenFailed(where: string, cause: unknown): TrustixError {
  const code = (cause as NodeJS.ErrnoException).code;
  const hint =
    code === "EADDRINUSE"
      ? "Another program, or another trustix, has this address: choose a different one in trustix.toml."
      : code === "EACCES"
        ? "Ports below 1024 and this directory need privileges: choose another address, or let systemd pass the socket."
        : "Check the address in trustix.toml.";
  return new TrustixError("LISTEN_FAILED", `cannot listen on ${where} (${code ?? String(cause)})`, {
    hint,
    cause,
  });
}

/**
 * Removes a socket file that nobody answers on any more, as an earlier process leaves it behind after a crash.
 * @throws {TrustixError} `LISTEN_FAILED` when something answers there, or the path is no socket.
 */
async function removeStaleSocket(path: string): Promise<void> {
  const stats = await lstat(path).catch(() => undefined);
  if (stats === undefined) return;
  if (!stats.isSocket())
    throw listenFailed(path, Object.assign(new Error("not a socket"), { code: "ENOTSOCK" }));
  const alive = await new Promise<boolean>((resolve) => {
    const socket = connect(path, () => {
      socket.destroy();
      resolve(true);
    });
    // Refused or gone by now: nobody is there. A full queue (EAGAIN) or a closed door (EACCES) has somebody behind it.
    socket.once("error", ({ code }: NodeJS.ErrnoException) =>
      resolve(code !== "ECONNREFUSED" && code !== "ENOENT"),
    );
  });
  if (alive) throw listenFailed(path, Object.assign(new Error("in use"), { code: "EADDRINUSE" }));
  await unlink(path).catch((cause: unknown) => {
    if ((cause as NodeJS.ErrnoException).code !== "ENOENT") throw listenFailed(path, cause);
  });
}

async function listenOn(
  server: Server,
  options: Parameters<Server["listen"]>[0],
  where: string,
): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    const failed = (error: unknown): void => reject(listenFailed(where, error));
    server.once("error", failed);
    // A unix socket is created before `listen` returns, and belongs to nobody else until its mode is set. Nothing else
    // runs in between, so no other file is made with this umask.
    const before = process.umask(0o177);
    server.listen(options, () => {
      server.off("error", failed);
      resolve();
    });
    process.umask(before);
  });
}

/**
 * Opens one server on every address.
 * @throws {TrustixError} `LISTEN_FAILED`; nothing stays open then.
 */
export async function openListener(
  addresses: readonly Address[],
  options: ListenerOptions,
): Promise<Listener> {
  const servers: Server[] = [];
  const bound: Address[] = [];
  const close = async (): Promise<void> => {
    const closed = servers.map((server) => new Promise<void>((resolve) => server.close(() => resolve())));
    // A kept-alive connection becomes idle when its last answer is out, so look again and again.
    const sweep = setInterval(() => {
      for (const server of servers) server.closeIdleConnections();
    }, 50);
    const cut = setTimeout(() => {
      for (const server of servers) server.closeAllConnections();
    }, options.graceMs);
    await Promise.all(closed);
    clearInterval(sweep);
    clearTimeout(cut);
  };
  const open = async (
    listen: Parameters<Server["listen"]>[0],
    where: string,
    address?: Address,
  ): Promise<void> => {
    const server = options.createServer();
    await listenOn(server, listen, where);
    // Not before: that it cannot listen is thrown, and no failure of a connection.
    server.on("error", (error) => options.onError?.(error));
    servers.push(server);
    const real = server.address() as AddressInfo | string | null;
    if (address !== undefined) bound.push(address);
    else if (typeof real === "string") bound.push({ kind: "unix", path: real });
    else if (real !== null) bound.push({ kind: "tcp", host: real.address, port: real.port });
  };
  try {
    for (const address of addresses) {
      switch (address.kind) {
        case "tcp":
          await open({ host: address.host, port: address.port }, `${address.host}:${address.port}`);
          break;
        case "unix":
          await removeStaleSocket(address.path);
          await open({ path: address.path }, address.path, address);
          await chmod(address.path, options.socketMode ?? 0o666);
          break;
        case "systemd": {
          const fds = options.inherited?.get(address.name) ?? [];
          if (fds.length === 0) {
            throw new TrustixError("LISTEN_FAILED", `systemd passed no socket named ${address.name}`, {
              hint: `Start the daemon through its .socket unit, with FileDescriptorName=${address.name}, or configure an address.`,
            });
          }
          for (const fd of fds) await open({ fd }, `file descriptor ${fd}`);
          break;
        }
        default:
          address satisfies never;
      }
    }
  } catch (error) {
    await close();
    throw error;
  }
  return { addresses: bound, close, [Symbol.asyncDispose]: close };
}
