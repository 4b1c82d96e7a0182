// Where another node or a cache is: the addresses that a subscription may have.
//
//     https://host/prefix   http://host/prefix
//     unix:/run/peer.sock   unix:/run/peer.sock:/prefix     HTTP over a Unix socket
//     file:///directory                                     files of this machine

import { fileURLToPath } from "node:url";
import { TrustixError } from "../errors.ts";

/** A parsed address. Prefixes end in a slash. */
export type PeerAddress =
  | { readonly kind: "http"; readonly base: URL }
  | { readonly kind: "unix"; readonly socketPath: string; readonly prefix: string }
  | { readonly kind: "file"; readonly directory: string };

const MAX_LENGTH = 2048;
/** What `sockaddr_un` holds on Linux, without the final NUL. */
const MAX_SOCKET_PATH_BYTES = 107;

/**
 * Parses the address of a peer.
 *
 * Throws `INVALID_ARGUMENT` for other schemes, and for credentials, queries and fragments.
 */
export function parsePeerAddress(text: string): PeerAddress {
  if (text.length > MAX_LENGTH) throw invalid(text, "is too long");
  if (text.startsWith("unix:")) return parseUnix(text);
  const url = URL.parse(text);
  if (url === null) throw invalid(text, "is not a URL");
  if (url.username !== "" || url.password !== "") throw invalid(text, "must not contain a password");
  if (url.search !== "" || url.hash !== "") throw invalid(text, "must not have a query or fragment");
  if (!url.pathname.endsWith("/")) url.pathname += "/";
  switch (url.protocol) {
    case "http:":
    case "https:":
      return { kind: "http", base: url };
    case "file:":
      if (url.host !== "") throw invalid(text, "must name a directory of this machine: file:///path");
      return { kind: "file", directory: fileURLToPath(url) };
    default:
      throw invalid(text, "must begin with https://, http://, unix: or file:///");
  }
}

function parseUnix(text: string): PeerAddress {
  const [, socketPath = "", prefix = "/"] = /^unix:(\/[^:]*)(?::(\/[^?#]*))?$/.exec(text) ?? [];
  if (socketPath === "") throw invalid(text, "is not unix:/absolute/path or unix:/absolute/path:/prefix");
  if (Buffer.byteLength(socketPath) > MAX_SOCKET_PATH_BYTES) {
    throw invalid(text, `has a socket path of more than ${MAX_SOCKET_PATH_BYTES} bytes`);
  }
  return { kind: "unix", socketPath, prefix: prefix.endsWith("/") ? prefix : `${prefix}/` };
}

function invalid(text: string, why: string): TrustixError {
  const shown = JSON.stringify(text.length > 200 ? `${text.slice(0, 200)}…` : text);
  return new TrustixError("INVALID_ARGUMENT", `address ${shown} ${why}`, {
    hint: "Write https://host/prefix, http://host/prefix, unix:/path/of.sock or file:///directory.",
  });
}
