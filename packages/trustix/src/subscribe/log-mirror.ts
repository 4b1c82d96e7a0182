// Follows one log: looks at its checkpoint, proves that the log only grew, reads what is new and stores the claims.
//
// A log is believed only as far as it proves itself. One that shows two histories, or that goes back for long, does not
// count any more until its user says so; the notes that it signed are kept as evidence.

import type { Protocol } from "@trustix/nix";
import {
  encodeBase64,
  equalBytes,
  formatNote,
  MAX_NOTE_BYTES,
  readEntries,
  subtreeHash,
  type TileSource,
  TlogError,
  VerifiedTiles,
  verifyGrowth,
} from "@trustix/tlog";
import { TrustixError } from "../errors.ts";
import type { Peer } from "../fetch/peer.ts";
import type { Answer } from "../votes/vote.ts";
import { type CheckpointOpener, checkpointOpener } from "./checkpoint-opener.ts";
import { ClaimBatches } from "./claim-batches.ts";
import type { StoredCheckpoint, StoredClaim } from "./claim-reader.ts";
import type { ClaimStore } from "./claim-store.ts";
import type { LogFault, LogState, NewClaim, StoredHead } from "./claim-writer.ts";
import type { Evidence, ProvenEntry } from "./evidence.ts";
import {
  type EntriesSource,
  newestEntries,
  parseEntry,
  protocolOf,
  proveEntries,
  type ShownEntries,
} from "./log-entries.ts";
import { LogEvidence, type LogEvidenceDeps } from "./log-evidence.ts";
import type { LogHealth, LogStatus } from "./log-status.ts";
import type { LogSubscription, MirrorLimits } from "./options.ts";
import { rememberTiles } from "./tile-memory.ts";

/** Waits; rejects with the signal's reason. */
export type Sleep = (durationMs: number, signal: AbortSignal) => Promise<void>;

/** What a mirror works with. */
export interface MirrorDeps extends LogEvidenceDeps {
  readonly store: ClaimStore;
  readonly peer: Peer;
  readonly limits: MirrorLimits;
  readonly sleep: Sleep;
  /** From 0 up to 1. */
  readonly random: () => number;
}

/** The mirror of one log. */
export class LogMirror {
  readonly subscription: LogSubscription;
  readonly #deps: MirrorDeps;
  readonly #protocol: Protocol;
  readonly #openNote: CheckpointOpener;
  readonly #evidence: LogEvidence;
  #state: LogState;
  #lastGoodAtMs: number | undefined;
  #lastError: LogStatus["lastError"];
  #failures = 0;

  private constructor(subscription: LogSubscription, deps: MirrorDeps, state: LogState) {
    this.subscription = subscription;
    this.#deps = deps;
    this.#state = state;
    this.#protocol = protocolOf(subscription, deps.storeDir);
    this.#openNote = checkpointOpener(subscription);
    this.#evidence = new LogEvidence(subscription, deps);
  }

  /** Throws `INVALID_ARGUMENT` for a key or a witness policy that cannot be used. */
  static async open(subscription: LogSubscription, deps: MirrorDeps): Promise<LogMirror> {
    const { origin, key, protocol = "nix" } = subscription;
    try {
      return new LogMirror(subscription, deps, await deps.store.log({ origin, key, protocol }));
    } catch (cause) {
      if (!(cause instanceof TlogError)) throw cause;
      throw new TrustixError("INVALID_ARGUMENT", `subscription ${subscription.name}: ${cause.message}`, {
        cause,
      });
    }
  }

  /** The log's number in the claim store. */
  get id(): number {
    return this.#state.id;
  }

  /** Looks and reads, again and again, until the signal. Never throws: what goes wrong is in the status. */
  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      const isDone = await this.look(signal);
      if (isDone) await this.#deps.sleep(this.#delayMs(), signal).catch(() => {});
    }
  }

  /**
   * Looks at the checkpoint once and reads what is new, up to the bound for one look. Returns whether to wait before the
   * next look: false when there is more to read. Never throws.
   */
  async look(signal: AbortSignal): Promise<boolean> {
    const { limits, now } = this.#deps;
    if (this.#state.fault !== undefined) return true;
    const round = AbortSignal.any([signal, AbortSignal.timeout(limits.roundTimeoutMs)]);
    try {
      await this.#follow(round);
      this.#failures = 0;
      this.#lastError = undefined;
      return this.#lag === 0 || this.#isFull;
    } catch (error) {
      if (signal.aborted) return true;
      this.#failures++;
      this.#lastError = { atMs: now(), ...describe(error, round.aborted) };
      return true;
    }
  }

  /** What the log says, given what is stored of it for one key. */
  answer(claims: readonly StoredClaim[]): Answer {
    const { fault, head } = this.#state;
    if (fault !== undefined) return { kind: "unreachable", reason: `does not count: ${fault.reason}` };
    if (claims.length > 0) {
      return {
        kind: "claims",
        claims: claims.map(({ statement, index, seenAtMs }) => ({
          statement,
          evidence: { kind: "logged", index, seenAtMs },
        })),
      };
    }
    const silent = (reason: string): Answer => ({ kind: "unreachable", reason });
    if (this.#lastGoodAtMs === undefined) return silent(this.#lastError?.message ?? "not looked at yet");
    if (this.#isFull) return silent(`has more than it may bring; read up to entry ${this.#state.nextIndex}`);
    if (this.#lag > 0) return silent(`read up to entry ${this.#state.nextIndex} of ${head.size}`);
    const ageMs = this.#deps.now() - this.#lastGoodAtMs;
    if (ageMs > this.#deps.limits.silenceMs) {
      return silent(
        `no good checkpoint for ${Math.round(ageMs / 1000)} s: ${this.#lastError?.message ?? "unknown"}`,
      );
    }
    return { kind: "absent" };
  }

  status(): LogStatus {
    const { name, operator, origin, address } = this.subscription;
    const { head, claims, unreadable, surplus, statementBytes, fault } = this.#state;
    return {
      kind: "log",
      subscription: name,
      operator,
      origin,
      address,
      health: this.#health(),
      size: head.size,
      lag: this.#lag,
      claims,
      unreadableEntries: unreadable,
      surplusClaims: surplus,
      statementBytes,
      root: encodeBase64(head.root),
      lastNewAtMs: head.note === "" ? undefined : head.seenAtMs,
      lastGoodAtMs: this.#lastGoodAtMs,
      lastError: this.#lastError,
      fault,
    };
  }

  /**
   * Lets a quarantined log count again: its next checkpoint must extend the one that was accepted last. With `forget`, all
   * that was read of it is dropped, and whatever it shows next is believed.
   */
  async clear(options: { readonly forget?: boolean } = {}): Promise<void> {
    const { store } = this.#deps;
    this.#state =
      options.forget === true ? await store.forget(this.id) : await store.saveFault(this.id, undefined);
    this.#lastError = undefined;
    this.#failures = 0;
  }

  /**
   * Evidence that the log states two different things: fetches the entries of two claims, with their proofs. Rejects as
   * the log's files do, and with `NOT_FOUND` when the claims do not contradict each other.
   */
  async contradiction(claims: readonly StoredClaim[], signal?: AbortSignal): Promise<Evidence> {
    const [first] = claims;
    const second = claims.find((claim) => claim.statement !== first?.statement);
    if (first === undefined || second === undefined) {
      throw new TrustixError("NOT_FOUND", `${this.subscription.name} does not contradict itself there`);
    }
    const entries = await this.prove([first.index, second.index], signal);
    return this.#evidence.contradiction(entries as [ProvenEntry, ProvenEntry]);
  }

  /**
   * Entries with the proof that they are in the newest accepted checkpoint; fetches them. Rejects as the log's files do,
   * and with `NOT_FOUND` for an index behind that checkpoint.
   */
  prove(indices: readonly number[], signal?: AbortSignal): Promise<ProvenEntry[]> {
    return proveEntries(this.#entries(signal), indices);
  }

  /** Checkpoints that were accepted, newest first, up to a number. */
  checkpoints(limit: number): StoredCheckpoint[] {
    return this.#deps.store.checkpoints(this.id, limit);
  }

  /**
   * Entries of the newest accepted checkpoint, newest first; fetches them. Rejects as the log's files do.
   * @param before index behind the first; that of the checkpoint when it is less, or undefined
   */
  entries(before: number | undefined, limit: number, signal?: AbortSignal): Promise<ShownEntries> {
    return newestEntries(this.#entries(signal), this.#protocol, before, limit);
  }

  async #follow(signal: AbortSignal): Promise<void> {
    const { peer, store, now } = this.#deps;
    const bytes = await peer.fetch("checkpoint", { maxBytes: MAX_NOTE_BYTES, signal });
    if (bytes === undefined) {
      throw new TrustixError("PEER_MISBEHAVED", `${peer.address} has no checkpoint`, {
        hint: "Check the address of the log: it is the directory that its checkpoint is in.",
      });
    }
    const { checkpoint, note } = await this.#openNote(bytes);
    const { head } = this.#state;
    const shown: StoredHead = {
      size: checkpoint.size,
      root: checkpoint.root,
      note: formatNote(note),
      seenAtMs: now(),
    };
    const source = rememberTiles(this.#source());
    if (shown.size < head.size) await this.#refuseRollback(shown, source, signal);
    if (shown.size === head.size && !equalBytes(shown.root, head.root)) await this.#refuseFork(head, shown);
    if (shown.size > head.size || head.note === "") {
      await this.#proveGrowth(shown, source, signal);
      this.#state = await store.saveHead(this.id, shown);
    } else if (this.#state.rolledBackSinceMs !== undefined) {
      this.#state = await store.saveRollback(this.id, undefined);
    }
    this.#lastGoodAtMs = now();
    await this.#read(source, signal);
  }

  async #proveGrowth(shown: StoredHead, source: TileSource, signal: AbortSignal): Promise<void> {
    const { head } = this.#state;
    const tiles = new VerifiedTiles({ checkpoint: shown, source });
    try {
      await verifyGrowth(head, shown, tiles, { signal });
      // Growth from nothing needs no hashes, but the files must have the root that was signed.
      await tiles.readHashes([], { signal });
    } catch (error) {
      if (!(error instanceof TlogError) || error.code !== "FORK" || head.size === 0) throw error;
      await this.#refuseFork(head, shown, tiles, signal);
    }
  }

  async #read(source: TileSource, signal: AbortSignal): Promise<void> {
    const { limits, store, now } = this.#deps;
    const { head, nextIndex: begin } = this.#state;
    if (this.#isFull || begin >= head.size) return;
    const { concurrency } = limits;
    const options = { startIndex: begin, seenAtMs: now(), maxEntries: limits.maxBatchEntries };
    const batches = new ClaimBatches(options, async (batch) => {
      this.#state = await store.append(this.id, batch);
    });
    try {
      for await (const chunk of readEntries({ checkpoint: head, source, from: begin, concurrency, signal })) {
        const claims = chunk.entries.flatMap((entry, i) => this.#parse(entry, chunk.startIndex + i) ?? []);
        await batches.add(chunk.entries.length, claims);
        const statementBytes = this.#state.statementBytes + batches.length;
        const isEnough = chunk.resume.nextIndex - begin >= limits.maxRoundEntries;
        if (isEnough || statementBytes >= limits.maxStatementBytes) break;
      }
    } finally {
      // What was proven before a failure is kept, so that even a log that fails often is read in the end.
      await batches.finish();
    }
  }

  /** The claim in an entry, if it is one. */
  #parse(entry: Uint8Array, index: number): NewClaim | undefined {
    const parsed = parseEntry(this.#protocol, entry);
    if (parsed === undefined) return undefined;
    const { key, statement, attributes } = parsed;
    const isNix = this.#protocol.name === "nix";
    const system = isNix ? attributes.find(({ name }) => name === "system")?.value : undefined;
    return { key, statement, index, system };
  }

  /** Always throws: the log has shown a smaller tree than before. */
  async #refuseRollback(shown: StoredHead, source: TileSource, signal: AbortSignal): Promise<never> {
    const { store, now, limits } = this.#deps;
    const { head } = this.#state;
    // If the smaller tree is no beginning of ours, it is worse than old. A log that lost its newer files cannot say.
    const tiles = new VerifiedTiles({ checkpoint: head, source });
    const prefix =
      shown.size === 0
        ? undefined
        : await subtreeHash(0, shown.size, tiles, { signal }).catch(() => undefined);
    signal.throwIfAborted();
    if (prefix !== undefined && !equalBytes(prefix, shown.root))
      await this.#refuseFork(shown, head, tiles, signal);

    const reason = `went back from ${head.size} entries to ${shown.size}`;
    const since = this.#state.rolledBackSinceMs ?? now();
    const evidence = await this.#evidence.keepRollback(shown, head);
    if (now() - since >= limits.rollbackGraceMs) {
      const fault: LogFault = { kind: "rolled-back", reason, evidence, atMs: now() };
      this.#state = await store.saveFault(this.id, fault);
    } else if (this.#state.rolledBackSinceMs === undefined) {
      this.#state = await store.saveRollback(this.id, since);
    }
    throw new TrustixError("LOG_ROLLED_BACK", `log ${this.subscription.origin} ${reason}`, {
      hint: `Both checkpoints are in ${evidence}. Ask the operator; an old copy in a web cache passes by itself.`,
    });
  }

  /** Always throws: the log has signed two trees of which neither extends the other. */
  async #refuseFork(
    older: StoredHead,
    newer: StoredHead,
    tiles?: VerifiedTiles,
    signal?: AbortSignal,
  ): Promise<never> {
    const { store, now } = this.#deps;
    if (older.note === "") {
      throw new TrustixError(
        "PEER_MISBEHAVED",
        "the checkpoint gives the empty tree another root than the one it has",
      );
    }
    const evidence = await this.#evidence.keepFork(older, newer, tiles, signal);
    const reason =
      older.size === newer.size
        ? `signed two different trees of ${older.size} entries`
        : `signed a tree of ${newer.size} entries that does not begin with the ${older.size} it had signed before`;
    this.#state = await store.saveFault(this.id, { kind: "forked", reason, evidence, atMs: now() });
    throw new TrustixError("LOG_FORKED", `log ${this.subscription.origin} ${reason}`, {
      hint: `The proof is in ${evidence}: anyone can check it. Do not trust this log before its operator has explained it.`,
    });
  }

  #entries(signal: AbortSignal | undefined): EntriesSource {
    return { head: this.#state.head, source: this.#source(), signal };
  }

  #source(): TileSource {
    const { peer } = this.#deps;
    return {
      fetch: (path, request) =>
        peer.fetch(path, { ...request, acceptGzip: path.startsWith("tile/entries/") }),
    };
  }

  get #lag(): number {
    return this.#state.head.size - this.#state.nextIndex;
  }

  get #isFull(): boolean {
    return this.#lag > 0 && this.#state.statementBytes >= this.#deps.limits.maxStatementBytes;
  }

  #health(): LogHealth {
    const { head, fault } = this.#state;
    if (fault !== undefined) return "quarantined";
    if (this.#lastError !== undefined) return "failing";
    if (this.#lastGoodAtMs === undefined) return "starting";
    if (this.#isFull) return "full";
    if (this.#lag > 0) return "reading";
    return this.#deps.now() - head.seenAtMs > this.#deps.limits.staleMs ? "stale" : "ok";
  }

  /** The poll interval give or take a fifth, doubled with each failure in a row. */
  #delayMs(): number {
    const { limits, random } = this.#deps;
    const doubled = limits.pollIntervalMs * 2 ** Math.min(this.#failures, 20);
    return Math.min(doubled, Math.max(limits.pollIntervalMs, limits.maxBackoffMs)) * (0.8 + 0.4 * random());
  }
}

function describe(error: unknown, isTimeout: boolean): { code: string; message: string } {
  if (isTimeout)
    return { code: "PEER_UNREACHABLE", message: "reading took too long; it goes on from where it was" };
  const message = error instanceof Error ? error.message : String(error);
  const code = error instanceof TlogError || error instanceof TrustixError ? error.code : "INTERNAL";
  return { code, message };
}
