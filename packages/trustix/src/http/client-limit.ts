// How many connections one client has, so that no stranger takes all there are.
import { isIPv6 } from "node:net";

/**
 * What connections of one client have in common: an IPv4 address, or the first 64 bits of an IPv6 address, since whoever
 * has one address has the other 2^64 of its network. Undefined for this machine (loopback, unix sockets): proxies
 * connect from there.
 * @param address as `socket.remoteAddress` spells it
 */
export function clientOf(address: string | undefined): string | undefined {
  if (address === undefined || address === "::1") return undefined;
  const plain = address.replace(/^::ffff:(?=\d+\.)/, "");
  if (!isIPv6(plain)) return plain.startsWith("127.") ? undefined : plain;
  const [head, tail] = plain.split("%", 1)[0]!.split("::") as [string, string | undefined];
  const groups = head === "" ? [] : head.split(":");
  const after = tail === undefined || tail === "" ? 0 : tail.split(":").length;
  const zeros = tail === undefined ? 0 : 8 - groups.length - after;
  return [...groups, ...Array<string>(zeros).fill("0"), ...(tail ?? "").split(":")].slice(0, 4).join(":");
}

/** Counts the connections of each client. */
export class ClientLimit {
  readonly #most: number;
  readonly #counts = new Map<string, number>();

  constructor(most: number) {
    this.#most = most;
  }

  /** Takes a connection from this address in; false when its client has as many as it may. */
  enter(address: string | undefined): boolean {
    const client = clientOf(address);
    if (client === undefined) return true;
    const count = this.#counts.get(client) ?? 0;
    if (count >= this.#most) return false;
    this.#counts.set(client, count + 1);
    return true;
  }

  /** A connection that was taken in is closed. */
  leave(address: string | undefined): void {
    const client = clientOf(address);
    if (client === undefined) return;
    const left = (this.#counts.get(client) ?? 0) - 1;
    if (left > 0) this.#counts.set(client, left);
    else this.#counts.delete(client);
  }
}
