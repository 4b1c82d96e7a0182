// What a signed cache said when it was asked, kept in the claim store like a log: so that it is counted, and policies can be
// tried on it, after a restart too. It is a note of what was seen and proves nothing to anybody else.
//
// Answers wait for nothing here: sightings are collected, and stored together now and then. One that is lost is seen again when
// the cache is asked again.

import { nixMapKey, type StorePath } from "@trustix/nix";
import { TrustixError } from "../errors.ts";
import type { Answer } from "../votes/vote.ts";
import type { StoredClaim } from "./claim-reader.ts";
import type { ClaimStore } from "./claim-store.ts";
import { type LogState, type NewClaim, packClaims } from "./claim-writer.ts";

/** Name of the protocol of what caches sign: no log has it. */
const PROTOCOL = "signed";
/** How long sightings are collected. */
const COLLECT_MS = 1000;
/** Sightings that wait at most; further ones are let go. */
const MAX_WAITING = 4096;

/** What sightings work with. */
export interface SightingsDeps {
  readonly store: ClaimStore;
  /** Milliseconds since 1970. */
  readonly now: () => number;
  /** Bytes of statements that are kept at most; see `MirrorLimits`. */
  readonly maxStatementBytes: number;
}

/** What one key of a signed cache has signed. */
export class Sightings implements AsyncDisposable {
  /** Name of the key. */
  readonly keyName: string;
  readonly #deps: SightingsDeps;
  #state: LogState;
  #waiting = new Map<string, { readonly storePath: StorePath; readonly statement: string }>();
  #timer: NodeJS.Timeout | undefined;
  #storing: Promise<void> = Promise.resolve();

  private constructor(keyName: string, deps: SightingsDeps, state: LogState) {
    this.keyName = keyName;
    this.#deps = deps;
    this.#state = state;
  }

  /** @param key `name:base64` */
  static async open(subscription: string, key: string, deps: SightingsDeps): Promise<Sightings> {
    const state = await deps.store.log({ origin: subscription, key, protocol: PROTOCOL });
    return new Sightings(key.slice(0, key.indexOf(":")), deps, state);
  }

  /** The number in the claim store. */
  get id(): number {
    return this.#state.id;
  }

  /** Takes note of a statement about a path. */
  add(storePath: StorePath, statement: string): void {
    const isFull = this.#state.statementBytes >= this.#deps.maxStatementBytes;
    if (isFull || this.#waiting.size >= MAX_WAITING) return;
    this.#waiting.set(statement, { storePath, statement });
    this.#timer ??= setTimeout(() => void this.#flush(), COLLECT_MS).unref();
  }

  /** Stores what is waiting. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#flush();
  }

  #flush(): Promise<void> {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#storing = this.#storing.then(() => this.#store());
    return this.#storing;
  }

  async #store(): Promise<void> {
    const { store, now } = this.#deps;
    const { id, nextIndex } = this.#state;
    const claims = Array.from(this.#waiting.values(), ({ storePath, statement }, i): NewClaim => {
      return { key: nixMapKey(storePath), index: nextIndex + i, statement };
    });
    this.#waiting = new Map();
    if (claims.length === 0) return;
    try {
      this.#state = await store.append(id, {
        startIndex: nextIndex,
        nextIndex: nextIndex + claims.length,
        unreadable: 0,
        seenAtMs: now(),
        parts: [packClaims(claims)],
      });
    } catch (error) {
      // The disk is full, say. Nothing depends on it.
      if (!(error instanceof TrustixError)) throw error;
    }
  }
}

/** What a cache said of a path when it was asked last, given all claims that are stored about the path. */
export function recallSighting(keys: readonly Sightings[], claims: readonly StoredClaim[]): Answer {
  let newest: { readonly claim: StoredClaim; readonly keyName: string } | undefined;
  for (const claim of claims) {
    const key = keys.find(({ id }) => id === claim.log);
    const isNewer = claim.seenAtMs >= (newest?.claim.seenAtMs ?? 0);
    if (key !== undefined && isNewer) newest = { claim, keyName: key.keyName };
  }
  if (newest === undefined) return { kind: "unreachable", reason: "has not been asked, or had nothing" };
  const { claim, keyName } = newest;
  return {
    kind: "claims",
    claims: [{ statement: claim.statement, evidence: { kind: "signed", keyName } }],
  };
}
