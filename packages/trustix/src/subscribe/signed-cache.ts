// A signed binary cache as a voter: a narinfo with a valid signature by a configured key is its operator's word. It is
// worth less than a claim in a log: it can be taken back, and shown to one person only, and a signature cannot tell built
// from copied.

import {
  createVerifier,
  findSigners,
  formatFingerprint,
  formatNixStatement,
  formatPublicKey,
  hashPartOf,
  MAX_NARINFO_SIZE_BYTES,
  NixError,
  parseNarInfo,
  parsePublicKey,
  type StorePath,
  type Verifier,
} from "@trustix/nix";
import { TrustixError } from "../errors.ts";
import { Breaker } from "../fetch/breaker.ts";
import type { Peer } from "../fetch/peer.ts";
import { isOwnDelay, RequestClock } from "../fetch/request-clock.ts";
import { ByteCache } from "../http/byte-cache.ts";
import type { Answer } from "../votes/vote.ts";
import type { CacheLimits, CacheSubscription } from "./options.ts";

/** What a signed cache works with. */
export interface SignedCacheDeps {
  readonly peer: Peer;
  readonly limits: CacheLimits;
  readonly storeDir: string;
  readonly now: () => number;
  /** From 0 up to 1. */
  readonly random: () => number;
  /** Called with each statement that a key (`name:base64`) was found to have signed. */
  readonly onSigned?: (key: string, storePath: StorePath, statement: string) => void;
}

/** The state of a signed cache, for people. */
export interface CacheStatus {
  readonly kind: "cache";
  readonly subscription: string;
  readonly operator: string;
  readonly address: string;
  /** `resting`: after failures in a row it is left alone for a while. */
  readonly health: "starting" | "ok" | "failing" | "resting";
  readonly requests: number;
  readonly failures: number;
  /** When it last answered. */
  readonly lastGoodAtMs: number | undefined;
  /** Of the last request, if it failed. */
  readonly lastError: { readonly atMs: number; readonly code: string; readonly message: string } | undefined;
  readonly restsUntilMs: number | undefined;
}

interface Remembered {
  readonly answer: Answer;
  readonly untilMs: number;
}

/** One signed cache. */
export class SignedCache {
  readonly subscription: CacheSubscription;
  readonly #deps: SignedCacheDeps;
  readonly #verifiers: readonly Verifier[];
  readonly #breaker: Breaker;
  readonly #remembered: ByteCache<Remembered>;
  /** Questions under way: whoever asks the same waits for the same answer. */
  readonly #pending = new Map<string, Promise<Answer>>();
  readonly #stop = new AbortController();
  #requests = 0;
  #failures = 0;
  #lastGoodAtMs: number | undefined;
  #lastError: CacheStatus["lastError"];

  private constructor(
    subscription: CacheSubscription,
    deps: SignedCacheDeps,
    verifiers: readonly Verifier[],
  ) {
    this.subscription = subscription;
    this.#deps = deps;
    this.#verifiers = verifiers;
    const { failuresToOpen: threshold, openMs: minOpenMs, maxOpenMs } = deps.limits;
    this.#breaker = new Breaker({ threshold, minOpenMs, maxOpenMs, now: deps.now, random: deps.random });
    this.#remembered = new ByteCache(deps.limits.memoryBytes);
  }

  /** Throws `INVALID_ARGUMENT` when there is no key or one cannot be used. */
  static async open(subscription: CacheSubscription, deps: SignedCacheDeps): Promise<SignedCache> {
    const { name, keys } = subscription;
    if (keys.length === 0) throw new TrustixError("INVALID_ARGUMENT", `cache ${name} has no key to believe`);
    try {
      const verifiers = await Promise.all(keys.map((key) => createVerifier(parsePublicKey(key))));
      return new SignedCache(subscription, deps, verifiers);
    } catch (cause) {
      if (!(cause instanceof NixError)) throw cause;
      throw new TrustixError("INVALID_ARGUMENT", `cache ${name}: ${cause.message}`, { cause });
    }
  }

  /** What the cache says of a hash part, from memory or asked now, within its own time limit. Never rejects. */
  ask(hashPart: string): Answer | Promise<Answer> {
    const remembered = this.#remembered.get(hashPart);
    if (remembered !== undefined && this.#deps.now() < remembered.untilMs) return remembered.answer;
    const pending = this.#pending.get(hashPart);
    if (pending !== undefined) return pending;
    if (this.#pending.size >= this.#deps.limits.maxPending)
      return unreachable("too many questions under way");
    if (!this.#breaker.tryEnter())
      return unreachable(`left alone after failures: ${this.#lastError?.message}`);
    const asked = this.#ask(hashPart).finally(() => this.#pending.delete(hashPart));
    this.#pending.set(hashPart, asked);
    return asked;
  }

  status(): CacheStatus {
    const { name, operator, address } = this.subscription;
    const restsUntilMs = this.#breaker.openUntilMs;
    return {
      kind: "cache",
      subscription: name,
      operator,
      address,
      health:
        restsUntilMs !== undefined
          ? "resting"
          : this.#lastError !== undefined
            ? "failing"
            : this.#lastGoodAtMs === undefined
              ? "starting"
              : "ok",
      requests: this.#requests,
      failures: this.#failures,
      lastGoodAtMs: this.#lastGoodAtMs,
      lastError: this.#lastError,
      restsUntilMs,
    };
  }

  /** Ends the questions under way: they are answered as unreachable. */
  async close(): Promise<void> {
    this.#stop.abort(new TrustixError("CLOSED", "the node is stopping"));
    await Promise.all(this.#pending.values());
  }

  async #ask(hashPart: string): Promise<Answer> {
    const { peer, limits, now } = this.#deps;
    this.#requests++;
    using clock = new RequestClock(limits.timeoutMs);
    let narinfo: Uint8Array | undefined;
    try {
      narinfo = await peer.fetch(`${hashPart}.narinfo`, {
        maxBytes: MAX_NARINFO_SIZE_BYTES,
        signal: AbortSignal.any([clock.signal, this.#stop.signal]),
        clock,
      });
    } catch (error) {
      // Our own crowd says nothing about the cache.
      if (isOwnDelay(error)) return unreachable(messageOf(error));
      this.#breaker.fail();
      return this.#fail(messageOf(error), error);
    }
    // Whatever it is, the cache is there and answers.
    this.#breaker.succeed();
    this.#lastGoodAtMs = now();
    let answer: Answer;
    try {
      answer = narinfo === undefined ? { kind: "absent" } : await this.#verify(hashPart, narinfo);
      this.#lastError = undefined;
    } catch (error) {
      answer = this.#fail(`${peer.address} gives a bad narinfo: ${messageOf(error)}`, error);
    }
    const ttlMs = answer.kind === "claims" ? limits.claimTtlMs : limits.absentTtlMs;
    this.#remembered.set(hashPart, { answer, untilMs: now() + ttlMs }, sizeOf(answer));
    return answer;
  }

  async #verify(hashPart: string, bytes: Uint8Array): Promise<Answer> {
    const info = parseNarInfo(bytes, { storeDir: this.#deps.storeDir });
    if (hashPartOf(info.storePath) !== hashPart) throw new Error(`it is about ${info.storePath}`);
    const [signer] = await findSigners(formatFingerprint(info), info.signatures, this.#verifiers);
    if (signer === undefined) {
      const names = this.#verifiers.map(({ publicKey }) => publicKey.name).join(" or ");
      throw new Error(`it has no valid signature by ${names}`);
    }
    const evidence = { kind: "signed", keyName: signer.name } as const;
    const statement = formatNixStatement(info);
    this.#deps.onSigned?.(formatPublicKey(signer), info.storePath, statement);
    return { kind: "claims", claims: [{ statement, evidence }] };
  }

  #fail(reason: string, error: unknown): Answer {
    this.#failures++;
    const code = error instanceof TrustixError || error instanceof NixError ? error.code : "PEER_MISBEHAVED";
    this.#lastError = { atMs: this.#deps.now(), code, message: reason };
    return unreachable(reason);
  }
}

function unreachable(reason: string): Answer {
  return { kind: "unreachable", reason };
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

function sizeOf(answer: Answer): number {
  return answer.kind === "claims" ? 2 * answer.claims[0]!.statement.length + 200 : 200;
}
