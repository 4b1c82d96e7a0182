// Where a remote may send us. A cache's narinfo names the URL of its NAR, and any server may redirect: without a rule, a
// dishonest cache reads the services of our own machine and network through us (server-side request forgery).
import { type LookupAddress, type LookupOptions, lookup } from "node:dns";
import { BlockList, isIP, type LookupFunction } from "node:net";

/**
 * Other origins than its own that a remote may send us to: a list such as `["https://files.example.org"]`, or `public`
 * for any host whose address is on the public Internet (checked on the very address that is connected to).
 */
export type ForeignOrigins = readonly string[] | "public";

/** Addresses that are not the public Internet: IANA's special-purpose registries (RFC 6890). */
const SPECIAL: readonly (readonly [string, number])[] = [
  ["0.0.0.0", 8],
  ["10.0.0.0", 8],
  ["100.64.0.0", 10],
  ["127.0.0.0", 8],
  ["169.254.0.0", 16],
  ["172.16.0.0", 12],
  ["192.0.0.0", 24],
  ["192.0.2.0", 24],
  ["192.168.0.0", 16],
  ["198.18.0.0", 15],
  ["198.51.100.0", 24],
  ["203.0.113.0", 24],
  ["224.0.0.0", 3],
];

function createBlockList(): BlockList {
  const list = new BlockList();
  for (const [address, prefix] of SPECIAL) list.addSubnet(address, prefix, "ipv4");
  return list;
}

/** Only 2000::/3 is allocated for the Internet; some of it embeds IPv4 addresses or is for documentation. */
function createGlobalIPv6(): { readonly global: BlockList; readonly special: BlockList } {
  const global = new BlockList();
  global.addSubnet("2000::", 3, "ipv6");
  const special = new BlockList();
  special.addSubnet("2001::", 23, "ipv6");
  special.addSubnet("2001:db8::", 32, "ipv6");
  special.addSubnet("2002::", 16, "ipv6");
  special.addSubnet("3fff::", 20, "ipv6");
  return { global, special };
}

/** Tells addresses of the public Internet from all others. */
export function createPublicAddressTest(): (address: string) => boolean {
  const special4 = createBlockList();
  const { global, special } = createGlobalIPv6();
  return (address) => {
    switch (isIP(address)) {
      case 4:
        return !special4.check(address, "ipv4");
      case 6:
        return global.check(address, "ipv6") && !special.check(address, "ipv6");
      default:
        return false;
    }
  };
}

/** Whether a remote with this root may send us to a URL at all, and whether its address has to be checked, too. */
export function admitOrigin(
  root: URL,
  foreign: ForeignOrigins,
  url: URL,
): "own" | "listed" | "if-public" | "forbidden" {
  if (url.username !== "" || url.password !== "") return "forbidden";
  if (url.protocol === root.protocol && url.host === root.host) return "own";
  if (url.protocol !== "http:" && url.protocol !== "https:") return "forbidden";
  if (foreign !== "public") return foreign.includes(url.origin) ? "listed" : "forbidden";
  // Never from HTTPS to less.
  return root.protocol === "https:" && url.protocol !== "https:" ? "forbidden" : "if-public";
}

/** A `lookup` for sockets that knows public addresses only, so that no name can be bound to a private one in between. */
export function createPublicLookup(isPublic: (address: string) => boolean): LookupFunction {
  return (hostname, options, callback) => {
    const all: LookupOptions & { all: true } = { family: options.family, hints: options.hints, all: true };
    lookup(hostname, all, (error, addresses: LookupAddress[]) => {
      if (error !== null) {
        callback(error, []);
        return;
      }
      const allowed = addresses.filter(({ address }) => isPublic(address));
      const [first] = allowed;
      if (first === undefined) {
        callback(Object.assign(new Error(`${hostname} has no public address`), { code: "ENOTPUBLIC" }), []);
      } else if (options.all) callback(null, allowed);
      else callback(null, first.address, first.family);
    });
  };
}
