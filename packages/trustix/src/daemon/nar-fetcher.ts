// Gets the very bytes that somebody stated, from whichever cache that this node knows has them: the upstream caches, the
// signed caches that it listens to, and the caches that builders have beside the logs that it listens to. None is trusted.
import { hashPartOf, parseNixStatement, type StorePath } from "@trustix/nix";
import type { Config } from "../config/load.ts";
import type { NarReceiver } from "../diff/nar-comparison.ts";
import type { StatedNar } from "../diff/unpack-nar.ts";
import { TrustixError } from "../errors.ts";
import { openRemote } from "../fetch/open-remote.ts";
import type { PaceLimits } from "../fetch/pace.ts";
import type { Remote } from "../fetch/remote.ts";
import { Download } from "../substitute/download.ts";
import { narHashText } from "../substitute/nar-name.ts";
import { type Source, SourceSearch } from "../substitute/source-search.ts";
import { Upstream } from "../substitute/upstream.ts";
import { VERSION } from "../version.ts";
import { readNetrc } from "./substituting.ts";

/** A NAR as it was stated. */
export interface WantedNar {
  readonly storePath: StorePath;
  readonly narHash: { readonly algorithm: "sha256"; readonly bytes: Uint8Array };
  readonly narSize: number;
}

/** The NAR that a statement is about. @throws NixError as `parseNixStatement` */
export function wantedNar(statement: string, storeDir: string): WantedNar {
  const { storePath, narHash, narSize } = parseNixStatement(statement, storeDir);
  return { storePath, narHash: { algorithm: "sha256", bytes: narHash.bytes }, narSize };
}

/** Takes bytes of a compression that is to become a NAR. */
export type Receive = (compression: string, stated: StatedNar) => NarReceiver;

const NARINFO_TIMEOUT_MS = 15_000;
const NARINFO_MEMORY = 1 << 20;
const PACE: PaceLimits = { idleMs: 30_000, minBytesPerSecond: 1024, windowMs: 20_000 };
/** Once one cache has it, how much longer others may take, so that there is a choice. */
const GRACE_MS = 25;
const MAX_RESUMES = 4;

/** Where a log's node has its binary cache, if it has one; undefined for a log that is not at a node's usual place. */
function cacheBeside(logUrl: string): string | undefined {
  return /\/log\/[^/]+\/$/.test(logUrl) ? logUrl.replace(/log\/[^/]+\/$/, "cache/") : undefined;
}

export class NarFetcher implements AsyncDisposable {
  readonly #upstreams: readonly Upstream[];
  readonly #remotes: readonly Remote[];

  private constructor(upstreams: readonly Upstream[], remotes: readonly Remote[]) {
    this.#upstreams = upstreams;
    this.#remotes = remotes;
  }

  /**
   * Knows the caches of a configuration; asks none yet.
   * @param now monotonic milliseconds
   * @throws TrustixError `CONFIG_INVALID`, `INVALID_ARGUMENT`
   */
  static async open(config: Config, now: () => number): Promise<NarFetcher> {
    const { upstream, subscription, substitute, nix } = config;
    const netrc = await readNetrc(substitute.netrcFile);
    const userAgent = `trustix/${VERSION}`;
    const remotes = new Map<string, { readonly name: string; readonly remote: Remote }>();
    const add = (name: string, url: string, open: () => Remote): void => {
      if (!remotes.has(url)) remotes.set(url, { name, remote: open() });
    };
    for (const { name, url, narOrigins } of upstream) {
      add(name, url, () => openRemote(url, { foreign: narOrigins, netrc, userAgent }));
    }
    for (const { name, url, publicKeys } of subscription) {
      const cache = publicKeys === undefined ? cacheBeside(url) : url;
      if (cache !== undefined) add(name, cache, () => openRemote(cache, { foreign: "public", userAgent }));
    }
    const all = [...remotes.values()];
    const upstreams = all.map(
      ({ name, remote }) =>
        new Upstream({
          name,
          remote,
          verifiers: [],
          storeDir: nix.storeDir,
          narInfoTimeoutMs: NARINFO_TIMEOUT_MS,
          cacheBytes: NARINFO_MEMORY,
          now,
          onFailure: () => {},
        }),
    );
    return new NarFetcher(
      upstreams,
      all.map(({ remote }) => remote),
    );
  }

  /**
   * Downloads a NAR. Whatever one cache gets wrong, the next may have right.
   * @param receive called once for each attempt
   * @throws TrustixError `NAR_UNAVAILABLE`, `STORAGE_FAILED`; the signal's reason
   */
  async fetch(wanted: WantedNar, receive: Receive, signal: AbortSignal): Promise<void> {
    const { storePath, narHash, narSize } = wanted;
    const hash = narHashText(narHash);
    const search = new SourceSearch(
      this.#upstreams,
      hashPartOf(storePath),
      (info) =>
        info.storePath === storePath && info.narSize === narSize && narHashText(info.narHash) === hash,
    );
    const tried = new Set<Source>();
    const faults: string[] = [];
    const isNew = (source: Source): boolean => !tried.has(source);
    for (;;) {
      await search.wait((sources) => sources.some(isNew), GRACE_MS, signal);
      signal.throwIfAborted();
      const [source] = search.sources.filter(isNew).sort((a, b) => a.upstream.rank - b.upstream.rank);
      if (source === undefined) break;
      tried.add(source);
      try {
        await this.#download(source, search, wanted, receive, signal);
        return;
      } catch (error) {
        signal.throwIfAborted();
        if (!(error instanceof TrustixError) || error.code === "STORAGE_FAILED" || error.code === "INTERNAL")
          throw error;
        faults.push(`${source.upstream.name}: ${error.message}`);
      }
    }
    const reasons = [...faults, ...search.misses];
    const asked = this.#upstreams.map(({ name }) => name).join(", ");
    throw new TrustixError(
      "NAR_UNAVAILABLE",
      `no cache delivers sha256:${hash} of ${storePath}${reasons.length === 0 ? "" : ` (${reasons.join("; ")})`}`,
      {
        hint:
          asked === ""
            ? "Add an [[upstream]] that has it."
            : `Asked: ${asked}. Add an [[upstream]] that has it, such as the builder's own cache.`,
      },
    );
  }

  async #download(
    source: Source,
    search: SourceSearch,
    { narHash, narSize }: WantedNar,
    receive: Receive,
    signal: AbortSignal,
  ): Promise<void> {
    let resumes = 0;
    const download = new Download(source, {
      expected: { narHash, narSize },
      createVerifier: (compression) => receive(compression, { digest: narHash.bytes, narSize }),
      pace: PACE,
      nextOfFile: async (file) => {
        if (resumes++ >= MAX_RESUMES) return undefined;
        return search.sources
          .filter((each) => each.file === file)
          .sort((a, b) => a.upstream.rank - b.upstream.rank)[0];
      },
      onFailure: ({ upstream }, error) => {
        const isOurs =
          error instanceof TrustixError && (error.code === "STORAGE_FAILED" || error.code === "INTERNAL");
        if (!isOurs) upstream.fail(error);
      },
      signal,
    });
    try {
      await download.start();
      for await (const _ of download.chunks());
      for (const { upstream } of download.contributors) upstream.succeed();
    } catch (error) {
      if (error instanceof TrustixError && error.code === "NAR_MISMATCH") {
        for (const { upstream } of download.contributors) upstream.markWrong(narHashText(narHash));
      }
      throw error;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#remotes.map((remote) => remote[Symbol.asyncDispose]()));
  }
}
