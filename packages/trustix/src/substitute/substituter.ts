// The Nix binary cache at the node's root, filtered by the policy: a path's narinfo and NAR are served when the policy
// accepts a statement on it and some cache has the very bytes stated.
//
// Only what the statement says is signed. Every answer to a well-formed URL is 200, 206, 304, 404 or 416: Nix takes most
// others for the end of the build. Why it is 404 stands in the header `Trustix-Reason`.
import type { IncomingMessage, ServerResponse } from "node:http";
import {
  DEFAULT_STORE_DIR,
  formatCacheInfo,
  formatFingerprint,
  formatNarInfo,
  formatNixStatement,
  isHashPart,
  type NarInfo,
  type ParsedNarInfo,
  provesItself,
  provesNarHash,
  type Signature,
  type Signer,
  type Verifier,
} from "@trustix/nix";
import type { PaceLimits } from "../fetch/pace.ts";
import type { Remote } from "../fetch/remote.ts";
import { ByteCache } from "../http/byte-cache.ts";
import type { Route } from "../http/public-server.ts";
import { etagOf, type Found, type Notice, type Representation, sendFound } from "../http/representation.ts";
import type { Decide, SubstituteDecision } from "./decision.ts";
import { type Refusal, reasonHeader, refusal, type SubstituterEvent } from "./events.ts";
import { NarDelivery } from "./nar-delivery.ts";
import { formatNarName, type NarName, narHashText, parseNarName } from "./nar-name.ts";
import { type CreateNarVerifier, narVerifiers } from "./nar-verifier.ts";
import { type Accepts, type Source, SourceSearch } from "./source-search.ts";
import { Upstream, type UpstreamStatus } from "./upstream.ts";
import { XzPool } from "./xz-pool.ts";

/** A cache that NARs may come from. */
export interface UpstreamOptions {
  /** For explanations and logs; unique. */
  readonly name: string;
  readonly remote: Remote;
  /** Whose NARs are preferred: lower comes first; from 0 to 1,000. Default 50. */
  readonly priority?: number;
  /** Keys of this cache: signatures by them are passed on in our narinfos once they are verified. Default none. */
  readonly verifiers?: readonly Verifier[];
}

/** How the substituter behaves. */
export interface SubstituterOptions {
  readonly upstreams: readonly UpstreamOptions[];
  /** Default `/nix/store`. */
  readonly storeDir?: string;
  /** `Priority` of our cache; default 20, before cache.nixos.org. */
  readonly priority?: number;
  /** Default true. */
  readonly wantMassQuery?: boolean;
  /**
   * Serve paths that need nobody's word, because their own name proves their content (sources fetched with a known
   * hash), when the policy has none. Default true.
   */
  readonly selfProving?: boolean;
  /** Time for a decision and for finding a cache, in milliseconds; default 5,000. */
  readonly budgetMs?: number;
  /** NARs up to this size are verified before their first byte is sent; default 1 MiB. */
  readonly verifyFirstBytes?: number;
  /** Threads that verify xz; default 2. */
  readonly xzWorkers?: number;
  /** The program `xz`, which takes large files if it is there; default: all is done without it. */
  readonly xzProgram?: string | undefined;
  /** NARs that are downloaded at one time; default 64. */
  readonly maxDownloads?: number;
  /** How slow a cache may be while it sends a NAR; default 30 s of silence, 1,024 bytes a second over 20 s. */
  readonly pace?: PaceLimits;
  /** Memory for narinfos and small NARs in all; default 64 MiB. */
  readonly cacheBytes?: number;
}

/** What the substituter needs from outside. */
export interface SubstituterDependencies {
  readonly decide: Decide;
  /** Signs our narinfos. */
  readonly signer: Signer;
  /** Monotonic milliseconds. */
  readonly now: () => number;
  readonly onEvent?: (event: SubstituterEvent) => void;
  /** How NARs are verified; default: decompressed and hashed. */
  readonly createVerifier?: CreateNarVerifier;
}

/** What happened since the start. */
export interface SubstituterStats {
  readonly narInfos: number;
  readonly nars: number;
  readonly narBytes: number;
  /** 404 by reason. */
  readonly refusals: Readonly<Record<string, number>>;
  readonly upstreams: readonly UpstreamStatus[];
}

/** A path that may be served. */
interface Accepted {
  /** What was decided on; the caches' narinfos have to say the same. */
  readonly accepts: Accepts;
  /** The statement, or `undefined` when the path proves itself: then whatever cache has it may tell. */
  readonly statement: string | undefined;
  readonly deriver: NarInfo["deriver"];
}

/** A narinfo of ours, ready to be sent. */
interface Rendered {
  readonly statement: string;
  readonly representation: Representation;
  readonly untilMs: number;
}

/** Clients of the same path may ask again after this: the policy may have changed its mind. */
const NARINFO_CACHE = "public, max-age=60";
const RENDERED_MS = 10 * 60_000;
/** Once one cache has it, how much longer others may take, so that the one with more company is chosen. */
const GRACE_MS = 25;
const PACE: PaceLimits = { idleMs: 30_000, minBytesPerSecond: 1_024, windowMs: 20_000 };
/** Most reasons that are counted apart; a policy may make up its own. */
const MAX_REASONS = 64;

/** The substituter. Its route goes to the public listener. */
export class Substituter implements AsyncDisposable {
  readonly #options: SubstituterOptions;
  readonly #dependencies: SubstituterDependencies;
  readonly #budgetMs: number;
  readonly #upstreams: readonly Upstream[];
  readonly #remotes: readonly Remote[];
  readonly #delivery: NarDelivery;
  readonly #xz: XzPool;
  readonly #rendered: ByteCache<Rendered>;
  readonly #rendering = new Map<string, Promise<Rendered | Refusal>>();
  readonly #cacheInfo: Representation;
  readonly #refusals = new Map<string, number>();
  #narInfos = 0;
  #nars = 0;
  #narBytes = 0;

  constructor(options: SubstituterOptions, dependencies: SubstituterDependencies) {
    const { now, createVerifier } = dependencies;
    const { storeDir = DEFAULT_STORE_DIR, priority = 20, wantMassQuery = true } = options;
    this.#options = options;
    this.#dependencies = dependencies;
    this.#budgetMs = options.budgetMs ?? 5_000;
    const quarter = (options.cacheBytes ?? 64 << 20) / 4;
    this.#remotes = options.upstreams.map(({ remote }) => remote);
    this.#upstreams = options.upstreams.map(
      ({ name, remote, priority: preference, verifiers = [] }) =>
        new Upstream({
          name,
          remote,
          priority: preference,
          verifiers,
          storeDir,
          narInfoTimeoutMs: this.#budgetMs,
          cacheBytes: quarter / Math.max(1, options.upstreams.length),
          now,
          onFailure: (reason) => this.#note({ type: "upstream-failed", upstream: name, reason }),
        }),
    );
    this.#rendered = new ByteCache(quarter);
    this.#xz = new XzPool(options.xzWorkers ?? 2, options.xzProgram);
    this.#delivery = new NarDelivery({
      createVerifier: createVerifier ?? narVerifiers(this.#xz),
      verifyFirstBytes: options.verifyFirstBytes ?? 1 << 20,
      cacheBytes: 2 * quarter,
      maxDownloads: options.maxDownloads ?? 64,
      pace: options.pace ?? PACE,
      onEvent: (event) => this.#note(event),
      now,
    });
    const body = Buffer.from(formatCacheInfo({ storeDir, wantMassQuery, priority }));
    this.#cacheInfo = {
      body,
      type: "text/x-nix-cache-info",
      etag: etagOf(body),
      cacheControl: "public, max-age=3600",
    };
  }

  /** The route at `/` of the public listener. */
  get route(): Route {
    return {
      path: "/",
      find: (_, rest) => this.#find(rest),
      handle: (request, response, rest) => this.handle(request, response, rest),
    };
  }

  stats(): SubstituterStats {
    return {
      narInfos: this.#narInfos,
      nars: this.#nars,
      narBytes: this.#narBytes,
      refusals: Object.fromEntries(this.#refusals),
      upstreams: this.#upstreams.map((upstream) => upstream.status()),
    };
  }

  /**
   * Answers a GET or HEAD.
   * @param path below the root, without the leading slash
   */
  async handle(request: IncomingMessage, response: ServerResponse, path: string): Promise<void> {
    const found = this.#find(path);
    if (found !== undefined) {
      sendFound(request, response, await found);
      return;
    }
    const name = parseNarName(path)!;
    const refused = await this.#nar(request, response, name);
    if (refused === undefined) return;
    const notice = this.#refuse("nar", name.hashPart, refused);
    if (!response.destroyed) sendFound(request, response, notice);
  }

  /** All that is no NAR. */
  #find(path: string): Found | Promise<Found> | undefined {
    if (path.endsWith(".narinfo") && isHashPart(path.slice(0, -8))) {
      const hashPart = path.slice(0, -8);
      const answer = (outcome: Rendered | Refusal): Found => {
        if ("reason" in outcome) return this.#refuse("narinfo", hashPart, outcome);
        this.#narInfos++;
        return outcome.representation;
      };
      const found = this.#narInfo(hashPart);
      return found instanceof Promise ? found.then(answer) : answer(found);
    }
    if (path === "nix-cache-info") return this.#cacheInfo;
    if (parseNarName(path) !== undefined) return undefined;
    const notFound = refusal("not-found", "not a URL of this cache");
    return { status: 404, text: "not found", headers: { "trustix-reason": reasonHeader(notFound) } };
  }

  #refuse(what: "narinfo" | "nar", hashPart: string, refused: Refusal): Notice {
    const { reason, explanation } = refused;
    this.#note({ type: "refused", hashPart, what, reason, explanation });
    const text = reasonHeader(refused);
    return { status: 404, text, headers: { "trustix-reason": text } };
  }

  #note(event: SubstituterEvent): void {
    if (event.type === "refused") {
      const key =
        this.#refusals.has(event.reason) || this.#refusals.size < MAX_REASONS ? event.reason : "other";
      this.#refusals.set(key, (this.#refusals.get(key) ?? 0) + 1);
    } else if (event.type === "nar-served") {
      this.#nars++;
      this.#narBytes += event.bytes;
    }
    this.#dependencies.onEvent?.(event);
  }

  /** The policy's word within the budget. Never rejects. */
  #decide(hashPart: string): SubstituteDecision | Promise<SubstituteDecision> {
    const budget = new AbortController();
    try {
      const decision = this.#dependencies.decide(hashPart, { signal: budget.signal });
      return decision instanceof Promise ? this.#inTime(decision, budget) : decision;
    } catch (error) {
      return undecided(error);
    }
  }

  async #inTime(deciding: Promise<SubstituteDecision>, budget: AbortController): Promise<SubstituteDecision> {
    const late = Promise.withResolvers<SubstituteDecision>();
    const timer = setTimeout(() => {
      late.resolve(undecided(new Error(`no decision within ${this.#budgetMs} ms`)));
      budget.abort();
    }, this.#budgetMs);
    try {
      return await Promise.race([deciding, late.promise]);
    } catch (error) {
      return undecided(error);
    } finally {
      clearTimeout(timer);
    }
  }

  /** A narinfo: the one at hand while the policy has not changed its mind, or else looked for once for all who ask. */
  #narInfo(hashPart: string): Rendered | Refusal | Promise<Rendered | Refusal> {
    const running = this.#rendering.get(hashPart);
    if (running !== undefined) return running;
    const decision = this.#decide(hashPart);
    const rendered = decision instanceof Promise ? undefined : this.#stillGood(hashPart, decision);
    if (rendered !== undefined) return rendered;
    const rendering = this.#findNarInfo(hashPart, decision).finally(() => this.#rendering.delete(hashPart));
    this.#rendering.set(hashPart, rendering);
    return rendering;
  }

  #stillGood(hashPart: string, decision: SubstituteDecision): Rendered | undefined {
    const rendered = this.#rendered.get(hashPart);
    if (rendered === undefined || !decision.accepted || decision.statement !== rendered.statement)
      return undefined;
    return rendered.untilMs > this.#dependencies.now() ? rendered : undefined;
  }

  async #findNarInfo(
    hashPart: string,
    deciding: SubstituteDecision | Promise<SubstituteDecision>,
  ): Promise<Rendered | Refusal> {
    // Self-proving paths are looked for whatever the policy says; so all are, while it is still thinking.
    const isUnknown = this.#rendered.get(hashPart) === undefined && this.#options.selfProving !== false;
    if (isUnknown) for (const upstream of this.#upstreams) void upstream.find(hashPart);
    const decision = await deciding;
    const rendered = this.#stillGood(hashPart, decision);
    if (rendered !== undefined) return rendered;
    const accepted = this.#acceptedBy(decision);
    if ("reason" in accepted) return accepted;
    const search = new SourceSearch(this.#upstreams, hashPart, accepted.accepts);
    await search.wait((sources) => sources.length > 0, GRACE_MS, AbortSignal.timeout(this.#budgetMs));
    const source = chooseSource(search.sources);
    if (source === undefined) {
      if (!decision.accepted) return decision;
      const said = search.misses.length === 0 ? "no cache has it" : search.misses.join("; ");
      return refusal("no-source", `${decision.explanation}, but there is nothing to download: ${said}`);
    }
    const fresh = await this.#render(hashPart, source, accepted);
    // What proves itself is looked up anew each time that the policy has no word: it may get one.
    if (decision.accepted) this.#rendered.set(hashPart, fresh, fresh.representation.body.length);
    return fresh;
  }

  #acceptedBy(decision: SubstituteDecision): Accepted | Refusal {
    if (decision.accepted) {
      const { statement, deriver } = decision;
      return { accepts: (info) => formatNixStatement(info) === statement, statement, deriver };
    }
    if (this.#options.selfProving === false) return decision;
    return { accepts: provesItself, statement: undefined, deriver: undefined };
  }

  async #render(hashPart: string, source: Source, accepted: Accepted): Promise<Rendered> {
    const { info, file, upstream } = source;
    const name = { hashPart, narHash: narHashText(info.narHash), file, compression: info.compression };
    const body = Buffer.from(
      formatNarInfo({
        storePath: info.storePath,
        narHash: info.narHash,
        narSize: info.narSize,
        references: info.references,
        url: formatNarName(name),
        compression: info.compression,
        fileHash: info.fileHash,
        fileSize: info.fileSize,
        deriver: accepted.deriver,
        signatures: await this.#signaturesOf(info, upstream, accepted),
        // A content address that is right is of use to Nix; a wrong one would be our word for nothing.
        contentAddress: provesItself(info) ? info.contentAddress : undefined,
      }),
    );
    return {
      statement: formatNixStatement(info),
      representation: { body, type: "text/x-nix-narinfo", etag: etagOf(body), cacheControl: NARINFO_CACHE },
      untilMs: this.#dependencies.now() + RENDERED_MS,
    };
  }

  /** We sign what was decided, or what is proven. Nix itself checks content that we could only prove by reading it. */
  async #signaturesOf(
    info: ParsedNarInfo,
    upstream: Upstream,
    { statement }: Accepted,
  ): Promise<readonly Signature[]> {
    const theirs = await upstream.verifiedSignatures(info);
    if (statement === undefined && !provesNarHash(info)) return theirs;
    const ours = await this.#dependencies.signer.sign(formatFingerprint(info));
    return [ours, ...theirs.filter(({ keyName }) => keyName !== ours.keyName)];
  }

  async #nar(
    request: IncomingMessage,
    response: ServerResponse,
    name: NarName,
  ): Promise<Refusal | undefined> {
    const decision = await this.#decide(name.hashPart);
    const accepted = this.#acceptedBy(decision);
    if ("reason" in accepted) return accepted;
    const isNamed: Accepts = (info) => narHashText(info.narHash) === name.narHash;
    const search = new SourceSearch(
      this.#upstreams,
      name.hashPart,
      (info) => isNamed(info) && accepted.accepts(info),
    );
    const isStated = accepted.statement?.includes(`;sha256:${name.narHash};`) ?? true;
    if (!isStated)
      return refusal("superseded", "another binary is decided on for this path: ask for its narinfo anew");
    await search.wait((sources) => sources.length > 0, 0, AbortSignal.timeout(this.#budgetMs));
    const [source] = search.sources;
    if (source === undefined) {
      if (!decision.accepted) return decision;
      return refusal("no-source", search.misses.length === 0 ? "no cache has it" : search.misses.join("; "));
    }
    const { storePath, narHash, narSize } = source.info;
    return await this.#delivery.deliver(request, response, {
      name,
      storePath,
      expected: { narHash, narSize },
      search,
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#xz[Symbol.asyncDispose]();
    await Promise.all(this.#remotes.map((remote) => remote[Symbol.asyncDispose]()));
  }
}

function undecided(error: unknown): SubstituteDecision {
  const why = error instanceof Error ? error.message : String(error);
  return { accepted: false, ...refusal("undecided", `the policy could not decide: ${why}`) };
}

/** The source whose compression has the most company, so that a download can fail over; among those the healthiest. */
function chooseSource(sources: readonly Source[]): Source | undefined {
  const company = new Map<string, number>();
  for (const { info } of sources) company.set(info.compression, (company.get(info.compression) ?? 0) + 1);
  const [best] = sources.toSorted(
    (a, b) =>
      company.get(b.info.compression)! - company.get(a.info.compression)! ||
      a.upstream.rank - b.upstream.rank,
  );
  return best;
}
