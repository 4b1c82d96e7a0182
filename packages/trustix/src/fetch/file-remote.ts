// A directory as a remote: `file:///var/cache/nix`. The directory is the operator's own, its contents may not be.
import { constants } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";
import { relative, resolve } from "node:path";
import { Readable } from "node:stream";
import { fileURLToPath, pathToFileURL } from "node:url";
import { TrustixError } from "../errors.ts";
import {
  describe,
  type Remote,
  type RemoteRequest,
  type RemoteResponse,
  reasonOf,
  unreachable,
} from "./remote.ts";

const NOT_FOUND: RemoteResponse = {
  status: 404,
  headers: {},
  get body() {
    return Readable.from([]);
  },
};

/** Reads files below a directory. */
export class FileRemote implements Remote {
  readonly root: URL;
  readonly #directory: string;

  /** @param directory absolute path */
  constructor(directory: string) {
    this.#directory = resolve(directory);
    this.root = pathToFileURL(`${this.#directory}/`);
  }

  async get(url: URL, { signal, offset = 0 }: RemoteRequest): Promise<RemoteResponse> {
    let file: FileHandle;
    try {
      // Not blocking, so that a FIFO in the place of a file cannot hold us up.
      file = await open(this.#pathOf(url), constants.O_RDONLY | constants.O_NONBLOCK);
    } catch (cause) {
      const code = (cause as NodeJS.ErrnoException).code;
      if (code === "ENOENT" || code === "ENOTDIR") return NOT_FOUND;
      if (cause instanceof TrustixError) throw cause;
      throw unreachable(url, reasonOf(cause), cause);
    }
    const stats = await file.stat();
    if (!stats.isFile() || (offset > 0 && offset >= stats.size)) {
      await file.close();
      return NOT_FOUND;
    }
    const length = stats.size - offset;
    return {
      status: offset > 0 ? 206 : 200,
      headers: {
        "content-length": String(length),
        ...(offset > 0 ? { "content-range": `bytes ${offset}-${stats.size - 1}/${stats.size}` } : {}),
      },
      body: file.createReadStream({ start: offset, signal, highWaterMark: 1 << 16 }),
    };
  }

  /** The query is of no meaning to a file system, and dropped. */
  #pathOf(url: URL): string {
    try {
      if (url.protocol !== "file:" || url.host !== "") throw new Error("not a local file");
      const path = fileURLToPath(url);
      const below = relative(this.#directory, path);
      if (below === "" || below.startsWith("..")) throw new Error("outside of the cache's directory");
      return path;
    } catch (cause) {
      throw new TrustixError("PEER_MISBEHAVED", `${describe(url)}: ${reasonOf(cause)}`, { cause });
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {}
}
