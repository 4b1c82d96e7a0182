// Follows one log: looks at its checkpoint, proves that the log only grew, reads what is new and stores the claims.
//
// A log is believed only as far as it proves itself. One that shows two histories, or that goes back for long, does not
// count any more until its user says so; the notes that it signed are kept as evidence.

import { createHash } from "node:crypto";
import { join } from "node:path";
import { DEFAULT_STORE_DIR, nixProtocol, type Protocol, type ProtocolEntry, rawProtocol } from "@trustix/nix";
import {
  createCosignatureVerifier,
  createVerifier,
  type EntryChunk,
  encodeBase64,
  equalBytes,
  formatNote,
  isQuorumMet,
  MAX_NOTE_BYTES,
  openCheckpoint,
  proveConsistency,
  proveInclusion,
  readEntries,
  subtreeHash,
  type TileSource,
  TlogError,
  type VerifiedCheckpoint,
  VerifiedTiles,
  verifyGrowth,
} from "@trustix/tlog";
import { TrustixError } from "../errors.ts";
import type { Peer } from "../fetch/peer.ts";
import type { DurableFiles } from "../store/durable-files.ts";
import type { Answer } from "../votes/vote.ts";
import { ClaimBatches } from "./claim-batches.ts";
import type { StoredCheckpoint, StoredClaim } from "./claim-reader.ts";
import type { ClaimStore } from "./claim-store.ts";
import type { LogFault, LogState, NewClaim, StoredHead } from "./claim-writer.ts";
import { type Evidence, formatEvidence, type ProvenEntry } from "./evidence.ts";
import type { LogSubscription, MirrorLimits } from "./options.ts";
import { rememberTiles } from "./tile-memory.ts";

/** Waits; rejects with the signal's reason. */
export type Sleep = (durationMs: number, signal: AbortSignal) => Promise<void>;

/** What a mirror works with. */
export interface MirrorDeps {
  readonly store: ClaimStore;
  readonly peer: Peer;
  /** Where evidence is written. */
  readonly files: DurableFiles;
  readonly evidenceDirectory: string;
  readonly limits: MirrorLimits;
  /** Directory of the store paths that the logs speak of. */
  readonly storeDir: string;
  readonly now: () => number;
  readonly sleep: Sleep;
  /** From 0 up to 1. */
  readonly random: () => number;
}

/** How a log fares. */
export type LogHealth =
  /** It has not been looked at yet. */
  | "starting"
  /** There is more to read. */
  | "reading"
  | "ok"
  /** It is up to date, but has had nothing new for long. */
  | "stale"
  /** The last look failed; it is tried again. What was read before counts. */
  | "failing"
  /** It has brought as much as it may; nothing more is read. */
  | "full"
  /** It has shown two histories, or gone back: it does not count until `clear`. */
  | "quarantined";

/** The state of a mirrored log, for people. */
export interface LogStatus {
  readonly kind: "log";
  readonly subscription: string;
  readonly operator: string;
  readonly origin: string;
  readonly address: string;
  readonly health: LogHealth;
  /** Entries of the newest accepted checkpoint. */
  readonly size: number;
  /** Its root hash, base64. */
  readonly root: string;
  /** Entries not read yet. */
  readonly lag: number;
  readonly claims: number;
  readonly unreadableEntries: number;
  readonly surplusClaims: number;
  readonly statementBytes: number;
  /** When the newest checkpoint was first seen; `undefined` before there is one. */
  readonly lastNewAtMs: number | undefined;
  /** When a checkpoint was last seen and found good, since the start. */
  readonly lastGoodAtMs: number | undefined;
  /** Since the last success. */
  readonly lastError: { readonly atMs: number; readonly code: string; readonly message: string } | undefined;
  readonly fault: LogFault | undefined;
}

/** An entry of a log, for people. */
export interface ShownEntry {
  readonly index: number;
  /** Undefined when it is no claim of the log's protocol. */
  readonly parsed: ProtocolEntry | undefined;
}

/** Entries of a log, for people. */
export interface ShownEntries {
  /** Entries of the checkpoint that they were checked against. */
  readonly size: number;
  /** Newest first. */
  readonly entries: readonly ShownEntry[];
}

/** The mirror of one log. */
export class LogMirror {
  readonly subscription: LogSubscription;
  readonly #deps: MirrorDeps;
  readonly #protocol: Protocol;
  readonly #openNote: (note: Uint8Array) => Promise<VerifiedCheckpoint>;
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
    const { protocol = "nix" } = this.subscription;
    const { storeDir } = this.#deps;
    return {
      kind: "contradiction",
      ...this.#ofLog(),
      protocol,
      ...(protocol === "nix" && storeDir !== DEFAULT_STORE_DIR ? { storeDir } : {}),
      entries: entries as [ProvenEntry, ProvenEntry],
    };
  }

  /**
   * Entries with the proof that they are in the newest accepted checkpoint; fetches them. Rejects as the log's files do,
   * and with `NOT_FOUND` for an index behind that checkpoint.
   */
  async prove(indices: readonly number[], signal?: AbortSignal): Promise<ProvenEntry[]> {
    const { head } = this.#state;
    const source = rememberTiles(this.#source());
    const tiles = new VerifiedTiles({ checkpoint: head, source });
    const reading = signal === undefined ? {} : { signal };
    const proven: ProvenEntry[] = [];
    for (const index of indices) {
      const from = { checkpoint: head, source, from: index, concurrency: 1, ...reading };
      const [first] = index < head.size ? await firstOf(readEntries(from)) : [];
      if (first === undefined) {
        const text = `${this.subscription.name} has no entry ${index} in its newest checkpoint`;
        throw new TrustixError("NOT_FOUND", text);
      }
      const proof = await proveInclusion(index, head.size, tiles, reading);
      proven.push({ entry: first, index, proof, checkpoint: head.note });
    }
    return proven;
  }

  /** Checkpoints that were accepted, newest first, up to a number. */
  checkpoints(limit: number): StoredCheckpoint[] {
    return this.#deps.store.checkpoints(this.id, limit);
  }

  /**
   * Entries of the newest accepted checkpoint, newest first; fetches them. Rejects as the log's files do.
   * @param before index behind the first; that of the checkpoint when it is less, or undefined
   */
  async entries(before: number | undefined, limit: number, signal?: AbortSignal): Promise<ShownEntries> {
    const { head } = this.#state;
    const end = Math.min(before ?? head.size, head.size);
    const from = Math.max(0, end - limit);
    const entries: ShownEntry[] = [];
    const reading = { checkpoint: head, source: this.#source(), from, concurrency: 1 };
    if (from < end) {
      for await (const chunk of readEntries(signal === undefined ? reading : { ...reading, signal })) {
        for (const [i, entry] of chunk.entries.entries()) {
          const index = chunk.startIndex + i;
          if (index < end) entries.push({ index, parsed: parseEntry(this.#protocol, entry) });
        }
        if (entries.length >= end - from) break;
      }
    }
    return { size: head.size, entries: entries.reverse() };
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

  /** The claim in an entry; a log may hold anything. */
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
    const evidence = await this.#keep({
      kind: "rollback",
      ...this.#ofLog(),
      older: shown.note,
      newer: head.note,
    });
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
    const notes = { older: older.note, newer: newer.note };
    const prefix = tiles && (await prefixOf(older.size, newer.size, tiles, signal));
    const evidence = await this.#keep({
      kind: "fork",
      ...this.#ofLog(),
      ...notes,
      ...(prefix === undefined ? {} : { prefix }),
    });
    const reason =
      older.size === newer.size
        ? `signed two different trees of ${older.size} entries`
        : `signed a tree of ${newer.size} entries that does not begin with the ${older.size} it had signed before`;
    this.#state = await store.saveFault(this.id, { kind: "forked", reason, evidence, atMs: now() });
    throw new TrustixError("LOG_FORKED", `log ${this.subscription.origin} ${reason}`, {
      hint: `The proof is in ${evidence}: anyone can check it. Do not trust this log before its operator has explained it.`,
    });
  }

  /**
   * Writes a file of evidence and returns its path. A log can fork once before it is cleared, but go back at every look:
   * of that only the last file is kept.
   */
  async #keep(evidence: Evidence & { readonly kind: "fork" | "rollback" }): Promise<string> {
    const { files, evidenceDirectory } = this.#deps;
    const hash = createHash("sha256").update(`${evidence.origin}\n${evidence.key}\n`);
    if (evidence.kind === "fork") hash.update(evidence.older).update(evidence.newer);
    const id = hash.digest("hex").slice(0, 16);
    const path = join(evidenceDirectory, `${evidence.kind}-${id}.json`);
    await files.write([{ path, bytes: formatEvidence(evidence) }]);
    return path;
  }

  #ofLog(): Pick<Evidence, "origin" | "key" | "found"> {
    const { origin, key } = this.subscription;
    return { origin, key, found: new Date(this.#deps.now()).toISOString() };
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

function protocolOf(subscription: LogSubscription, storeDir: string): Protocol {
  const { protocol = "nix" } = subscription;
  switch (protocol) {
    case "nix":
      return nixProtocol(storeDir);
    case "raw":
      return rawProtocol;
    default:
      return protocol satisfies never;
  }
}

/** What an entry says; undefined when it is none of the protocol. */
function parseEntry(protocol: Protocol, entry: Uint8Array): ProtocolEntry | undefined {
  try {
    return protocol.parseEntry(entry);
  } catch {
    return undefined;
  }
}

/** Verifies the signature of the log, and of the witnesses if they are asked for. */
function checkpointOpener(subscription: LogSubscription): (note: Uint8Array) => Promise<VerifiedCheckpoint> {
  const { origin, key, witnesses: policy } = subscription;
  const witnesses = new Map(
    policy?.witnesses.map((witness) => [createCosignatureVerifier(witness.key), witness.name]),
  );
  const trust = { origin, logs: [createVerifier(key)], witnesses: [...witnesses.keys()] };
  return async (note) => {
    const opened = await openCheckpoint(note, trust);
    const signed = new Set(opened.cosignatures.map((cosignature) => cosignature.key));
    const cosigned = [...witnesses].filter(([witness]) => signed.has(witness.key)).map(([, name]) => name);
    if (policy !== undefined && !isQuorumMet(policy, new Set(cosigned))) {
      const message = `not enough witnesses have cosigned the checkpoint: ${cosigned.join(", ") || "none"}`;
      throw new TlogError("POLICY_UNSATISFIED", message);
    }
    return opened;
  };
}

/** How the newer tree begins, proven; `undefined` when the log does not give the hashes for it. */
async function prefixOf(
  size: number,
  newerSize: number,
  tiles: VerifiedTiles,
  signal: AbortSignal | undefined,
): Promise<{ root: Uint8Array; proof: readonly Uint8Array[] } | undefined> {
  const reading = signal === undefined ? {} : { signal };
  try {
    const root = await subtreeHash(0, size, tiles, reading);
    return { root, proof: await proveConsistency(size, newerSize, tiles, reading) };
  } catch (error) {
    if (error instanceof TlogError) return undefined;
    throw error;
  }
}

function describe(error: unknown, isTimeout: boolean): { code: string; message: string } {
  if (isTimeout)
    return { code: "PEER_UNREACHABLE", message: "reading took too long; it goes on from where it was" };
  const message = error instanceof Error ? error.message : String(error);
  const code = error instanceof TlogError || error instanceof TrustixError ? error.code : "INTERNAL";
  return { code, message };
}

/** The entries of the first chunk; none when there is no chunk. */
async function firstOf(chunks: AsyncIterable<EntryChunk>): Promise<readonly Uint8Array[]> {
  for await (const { entries } of chunks) return entries;
  return [];
}
