// Socket activation and readiness notification. See sd_listen_fds(3) and sd_notify(3).
import { execFile } from "node:child_process";

type Env = Readonly<Record<string, string | undefined>>;

/** The first file descriptor that systemd passes. */
const FIRST_FD = 3;
const MAX_FDS = 64;

/** The sockets that systemd passed to this process, by `FileDescriptorName`; without names they are `trustix`. */
export function inheritedSockets(env: Env, pid: number): ReadonlyMap<string, readonly number[]> {
  const sockets = new Map<string, number[]>();
  if (env.LISTEN_PID !== String(pid)) return sockets;
  const count = Math.min(Number(env.LISTEN_FDS ?? 0), MAX_FDS);
  const names = env.LISTEN_FDNAMES?.split(":") ?? [];
  for (let index = 0; index < count; index++) {
    const name = names[index] || "trustix";
    const fds = sockets.get(name) ?? [];
    fds.push(FIRST_FD + index);
    sockets.set(name, fds);
  }
  return sockets;
}

/** Tells systemd about the state of the service; does nothing where there is no systemd. */
export class SystemdNotifier implements Disposable {
  readonly #env: Env;
  readonly #onError: (error: unknown) => void;
  #watchdog: NodeJS.Timeout | undefined;

  constructor(env: Env, onError: (error: unknown) => void) {
    this.#env = env;
    this.#onError = onError;
  }

  /** The service is up. Starts feeding the watchdog, if the unit has one. */
  async ready(): Promise<void> {
    await this.#send("READY=1");
    const intervalMs = Math.floor(Number(this.#env.WATCHDOG_USEC) / 2000);
    if (this.#env.NOTIFY_SOCKET === undefined || !(intervalMs > 0)) return;
    this.#watchdog = setInterval(() => void this.#send("WATCHDOG=1"), intervalMs);
    this.#watchdog.unref();
  }

  /** The service is about to end. */
  async stopping(): Promise<void> {
    this[Symbol.dispose]();
    await this.#send("STOPPING=1");
  }

  [Symbol.dispose](): void {
    clearInterval(this.#watchdog);
  }

  /**
   * Node has no datagram unix sockets, so systemd's own program sends the message. It comes from another process than
   * the service's main one, so the unit needs `NotifyAccess=all`.
   */
  async #send(state: string): Promise<void> {
    if (this.#env.NOTIFY_SOCKET === undefined) return;
    await new Promise<void>((resolve) => {
      execFile("systemd-notify", [state], { env: { ...this.#env }, timeout: 5000 }, (error) => {
        if (error !== null) this.#onError(error);
        resolve();
      });
    });
  }
}
