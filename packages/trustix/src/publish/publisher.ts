// Turns builds into claims: asks Nix what it registered of each path, writes the entry, hands it to the log.

import { type DumpDbEntry, formatNixEntry, isDerivationPath, NixError, type StorePath } from "@trustix/nix";
import { TrustixError } from "../errors.ts";
import type { LocalNix } from "../nix/local-nix.ts";
import type { Sleep } from "../sleep.ts";

/** Where claims go: one log of protocol `nix`. */
export interface ClaimSink {
  /**
   * Takes one entry; settles once it is durable. The same statement again is no new claim.
   * @throws TrustixError `PUSHBACK` when too much is waiting; `INVALID_ARGUMENT` when it can never take this entry
   */
  submit(entry: Uint8Array): Promise<{ readonly index: number; readonly isNew: boolean }>;
}

/** Tells whether this log has a claim on a path, whatever it says. */
export type IsClaimed = (path: StorePath) => boolean;

/** How a path came to this store, as far as the caller knows. */
export interface Build {
  readonly path: StorePath;
  /** The derivation that was built. Default: the one that Nix has registered. */
  readonly drvPath?: StorePath | undefined;
  /**
   * `built` becomes `rebuilt` when the path is claimed already. Both say that this builder ran the build: with
   * `--check`, Nix runs the hook only after it found the new output equal to the registered one.
   */
  readonly kind: "built" | "imported";
  /**
   * When the build was over, in milliseconds since 1970. A path that entered the store well after that is another one:
   * the result was garbage collected, and what is there now may have been copied from anywhere.
   */
  readonly finishedMs?: number | undefined;
}

/** What became of one path. */
export type Outcome =
  /** In the log, durably; `isNew` is false when the log had this very statement. */
  | { readonly path: StorePath; readonly status: "claimed"; readonly index: number; readonly isNew: boolean }
  /** Nix no longer has the path: garbage collected. Nothing to claim. */
  | { readonly path: StorePath; readonly status: "gone" }
  /** Nix has the path, but it entered the store after the build was over. Nothing was claimed. */
  | { readonly path: StorePath; readonly status: "replaced" }
  /** The contents on disk are not what Nix registered (`verifyBeforeClaim`). Nothing was claimed. */
  | { readonly path: StorePath; readonly status: "damaged"; readonly reason: string }
  /** The log can never take the entry, or what Nix says of the path cannot be read. */
  | { readonly path: StorePath; readonly status: "refused"; readonly reason: string };

/** What a {@link Publisher} needs. */
export interface PublisherOptions {
  readonly nix: Pick<LocalNix, "queryPathInfo" | "systemOf" | "findDamage" | "registrationTimes">;
  readonly sink: ClaimSink;
  readonly isClaimed: IsClaimed;
  /** Read and hash every path again before claiming it. Nix has just done so, hence off by default. */
  readonly verifyBeforeClaim?: boolean | undefined;
  /** The time in milliseconds since 1970. */
  readonly now: () => number;
  readonly sleep: Sleep;
}

/** A claim to be made. */
interface Claim {
  readonly path: StorePath;
  readonly entry: Uint8Array;
}

/** Wait after a pushback that names no time, in milliseconds. */
const DEFAULT_RETRY_AFTER_MS = 1000;

/** A build that was over this long ago may have been garbage collected and its path copied here since. */
const STALE_AFTER_MS = 5 * 60_000;

/** How far the clocks of Nix's database and of the spool's file system may be apart, in milliseconds. */
const CLOCK_SLACK_MS = 60_000;

/** Turns builds into claims. Holds no state: a batch that failed half-way can simply be published again. */
export class Publisher {
  readonly #options: PublisherOptions;

  constructor(options: PublisherOptions) {
    this.#options = options;
  }

  /**
   * Claims a handful of paths, each once; settles when every claim is durable or will never be. Waits as long as the
   * log pushes back.
   * @returns one outcome for each distinct path, in the order of the builds
   * @throws TrustixError `NIX_UNAVAILABLE`, `NIX_OUTPUT_INVALID` when nothing of what Nix says can be read, or what the
   * log throws when it is out of order: publish the same again later
   */
  async publish(builds: readonly Build[], signal?: AbortSignal): Promise<Outcome[]> {
    const distinct = new Map<StorePath, Build>();
    for (const build of builds) if (!distinct.has(build.path)) distinct.set(build.path, build);
    const { registered, unreadable } = await this.#query([...distinct.keys()], signal);
    const infos = new Map(registered.map((info) => [info.storePath, info]));
    const replaced = await this.#findReplaced(distinct, registered, signal);
    const damages = new Map<StorePath, string>();
    // One at a time: each takes buffers and a core.
    for (const info of this.#options.verifyBeforeClaim ? registered : []) {
      signal?.throwIfAborted();
      const damage = await this.#findDamage(info);
      if (damage !== undefined) damages.set(info.storePath, damage);
    }
    const systems = new Map<StorePath, string | undefined>();
    const prepared: (Claim | Outcome)[] = [];
    for (const build of distinct.values()) {
      const { path } = build;
      const info = infos.get(path);
      const reason = damages.get(path);
      const unread = unreadable.get(path);
      if (unread !== undefined) prepared.push({ path, status: "refused", reason: unread.message });
      else if (info === undefined) prepared.push({ path, status: "gone" });
      else if (replaced.has(path)) prepared.push({ path, status: "replaced" });
      else if (reason !== undefined) prepared.push({ path, status: "damaged", reason });
      else prepared.push(await this.#prepare(build, info, systems));
    }
    // All at once, so that they share a batch of the log, and in order. Settled, not all: no submission may still be
    // under way when this function throws.
    const settled = await Promise.allSettled(
      prepared.map((item) => ("entry" in item ? this.#submit(item, signal) : item)),
    );
    return settled.map((result) => {
      if (result.status === "rejected") throw result.reason;
      return result.value;
    });
  }

  /** What Nix registered, and of which paths that cannot be read: one such path must not hold up all others for ever. */
  async #query(
    paths: readonly StorePath[],
    signal: AbortSignal | undefined,
  ): Promise<{ readonly registered: DumpDbEntry[]; readonly unreadable: Map<StorePath, TrustixError> }> {
    const registered: DumpDbEntry[] = [];
    const unreadable = new Map<StorePath, TrustixError>();
    const queryHalves = async (some: readonly StorePath[]): Promise<void> => {
      try {
        for (const info of await this.#options.nix.queryPathInfo(some, signal)) registered.push(info);
      } catch (error) {
        if (!(error instanceof TrustixError) || error.code !== "NIX_OUTPUT_INVALID") throw error;
        if (some.length === 1) unreadable.set(some[0]!, error);
        else {
          await queryHalves(some.slice(0, some.length >> 1));
          await queryHalves(some.slice(some.length >> 1));
        }
      }
    };
    await queryHalves(paths);
    const [first] = unreadable.values();
    if (first !== undefined && unreadable.size === paths.length) throw first;
    return { registered, unreadable };
  }

  /** Paths that entered the store after the build they are said to come from. */
  async #findReplaced(
    builds: ReadonlyMap<StorePath, Build>,
    registered: readonly DumpDbEntry[],
    signal: AbortSignal | undefined,
  ): Promise<Set<StorePath>> {
    const { nix, now } = this.#options;
    const finished = new Map<StorePath, number>();
    for (const { storePath } of registered) {
      const finishedMs = builds.get(storePath)?.finishedMs;
      if (finishedMs !== undefined && now() - finishedMs > STALE_AFTER_MS)
        finished.set(storePath, finishedMs);
    }
    const replaced = new Set<StorePath>();
    for (const [path, seconds] of await nix.registrationTimes([...finished.keys()], signal)) {
      if (seconds * 1000 > finished.get(path)! + CLOCK_SLACK_MS) replaced.add(path);
    }
    return replaced;
  }

  async #findDamage(info: DumpDbEntry): Promise<string | undefined> {
    try {
      return await this.#options.nix.findDamage(info);
    } catch (error) {
      if (error instanceof NixError) return error.message;
      throw error;
    }
  }

  async #prepare(
    build: Build,
    info: DumpDbEntry,
    systems: Map<StorePath, string | undefined>,
  ): Promise<Claim | Outcome> {
    const { nix, isClaimed } = this.#options;
    const { path } = build;
    const known = build.drvPath ?? info.deriver;
    const deriver = known !== undefined && isDerivationPath(known) ? known : undefined;
    let system: string | undefined;
    if (deriver !== undefined) {
      system = systems.has(deriver) ? systems.get(deriver) : await nix.systemOf(deriver);
      systems.set(deriver, system);
    }
    const kind = build.kind === "built" && isClaimed(path) ? "rebuilt" : build.kind;
    try {
      return { path, entry: formatNixEntry(info, { deriver, system, kind }) };
    } catch (error) {
      if (error instanceof NixError) return { path, status: "refused", reason: error.message };
      throw error;
    }
  }

  async #submit({ path, entry }: Claim, signal: AbortSignal | undefined): Promise<Outcome> {
    const { sink, sleep } = this.#options;
    for (;;) {
      signal?.throwIfAborted();
      try {
        return { path, status: "claimed", ...(await sink.submit(entry)) };
      } catch (error) {
        if (!(error instanceof TrustixError)) throw error;
        if (error.code === "INVALID_ARGUMENT") return { path, status: "refused", reason: error.message };
        if (error.code !== "PUSHBACK") throw error;
        await sleep(error.retryAfterMs ?? DEFAULT_RETRY_AFTER_MS, signal);
      }
    }
  }
}
