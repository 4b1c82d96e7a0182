// From the URL in a configuration to a remote.
import { fileURLToPath } from "node:url";
import { TrustixError } from "../errors.ts";
import { FileRemote } from "./file-remote.ts";
import { HttpRemote, type HttpRemoteOptions } from "./http-remote.ts";
import type { Credentials } from "./netrc.ts";
import type { Remote } from "./remote.ts";

/** What may be said of a remote besides its URL. */
export interface OpenRemoteOptions extends Omit<HttpRemoteOptions, "root" | "socketPath" | "credentials"> {
  /** Logins by host name, from a netrc file. */
  readonly netrc?: ((host: string) => Credentials | undefined) | undefined;
}

/** Host in the requests over a unix socket; no name server knows it. */
const SOCKET_HOST = "http://localhost.invalid/";

/**
 * A remote for `https://host/prefix/`, `http://…`, `file:///directory` or `unix:/path/to/socket`. Connects to nothing yet.
 * @throws TrustixError `INVALID_ARGUMENT` for any other text
 */
export function openRemote(text: string, options: OpenRemoteOptions = {}): Remote {
  const { netrc, ...rest } = options;
  if (text.startsWith("unix:/")) {
    return new HttpRemote({ ...rest, root: new URL(SOCKET_HOST), socketPath: text.slice("unix:".length) });
  }
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url?.protocol === "file:" && url.host === "") return new FileRemote(fileURLToPath(url));
  if (url === undefined || !/^https?:$/.test(url.protocol) || url.search !== "" || url.hash !== "") {
    throw new TrustixError("INVALID_ARGUMENT", `not a cache's URL: ${JSON.stringify(text.slice(0, 200))}`, {
      hint: "Write https://host/, http://host/, file:///directory or unix:/path/to/socket, without query and fragment.",
    });
  }
  const { username, password } = url;
  url.username = "";
  url.password = "";
  const credentials =
    username === ""
      ? netrc?.(url.hostname)
      : { login: decodeURIComponent(username), password: decodeURIComponent(password) };
  return new HttpRemote({ ...rest, root: url, credentials });
}
