// One cache that NARs come from: what it says of paths, how it fares, and what of it turned out wrong.
import {
  findSigners,
  formatFingerprint,
  hashPartOf,
  MAX_NARINFO_SIZE_BYTES,
  NixError,
  type ParsedNarInfo,
  parseCacheInfo,
  parseNarInfo,
  type Signature,
  type Verifier,
} from "@trustix/nix";
import { TrustixError } from "../errors.ts";
import { Breaker } from "../fetch/breaker.ts";
import {
  describe,
  misbehaved,
  type Remote,
  type RemoteResponse,
  readBody,
  reasonOf,
  unreachable,
} from "../fetch/remote.ts";
import { isOwnDelay, RequestClock } from "../fetch/request-clock.ts";
import { ByteCache } from "../http/byte-cache.ts";

/** What a cache answers for one path. */
export type NarInfoAnswer =
  | { readonly kind: "found"; readonly info: ParsedNarInfo /** Where the NAR is. */; readonly url: URL }
  | { readonly kind: "absent" }
  | { readonly kind: "failed"; readonly reason: string };

/** How a cache is doing. */
export interface UpstreamStatus {
  readonly name: string;
  /** `skipped`: its store directory is not ours. `failing`: left alone for a while. */
  readonly state: "ok" | "failing" | "skipped";
  /** Failures since the last success. */
  readonly failures: number;
  /** NARs of it that were not what was stated, since the start. */
  readonly wrongNars: number;
  /** Running mean of the time that a narinfo takes. */
  readonly narInfoMs: number | undefined;
  readonly lastError: string | undefined;
}

/** What an upstream is made of. */
export interface UpstreamParts {
  /** For explanations and logs; unique. */
  readonly name: string;
  readonly remote: Remote;
  /** Lower is preferred; from 0 to 1,000. Default 50. */
  readonly priority?: number | undefined;
  /** Keys whose signatures are passed on once they are verified. */
  readonly verifiers: readonly Verifier[];
  readonly storeDir: string;
  /** Time for one narinfo, in milliseconds. */
  readonly narInfoTimeoutMs: number;
  /** Memory for narinfos. */
  readonly cacheBytes: number;
  /** Monotonic milliseconds. */
  readonly now: () => number;
  /** The cache did not do its part. */
  readonly onFailure: (reason: string) => void;
}

const DEFAULT_PRIORITY = 50;
/** How caches say that they do not have a file; 403 is how S3 does. */
const ABSENT_STATUS: readonly number[] = [403, 404, 410];
/** How long answers are kept. Nix keeps its own for 30 days and an hour; ours only carry a burst. */
const FOUND_MS = 10 * 60_000;
const ABSENT_MS = 30_000;
const FAILED_MS = 2_000;
/** How long a NAR that was wrong is not asked for again. */
const WRONG_NAR_MS = 10 * 60_000;
const MAX_WRONG_NARS = 10_000;
const CACHE_INFO_MS = 60 * 60_000;
/** A parsed narinfo takes about this many times its text. */
const PARSED_FACTOR = 4;
const MAX_CACHE_INFO_BYTES = 64 * 1024;

export class Upstream {
  readonly #parts: UpstreamParts;
  readonly #breaker: Breaker;
  readonly #answers: ByteCache<{ readonly answer: NarInfoAnswer; readonly untilMs: number }>;
  readonly #asking = new Map<string, Promise<NarInfoAnswer>>();
  readonly #wrongNars = new Map<string, number>();
  #wrongNarCount = 0;
  #narInfoMs: number | undefined;
  #lastError: string | undefined;
  #isOtherStore = false;
  #cacheInfoUntilMs = Number.NEGATIVE_INFINITY;

  constructor(parts: UpstreamParts) {
    this.#parts = parts;
    this.#breaker = new Breaker({ now: parts.now });
    this.#answers = new ByteCache(parts.cacheBytes);
  }

  get name(): string {
    return this.#parts.name;
  }

  status(): UpstreamStatus {
    const { failures } = this.#breaker;
    return {
      name: this.name,
      state: this.#isOtherStore ? "skipped" : failures >= 3 ? "failing" : "ok",
      failures,
      wrongNars: this.#wrongNarCount,
      narInfoMs: this.#narInfoMs,
      lastError: this.#lastError,
    };
  }

  /**
   * Lower is better: who ever sent a wrong NAR comes last, who fails now before them, and else the order is by priority, and
   * the fastest first among equals.
   */
  get rank(): number {
    const { priority = DEFAULT_PRIORITY } = this.#parts;
    const seconds = Math.min(this.#narInfoMs ?? 1_000, 99_999) / 1_000;
    return this.#wrongNarCount * 1e9 + this.#breaker.failures * 1e6 + priority * 100 + seconds;
  }

  /** What the cache says of a path: remembered, or asked once for all who want to know. Never rejects. */
  find(hashPart: string): NarInfoAnswer | Promise<NarInfoAnswer> {
    const known = this.#answers.get(hashPart);
    if (known !== undefined && known.untilMs > this.#parts.now()) return known.answer;
    const running = this.#asking.get(hashPart);
    if (running !== undefined) return running;
    if (this.#isOtherStore && this.#parts.now() < this.#cacheInfoUntilMs) return { kind: "absent" };
    if (!this.#breaker.tryEnter()) {
      return { kind: "failed", reason: `left alone after ${this.#breaker.failures} failures` };
    }
    const asking = this.#ask(hashPart).finally(() => this.#asking.delete(hashPart));
    this.#asking.set(hashPart, asking);
    return asking;
  }

  async #ask(hashPart: string): Promise<NarInfoAnswer> {
    const { now, narInfoTimeoutMs } = this.#parts;
    const startedMs = now();
    using clock = new RequestClock(narInfoTimeoutMs);
    let answer: NarInfoAnswer;
    let size = 0;
    try {
      await this.#checkStoreDir(clock);
      if (this.#isOtherStore) return { kind: "absent" };
      const text = await this.#get(`${hashPart}.narinfo`, MAX_NARINFO_SIZE_BYTES, clock);
      size = (text?.length ?? 0) * PARSED_FACTOR;
      answer = text === undefined ? { kind: "absent" } : this.#read(text, hashPart);
      this.#breaker.succeed();
      const tookMs = now() - startedMs;
      this.#narInfoMs = this.#narInfoMs === undefined ? tookMs : this.#narInfoMs * 0.8 + tookMs * 0.2;
    } catch (error) {
      // Our own crowd, not the cache: asked again whenever somebody wants to know.
      if (isOwnDelay(error)) return { kind: "failed", reason: (error as Error).message };
      answer = { kind: "failed", reason: this.fail(error) };
    }
    const keepMs = { found: FOUND_MS, absent: ABSENT_MS, failed: FAILED_MS }[answer.kind];
    this.#answers.set(hashPart, { answer, untilMs: now() + keepMs }, size);
    return answer;
  }

  /** Notes that the cache did not do its part. @returns the reason, for people */
  fail(error: unknown): string {
    this.#breaker.fail();
    const reason =
      error instanceof TrustixError || error instanceof NixError ? error.message : reasonOf(error);
    this.#lastError = reason.slice(0, 300);
    this.#parts.onFailure(this.#lastError);
    return this.#lastError;
  }

  /** Notes that the cache delivered a right NAR. */
  succeed(): void {
    this.#breaker.succeed();
  }

  /** A wrong store directory is found out once an hour; a cache without `nix-cache-info` may still be one. */
  async #checkStoreDir(clock: RequestClock): Promise<void> {
    const { now, storeDir } = this.#parts;
    if (now() < this.#cacheInfoUntilMs) return;
    const text = await this.#get("nix-cache-info", MAX_CACHE_INFO_BYTES, clock);
    const { storeDir: theirs = storeDir } = text === undefined ? {} : parseCacheInfo(text);
    this.#isOtherStore = theirs !== storeDir;
    if (this.#isOtherStore) this.#lastError = `its store directory is ${theirs}`;
    this.#cacheInfoUntilMs = now() + CACHE_INFO_MS;
  }

  /** A small file, or undefined when the cache does not have it. */
  async #get(path: string, maxBytes: number, clock: RequestClock): Promise<Buffer | undefined> {
    const url = new URL(path, this.#parts.remote.root);
    const response = await this.#parts.remote.get(url, { signal: clock.signal, clock });
    try {
      if (ABSENT_STATUS.includes(response.status)) return undefined;
      if (response.status !== 200) throw unreachable(url, `HTTP ${response.status}`);
      expectIdentity(url, response);
      return await readBody(url, response.body, maxBytes);
    } finally {
      if (!response.body.readableEnded) response.body.destroy();
    }
  }

  #read(text: Uint8Array, hashPart: string): NarInfoAnswer {
    const { remote, storeDir } = this.#parts;
    const info = parseNarInfo(text, { storeDir });
    if (hashPartOf(info.storePath) !== hashPart) {
      throw misbehaved(remote.root, `the narinfo for ${hashPart} is about ${info.storePath}`);
    }
    if (!URL.canParse(info.url, remote.root.href)) throw misbehaved(remote.root, "the narinfo's URL is none");
    return { kind: "found", info, url: new URL(info.url, remote.root) };
  }

  /** Signatures of a narinfo by the keys that belong to this cache, those that are right. */
  async verifiedSignatures(info: ParsedNarInfo): Promise<readonly Signature[]> {
    const { verifiers } = this.#parts;
    if (verifiers.length === 0) return [];
    const text = formatFingerprint(info);
    const verified: Signature[] = [];
    for (const signature of info.signatures) {
      if ((await findSigners(text, [signature], verifiers)).length > 0) verified.push(signature);
    }
    return verified;
  }

  /**
   * Begins to download a NAR.
   * @param offset where in the file; the answer may still begin at 0 (status 200)
   * @throws TrustixError `NOT_FOUND`, `PEER_UNREACHABLE`, `PEER_MISBEHAVED`
   */
  async open(url: URL, offset: number, signal: AbortSignal): Promise<RemoteResponse> {
    const response = await this.#parts.remote.get(url, { signal, offset });
    try {
      if (ABSENT_STATUS.includes(response.status)) {
        throw new TrustixError("NOT_FOUND", `${describe(url)}: HTTP ${response.status}`);
      }
      if (response.status !== 200 && !(offset > 0 && response.status === 206)) {
        throw unreachable(url, `HTTP ${response.status}`);
      }
      expectIdentity(url, response);
      return response;
    } catch (error) {
      response.body.destroy();
      throw error;
    }
  }

  /** Notes that a NAR of this cache is not what was stated. */
  markWrong(narHash: string): void {
    this.#wrongNarCount++;
    this.#wrongNars.delete(narHash);
    this.#wrongNars.set(narHash, this.#parts.now() + WRONG_NAR_MS);
    if (this.#wrongNars.size > MAX_WRONG_NARS) this.#wrongNars.delete(this.#wrongNars.keys().next().value!);
  }

  isWrong(narHash: string): boolean {
    const untilMs = this.#wrongNars.get(narHash);
    return untilMs !== undefined && untilMs > this.#parts.now();
  }
}

/** A body that a proxy has encoded is not the file that was promised. We never ask for that. */
function expectIdentity(url: URL, { headers }: RemoteResponse): void {
  const encoding = headers["content-encoding"];
  if (encoding !== undefined && encoding !== "identity") {
    throw misbehaved(url, `encoded as ${encoding.slice(0, 40)} although nobody asked for it`);
  }
}
