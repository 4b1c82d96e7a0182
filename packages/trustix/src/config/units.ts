// Values with a unit, as people write them in configuration: durations ("250ms"), sizes ("64MiB") and addresses.

const DURATION_MS = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const;
const SIZE_BYTES = { B: 1, KiB: 2 ** 10, MiB: 2 ** 20, GiB: 2 ** 30, TiB: 2 ** 40 } as const;

/** Where a listener listens. `systemd` stands for the sockets that systemd passed with the name `name`. */
export type Address =
  | { readonly kind: "tcp"; readonly host: string; readonly port: number }
  | { readonly kind: "unix"; readonly path: string }
  | { readonly kind: "systemd"; readonly name: string };

function withUnit(text: string, units: Readonly<Record<string, number>>): number | undefined {
  const match = /^(0|[1-9]\d{0,15})(\.\d{1,3})?([A-Za-z]{1,3})$/.exec(text);
  const unit = match === null ? undefined : units[match[3] as string];
  if (match === null || unit === undefined) return undefined;
  const value = Math.round(Number(`${match[1]}${match[2] ?? ""}`) * unit);
  return Number.isSafeInteger(value) ? value : undefined;
}

/** Milliseconds of a duration such as `250ms`, `1.5s`, `10m`, `1h` or `7d`; undefined when it is none. */
export function parseDuration(text: string): number | undefined {
  return withUnit(text, DURATION_MS);
}

/** Bytes of a size such as `512B`, `64KiB` or `16MiB`; undefined when it is none. */
export function parseSize(text: string): number | undefined {
  return withUnit(text, SIZE_BYTES);
}

function formatWith(value: number, units: Readonly<Record<string, number>>): string {
  let best = "";
  for (const [unit, factor] of Object.entries(units)) {
    if (best === "" || (value !== 0 && value % factor === 0)) best = `${value / factor}${unit}`;
  }
  return best;
}

/** A duration in the largest unit that divides it: 90000 gives `90s`. Inverse of {@link parseDuration}. */
export function formatDuration(valueMs: number): string {
  return formatWith(valueMs, DURATION_MS);
}

/** A size in the largest unit that divides it: 1536 gives `1536B`. Inverse of {@link parseSize}. */
export function formatSize(valueBytes: number): string {
  return formatWith(valueBytes, SIZE_BYTES);
}

/**
 * The address of `host:port`, `[ipv6]:port`, `unix:/absolute/path`, `systemd` or `systemd:name`; undefined when it is
 * none. Port 0 lets the system choose one.
 */
export function parseAddress(text: string): Address | undefined {
  if (text.startsWith("unix:")) {
    const path = text.slice("unix:".length);
    // 107 bytes is what sockaddr_un holds on Linux.
    return path.startsWith("/") && Buffer.byteLength(path) <= 107 ? { kind: "unix", path } : undefined;
  }
  const systemd = /^systemd(?::([A-Za-z0-9_.-]{1,64}))?$/.exec(text);
  if (systemd !== null) return { kind: "systemd", name: systemd[1] ?? "trustix" };
  const tcp = /^(?:\[([0-9A-Fa-f:.]{2,45})\]|([A-Za-z0-9.-]{1,253})):(0|[1-9]\d{0,4})$/.exec(text);
  const port = Number(tcp?.[3]);
  const host = tcp?.[1] ?? tcp?.[2];
  return host !== undefined && port <= 65_535 ? { kind: "tcp", host, port } : undefined;
}

/** The text form of an address, as {@link parseAddress} reads it. */
export function formatAddress(address: Address): string {
  switch (address.kind) {
    case "tcp":
      return `${address.host.includes(":") ? `[${address.host}]` : address.host}:${address.port}`;
    case "unix":
      return `unix:${address.path}`;
    case "systemd":
      return `systemd:${address.name}`;
    default:
      return address satisfies never;
  }
}
