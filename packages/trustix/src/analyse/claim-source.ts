// Where analysis has claims from: a store that tells what changed in it, in order.

/** What counting needs of a claim. */
export interface ClaimFacts {
  /** Number of the log. */
  readonly log: number;
  readonly index: number;
  /** When this node first saw it, seconds since 1970. */
  readonly seen: number;
  /** The same number for the same text, among the claims of a key. */
  readonly statement: number;
  /** Number of the system that it is for, 0 when unknown. */
  readonly system: number;
  /** The store path that it is about. */
  readonly path: string;
}

/** A change of the store. */
export interface ClaimChange {
  /** Ascending, never used twice. */
  readonly seq: number;
  readonly log: number;
  /** Claims that were added; negative when so many were forgotten, and the log began anew. */
  readonly count: number;
  /** When they were first seen, seconds since 1970. */
  readonly seen: number;
  /** Keys of the claims, {@link KEY_BYTES} each, one after another. */
  readonly keys: Uint8Array;
}

/** Bytes of a key. */
export const KEY_BYTES = 8;

/** See the head of this file. Answers are always from a complete state. */
export interface ClaimSource {
  /** No other store has it. */
  readonly id: string;
  /** The first change behind a number. */
  change(after: number): ClaimChange | undefined;
  /** Number of the newest change ever, and of the oldest that is still there: one more than `newest` when there is none. */
  feedSpan(): { readonly oldest: number; readonly newest: number };
  /** Claims added or forgotten in the changes behind a number. */
  changedSince(after: number): number;
  /** The claims for a key, of all logs. */
  facts(key: Uint8Array): readonly ClaimFacts[];
  /** Keys of claims in order: those behind one, up to a number. */
  keys(after: Uint8Array, limit: number): readonly Uint8Array[];
  /** How many claims there are of a log. */
  claimsOf(log: number): number;
  /** Claims by log and by the hour since 1970 in which they were first seen. */
  growth(): readonly { readonly log: number; readonly hour: number; readonly claims: number }[];
  /** Name of a system; undefined for 0. */
  system(id: number): string | undefined;
  /** Runs `work` over one state of the store. */
  snapshot<T>(work: () => T): T;
}
