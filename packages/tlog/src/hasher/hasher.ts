/** The one way this package hashes trees in bulk: RFC 6962 hashing (RFC 9162 section 2.1.1) on flat buffers. */

/**
 * An engine for bulk tree hashing. Every engine computes the same; they differ in speed and in where they run.
 * Engines are synchronous, keep no reference to their arguments, and do not check them: callers vouch for the sizes.
 */
export interface Hasher {
  /**
   * Node hashes: `dst[32i..32i+32) = SHA-256(0x01 ‖ src[64i..64i+64))` for each i below `count`.
   * `dst` may be the same array as `src`, which halves a row of hashes in place.
   */
  hashNodes(src: Uint8Array, dst: Uint8Array, count: number): void;

  /**
   * Leaf hashes, `SHA-256(0x00 ‖ entry)`, of `count` entries encoded as in an entry bundle (two bytes of length, then the
   * entry) from byte `offset` of `bundle` on, written to `dst` from byte `at` on.
   */
  hashLeaves(bundle: Uint8Array, offset: number, count: number, dst: Uint8Array, at: number): void;
}

/** The byte hashed before an entry. */
export const LEAF_PREFIX = 0x00;

/** The byte hashed before a pair of child hashes. */
export const NODE_PREFIX = 0x01;
