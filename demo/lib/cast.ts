// Who takes part in the story, and what they can do. How they do it depends on whether there is a Nix here.

import distribution from "../distribution.json" with { type: "json" };
import type { NodeProcess } from "./node-process.ts";
import type { Peer, User } from "./user.ts";

/** A builder with its node. */
export interface CastBuilder extends Peer {
  readonly cacheUrl: string;
  /** The key that signs the narinfos of its cache. */
  readonly cacheKey: string;
  readonly node: NodeProcess;
  /** Claims that its log has published. */
  claims(): Promise<number>;
}

/** A binary cache, and the only one, of somebody who installs. */
export interface TrustedCache {
  readonly url: string;
  readonly publicKey: string;
}

/** What came of installing a package. */
export interface Installed {
  /** What the installing program said. */
  readonly log: string;
  readonly storePath: string;
  /** 52 characters of nix32. */
  readonly narHash: string;
  /** Built here, because no cache had it. */
  readonly isBuilt: boolean;
  /** What the installed program prints. */
  readonly output: string;
}

/** Names of packages by what they are called in commands. */
export const PACKAGES = {
  words: "words-1.0",
  hello: "hello-1.0",
  clock: "clock-1.0",
  hello2: "hello-2.0",
} as const;
export type PackageName = keyof typeof PACKAGES;

/** What else they build: names without version, programs with a manual and libraries with a header as a second output. */
export const DISTRIBUTION: { readonly programs: readonly string[]; readonly libraries: readonly string[] } =
  distribution;
/** Store paths that the distribution comes to. */
export const DISTRIBUTION_PATHS = 2 * (DISTRIBUTION.programs.length + DISTRIBUTION.libraries.length);

export const BUILDERS = ["alice", "bob", "chuck", "dan"] as const;
export type BuilderName = (typeof BUILDERS)[number];

/** What the line that Chuck's intruder adds to programs prints. It does no more than that. */
export const BACKDOOR = "[backdoor] Your keys are on their way to evil.example.";

/** The cast. Whatever it starts is ended with the stack that it was made with. */
export interface Cast {
  /** Words for the program that installs: `nix-store -r`. */
  readonly installer: string;
  readonly builders: ReadonlyMap<BuilderName, CastBuilder>;
  readonly user: User;
  /** Builds packages at some builders at the same time, and returns the store paths once they are published. */
  build(builders: readonly BuilderName[], packages: readonly PackageName[]): Promise<readonly string[]>;
  /** Builds the distribution at all builders at the same time, and returns once it is published. */
  buildDistribution(): Promise<void>;
  /** Installs `hello` or `hello2` for somebody who knows one cache only, and runs it. */
  install(who: "you" | "victim", cache: TrustedCache, what: PackageName): Promise<Installed>;
  /** Commands to try, besides those of the nodes: what each is for, and the command. */
  readonly suggestions: readonly (readonly [string, string])[];
}

/** What a cast needs. */
export interface CastOptions {
  /** An empty folder. */
  readonly directory: string;
  readonly stack: AsyncDisposableStack;
  /** Ends commands under way. */
  readonly signal: AbortSignal;
}

/** All of them, or the first failure; either way none is under way any more. */
export async function all<T>(promises: readonly Promise<T>[]): Promise<T[]> {
  await Promise.allSettled(promises);
  return await Promise.all(promises);
}
