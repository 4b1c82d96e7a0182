// From the URL in a configuration to a remote.
import { FileRemote } from "./file-remote.ts";
import { HttpRemote, type HttpRemoteOptions } from "./http-remote.ts";
import type { Credentials } from "./netrc.ts";
import { parsePeerAddress } from "./peer-address.ts";
import type { Remote } from "./remote.ts";

/** What may be said of a remote besides its URL. */
export interface OpenRemoteOptions extends Omit<HttpRemoteOptions, "root" | "socketPath" | "credentials"> {
  /** Logins by host name, from a netrc file. */
  readonly netrc?: ((host: string) => Credentials | undefined) | undefined;
}

/** Host in the requests over a unix socket; no name server knows it. */
const SOCKET_HOST = "http://localhost.invalid";

/**
 * A remote at an address, as `parsePeerAddress` takes it. Connects to nothing yet.
 * @throws TrustixError `INVALID_ARGUMENT` for any other text
 */
export function openRemote(text: string, options: OpenRemoteOptions = {}): Remote {
  const { netrc, ...rest } = options;
  const address = parsePeerAddress(text);
  switch (address.kind) {
    case "http": {
      const { base: root } = address;
      return new HttpRemote({ ...rest, root, credentials: netrc?.(root.hostname) });
    }
    case "unix": {
      const { socketPath, prefix } = address;
      return new HttpRemote({ ...rest, root: new URL(prefix, SOCKET_HOST), socketPath });
    }
    case "file":
      return new FileRemote(address.directory);
    default:
      return address satisfies never;
  }
}
