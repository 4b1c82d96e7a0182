// All that a node listens to: mirrored logs and signed caches, and what they say of a path.

import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { setImmediate, setTimeout } from "node:timers/promises";
import { DEFAULT_STORE_DIR, hashPartOf } from "@trustix/nix";
import { formatTlogProof, parseNote } from "@trustix/tlog";
import { TrustixError } from "../errors.ts";
import { openPeer, type Peer, type PeerLimits } from "../fetch/peer.ts";
import { DurableFiles } from "../store/durable-files.ts";
import { type FileSystem, nodeFileSystem } from "../store/file-system.ts";
import type { Answer, SubscriptionAnswer } from "../votes/vote.ts";
import type { StoredCheckpoint, StoredClaim } from "./claim-reader.ts";
import { ClaimStore } from "./claim-store.ts";
import type { Evidence, ProvenEntry } from "./evidence.ts";
import type { ShownEntries } from "./log-entries.ts";
import { LogMirror, type Sleep } from "./log-mirror.ts";
import type { LogStatus } from "./log-status.ts";
import {
  type CacheLimits,
  type CacheSubscription,
  defaultCacheLimits,
  defaultMirrorLimits,
  type LogSubscription,
  type MirrorLimits,
} from "./options.ts";
import { recallSighting, Sightings } from "./sightings.ts";
import { type CacheStatus, SignedCache, type SignedCacheDeps } from "./signed-cache.ts";
import { isAbout, keyOf, pathIn, type Subject } from "./subject.ts";

/** How long an answer may take. */
export interface AskOptions {
  /** Caches that have not answered after so long are `unreachable`. Default 2 s. Logs answer at once. */
  readonly budgetMs?: number;
  /** Ends the waiting: caches that have not answered yet are `unreachable`. */
  readonly signal?: AbortSignal;
}

/** What a node listens to, and where it keeps what it heard. */
export interface SubscriptionsOptions {
  /** For the index and the evidence; made when it is missing, its parent is not. */
  readonly directory: string;
  readonly logs?: readonly LogSubscription[];
  readonly caches?: readonly CacheSubscription[];
  /** Default `/nix/store`. */
  readonly storeDir?: string;
  readonly mirrorLimits?: Partial<MirrorLimits>;
  readonly cacheLimits?: Partial<CacheLimits>;
}

/** What the outside world is, for tests to replace. */
export interface SubscriptionsDeps {
  /** Bounds of each request. Default: {@link openPeer}'s. */
  readonly peerLimits?: Partial<PeerLimits>;
  readonly fs?: FileSystem;
  /** Milliseconds since 1970. Default `Date.now`. */
  readonly now?: () => number;
  readonly sleep?: Sleep;
  /** From 0 up to 1. Default `Math.random`; nothing secret depends on it. */
  readonly random?: () => number;
}

/** The claims of all subscriptions, for whoever follows what comes in. */
export interface FollowedClaims {
  /** The claim store: a `ClaimReader` reads it in any thread. */
  readonly path: string;
  /** The logs of protocol `nix`, and the caches by their keys, with their numbers in the store. */
  readonly logs: readonly {
    readonly log: number;
    readonly operator: string;
    readonly subscription: string;
  }[];
  /** Drops the store's change feed up to a number: whoever follows has seen that part. */
  readonly trimFeed: (seq: number) => Promise<void>;
}

/** The state of one subscription. */
export type SubscriptionStatus = LogStatus | CacheStatus;

const DEFAULT_BUDGET_MS = 2000;
/** Keys that are read in one step of `recall`: some milliseconds. */
const RECALL_KEYS = 500;

/** A signed cache, and what was seen of each of its keys. */
interface VotingCache {
  readonly cache: SignedCache;
  readonly sightings: readonly Sightings[];
}

/** The subscriptions of a node. Each log is followed in a loop of its own, from `open` to disposal. */
export class Subscriptions implements AsyncDisposable {
  readonly #store: ClaimStore;
  readonly #logs: readonly LogMirror[];
  readonly #caches: readonly VotingCache[];
  readonly #storeDir: string;
  readonly #peers: readonly Peer[];
  readonly #stop = new AbortController();
  readonly #loops: Promise<unknown>;

  private constructor(
    store: ClaimStore,
    logs: readonly LogMirror[],
    caches: readonly VotingCache[],
    storeDir: string,
    peers: readonly Peer[],
  ) {
    this.#store = store;
    this.#logs = logs;
    this.#caches = caches;
    this.#storeDir = storeDir;
    this.#peers = peers;
    this.#loops = Promise.all(logs.map((log) => log.run(this.#stop.signal)));
  }

  /**
   * Opens what was stored, answers from it at once, and begins to follow the logs.
   *
   * Throws `INVALID_ARGUMENT` for names that are not unique, and for unusable addresses, keys and policies; and what
   * `ClaimStore.open` throws.
   */
  static async open(options: SubscriptionsOptions, deps: SubscriptionsDeps = {}): Promise<Subscriptions> {
    const { directory, logs = [], caches = [], storeDir = DEFAULT_STORE_DIR } = options;
    checkUnique([...logs, ...caches].map(({ name }) => name));
    checkUnique(logs.map(({ origin, key, protocol = "nix" }) => `log ${origin} ${key} ${protocol}`));
    const { fs = nodeFileSystem, now = Date.now, random = Math.random, sleep = defaultSleep } = deps;
    await mkdir(directory, { recursive: false }).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== "EEXIST")
        throw new TrustixError("STORAGE_FAILED", `cannot make ${directory}`, { cause: error });
    });
    const peers: Peer[] = [];
    const open = (address: string): Peer => {
      const peer = openPeer(address, deps.peerLimits);
      peers.push(peer);
      return peer;
    };
    const store = await ClaimStore.open(join(directory, "claims.db"));
    try {
      const common = { storeDir, now, random };
      const mirrorDeps = {
        ...common,
        store,
        files: new DurableFiles(fs, directory),
        evidenceDirectory: join(directory, "evidence"),
        limits: { ...defaultMirrorLimits, ...options.mirrorLimits },
        sleep,
      };
      const mirrors = [];
      for (const log of logs) {
        mirrors.push(await LogMirror.open(log, { ...mirrorDeps, peer: open(log.address) }));
      }
      const { maxStatementBytes } = mirrorDeps.limits;
      const limits = { ...defaultCacheLimits, ...options.cacheLimits };
      const signed: VotingCache[] = [];
      for (const cache of caches) {
        const sightings = new Map<string, Sightings>();
        const onSigned: SignedCacheDeps["onSigned"] = (key, path, statement) =>
          sightings.get(key)?.add(path, statement);
        const voter = await SignedCache.open(cache, {
          ...common,
          limits,
          peer: open(cache.address),
          onSigned,
        });
        for (const key of cache.keys)
          sightings.set(key, await Sightings.open(cache.name, key, { store, now, maxStatementBytes }));
        signed.push({ cache: voter, sightings: [...sightings.values()] });
      }
      return new Subscriptions(store, mirrors, signed, storeDir, peers);
    } catch (error) {
      await store[Symbol.asyncDispose]();
      await disposeAll(peers);
      throw error;
    }
  }

  /**
   * What every subscription says of a subject, in the order of the options, logs first. Logs of another protocol are left
   * out, and caches for `raw`. Logs answer from what was read; caches are asked, all at once, and only when there is one to
   * wait for the result is a promise. Never rejects because of a subscription.
   *
   * Throws `INVALID_ARGUMENT` for a malformed hash part.
   */
  ask(
    subject: Subject,
    options: AskOptions = {},
  ): readonly SubscriptionAnswer[] | Promise<readonly SubscriptionAnswer[]> {
    const stored = this.#stored(subject);
    const logs = this.#logsFor(subject).map((log) => {
      const claims = stored.filter((claim) => claim.log === log.id);
      return answerOf(log.subscription, log.answer(claims));
    });
    if (subject.protocol !== "nix" || this.#caches.length === 0) return logs;
    const { hashPart } = subject;
    const asked = this.#caches.map(({ cache }) => cache.ask(hashPart));
    const withCaches = (answers: readonly Answer[]): readonly SubscriptionAnswer[] => [
      ...logs,
      ...answers.map((answer, i) => answerOf(this.#caches[i]!.cache.subscription, answer)),
    ];
    if (!asked.some((answer) => answer instanceof Promise)) return withCaches(asked as Answer[]);
    return waitFor(asked, options).then(withCaches);
  }

  /** The state of every subscription, in the order of the options, logs first. */
  status(): SubscriptionStatus[] {
    return [...this.#logs.map((log) => log.status()), ...this.#caches.map(({ cache }) => cache.status())];
  }

  /**
   * Lets a quarantined log count again; see `LogMirror.clear`. It is looked at when its turn comes.
   *
   * Throws `NOT_FOUND` when there is no log of that name.
   */
  async clear(name: string, options: { readonly forget?: boolean } = {}): Promise<void> {
    await this.#log(name).clear(options);
  }

  /**
   * Evidence that a log states two different things of one subject. Fetches the entries from the log.
   *
   * Throws `NOT_FOUND` when there is no such log or it does not contradict itself.
   */
  async contradiction(name: string, subject: Subject, signal?: AbortSignal): Promise<Evidence> {
    const log = this.#log(name);
    const claims = this.#stored(subject).filter((claim) => claim.log === log.id);
    return log.contradiction(claims, signal);
  }

  /**
   * The `.tlog-proof` file of an entry of a log: anyone can check it with the log's key. Fetches the entry from the log.
   *
   * Throws `NOT_FOUND` when there is no such log, or no such entry in its newest accepted checkpoint.
   */
  async prove(name: string, index: number, signal?: AbortSignal): Promise<string> {
    const [proven] = await this.#log(name).prove([index], signal);
    const { entry, proof, checkpoint } = proven as ProvenEntry;
    return formatTlogProof({ extra: entry, index, hashes: proof, checkpoint: parseNote(checkpoint) });
  }

  /** A log with its newest accepted checkpoints, newest first, up to a number. Throws `NOT_FOUND` when there is no such log. */
  checkpoints(
    name: string,
    limit: number,
  ): { readonly subscription: LogSubscription; readonly checkpoints: readonly StoredCheckpoint[] } {
    const log = this.#log(name);
    return { subscription: log.subscription, checkpoints: log.checkpoints(limit) };
  }

  /** See `LogMirror.entries`. Throws `NOT_FOUND` when there is no such log. */
  async entries(
    name: string,
    { before, limit }: { readonly before?: number | undefined; readonly limit: number },
    signal?: AbortSignal,
  ): Promise<ShownEntries> {
    return this.#log(name).entries(before, limit, signal);
  }

  /** What whoever follows the claims needs. */
  get claims(): FollowedClaims {
    const of = (log: number, { operator, name: subscription }: LogSubscription | CacheSubscription) => ({
      log,
      operator,
      subscription,
    });
    return {
      path: this.#store.path,
      logs: [
        ...this.#nixLogs.map(({ id, subscription }) => of(id, subscription)),
        ...this.#caches.flatMap(({ cache, sightings }) =>
          sightings.map(({ id }) => of(id, cache.subscription)),
        ),
      ],
      trimFeed: (seq) => this.#store.trimFeed(seq),
    };
  }

  /** Store paths of a name, or of any version of it, that there are claims on; up to a number, in no meaningful order. */
  find(name: string, limit: number): string[] {
    const statements = this.#store.named(this.#storeDir, name, limit);
    return [...new Set(statements.map((statement) => statement.slice(2, statement.indexOf(";", 2))))];
  }

  /**
   * What the logs of protocol `nix` say, and what caches last said, of every path that there is a claim on: as {@link ask}
   * gives it, but nobody is asked.
   */
  async *recall(): AsyncGenerator<{
    readonly hashPart: string;
    readonly answers: readonly SubscriptionAnswer[];
  }> {
    const logs = this.#nixLogs;
    const ids = new Set(this.claims.logs.map(({ log }) => log));
    for (const page of this.#store.pages(RECALL_KEYS)) {
      const groups = Map.groupBy(
        page.filter(({ log }) => ids.has(log)),
        ({ statement }) => hashPartOf(pathIn(statement)),
      );
      for (const [hashPart, claims] of groups) {
        const answers = [
          ...logs.map((log) =>
            answerOf(log.subscription, log.answer(claims.filter((claim) => claim.log === log.id))),
          ),
          ...this.#caches.map(({ cache, sightings }) =>
            answerOf(cache.subscription, recallSighting(sightings, claims)),
          ),
        ];
        yield { hashPart, answers };
      }
      await setImmediate();
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort(new TrustixError("CLOSED", "the node is stopping"));
    await Promise.all([this.#loops, ...this.#caches.map(({ cache }) => cache.close())]);
    await Promise.all(
      this.#caches.flatMap(({ sightings }) => sightings.map((each) => each[Symbol.asyncDispose]())),
    );
    await this.#store[Symbol.asyncDispose]();
    await disposeAll(this.#peers);
  }

  #stored(subject: Subject): StoredClaim[] {
    return this.#store.claims(keyOf(subject)).filter(({ statement }) => isAbout(statement, subject));
  }

  #logsFor(subject: Subject): readonly LogMirror[] {
    return this.#logs.filter(({ subscription }) => (subscription.protocol ?? "nix") === subject.protocol);
  }

  get #nixLogs(): readonly LogMirror[] {
    return this.#logs.filter(({ subscription }) => (subscription.protocol ?? "nix") === "nix");
  }

  #log(name: string): LogMirror {
    const log = this.#logs.find(({ subscription }) => subscription.name === name);
    if (log !== undefined) return log;
    throw new TrustixError("NOT_FOUND", `there is no subscription to a log that is called ${name}`, {
      hint: "`trustix status` shows the subscriptions.",
    });
  }
}

const defaultSleep: Sleep = (durationMs, signal) => setTimeout(durationMs, undefined, { signal });

/** Answers of caches; `unreachable` of those that are not there in time. */
async function waitFor(
  asked: readonly (Answer | Promise<Answer>)[],
  { budgetMs = DEFAULT_BUDGET_MS, signal }: AskOptions,
): Promise<readonly Answer[]> {
  const limit = Promise.withResolvers<Answer>();
  const giveUp = (reason: string) => limit.resolve({ kind: "unreachable", reason });
  const abort = () => giveUp("the question was withdrawn");
  if (signal?.aborted) abort();
  signal?.addEventListener("abort", abort, { once: true });
  const timer = globalThis.setTimeout(() => giveUp(`no answer within ${budgetMs} ms`), budgetMs);
  try {
    return await Promise.all(asked.map((answer) => Promise.race([answer, limit.promise])));
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener("abort", abort);
  }
}

async function disposeAll(peers: readonly Peer[]): Promise<void> {
  await Promise.all(peers.map((peer) => peer[Symbol.asyncDispose]()));
}

function answerOf(
  { operator, name }: { readonly operator: string; readonly name: string },
  answer: Answer,
): SubscriptionAnswer {
  return { operator, subscription: name, answer };
}

function checkUnique(names: readonly string[]): void {
  const repeated = names.find((name, i) => names.indexOf(name) !== i);
  if (repeated !== undefined) {
    throw new TrustixError("INVALID_ARGUMENT", `subscription ${repeated} is there twice`);
  }
}
