// What Nix has registered of the paths that clients ask for: many questions at once become one command, and answers are
// kept as long as the path on disk is the same thing. Who asks for a path asks for its references next, so these are
// looked up ahead.
import { lstat } from "node:fs/promises";
import { type DumpDbEntry, isStorePath, type StorePath } from "@trustix/nix";
import type { LocalNix } from "../nix/local-nix.ts";
import type { StoreNames } from "./store-names.ts";

/** A valid path, as it is served. */
export interface ServedPath {
  readonly info: DumpDbEntry;
  /** Changes when the path is deleted, rebuilt or repaired; not when something inside of it is changed. */
  readonly stamp: string;
}

/** Paths remembered; about 1 KiB each. */
const MAX_REMEMBERED = 8192;
/** Paths that are looked up ahead after one question. */
const MAX_AHEAD = 1000;
/** Paths of one command. */
const MAX_BATCH = 500;

interface Question {
  readonly path: StorePath;
  readonly resolve: (info: DumpDbEntry | undefined) => void;
  readonly reject: (error: unknown) => void;
}

/** Looks up store paths for the binary cache. */
export class ServedPaths {
  readonly #nix: Pick<LocalNix, "queryPathInfo" | "storeDir">;
  readonly #names: StoreNames;
  readonly #stampOf: (path: string) => Promise<string | undefined>;
  readonly #known = new Map<StorePath, ServedPath>();
  /** Look-ups that are under way. */
  readonly #pending = new Map<StorePath, Promise<ServedPath | undefined>>();
  #questions: Question[] = [];
  #isAsking = false;

  constructor(
    nix: Pick<LocalNix, "queryPathInfo" | "storeDir">,
    names: StoreNames,
    stampOf: (path: string) => Promise<string | undefined> = fileStamp,
  ) {
    this.#nix = nix;
    this.#names = names;
    this.#stampOf = stampOf;
  }

  /**
   * The valid path with a hash part, if there is one.
   * @throws TrustixError `NIX_UNAVAILABLE`, `NIX_OUTPUT_INVALID`
   */
  async find(hashPart: string): Promise<ServedPath | undefined> {
    for (const name of await this.#names.withHashPart(hashPart)) {
      const path = `${this.#nix.storeDir}/${name}`;
      if (!isStorePath(path, this.#nix.storeDir)) continue;
      const served = await this.#lookUp(path, { left: MAX_AHEAD });
      if (served !== undefined) return served;
    }
    return undefined;
  }

  async #lookUp(path: StorePath, ahead: { left: number }): Promise<ServedPath | undefined> {
    const stamp = await this.#stampOf(path);
    if (stamp === undefined) {
      this.#known.delete(path);
      return undefined;
    }
    // An answer given for the same stamp is still right, whenever its question was asked.
    const known = this.#known.get(path) ?? (await this.#pending.get(path));
    if (known?.stamp === stamp) return known;
    const asked = this.#register(path, stamp, ahead);
    this.#pending.set(path, asked);
    try {
      return await asked;
    } finally {
      if (this.#pending.get(path) === asked) this.#pending.delete(path);
    }
  }

  async #register(path: StorePath, stamp: string, ahead: { left: number }): Promise<ServedPath | undefined> {
    this.#known.delete(path);
    const info = await this.#ask(path);
    if (info === undefined) return undefined;
    // The stamp was taken before the question, so what came in between makes the next look-up ask again.
    const served = { info, stamp };
    this.#known.set(path, served);
    if (this.#known.size > MAX_REMEMBERED) this.#known.delete(this.#known.keys().next().value!);
    for (const reference of info.references) {
      if (this.#known.has(reference) || this.#pending.has(reference) || ahead.left === 0) continue;
      ahead.left--;
      // A failure shows when a client asks for it.
      this.#lookUp(reference, ahead).catch(() => {});
    }
    return served;
  }

  #ask(path: StorePath): Promise<DumpDbEntry | undefined> {
    const { promise, resolve, reject } = Promise.withResolvers<DumpDbEntry | undefined>();
    this.#questions.push({ path, resolve, reject });
    if (!this.#isAsking) void this.#askAll();
    return promise;
  }

  /** One command at a time; what is asked meanwhile goes into the next. */
  async #askAll(): Promise<void> {
    this.#isAsking = true;
    while (this.#questions.length > 0) {
      const batch = this.#questions.splice(0, MAX_BATCH);
      try {
        const infos = await this.#nix.queryPathInfo(batch.map(({ path }) => path));
        const byPath = new Map(infos.map((info) => [info.storePath, info]));
        for (const { path, resolve } of batch) resolve(byPath.get(path));
      } catch (error) {
        for (const { reject } of batch) reject(error);
      }
    }
    this.#isAsking = false;
  }
}

async function fileStamp(path: string): Promise<string | undefined> {
  const stats = await lstat(path, { bigint: true }).catch(() => undefined);
  return stats && `${stats.ino} ${stats.ctimeNs}`;
}
