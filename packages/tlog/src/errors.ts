/** The one error class of this package. Callers look at `code`, never at the message. */

/** What went wrong. One code per kind of failure that a caller may want to treat differently. */
export type TlogErrorCode =
  /** Base64 is not canonical (alphabet, padding, stray bits) or decodes to the wrong length. */
  | "BASE64_INVALID"
  /** A hexadecimal string is not canonical lowercase or has the wrong length. */
  | "HEX_INVALID"
  /** A decimal number is not canonical ("0", or no leading zero) or is above 2^53 - 1. */
  | "INTEGER_INVALID"
  /** Bytes are not valid UTF-8, or a string has a lone surrogate and so has no UTF-8 form. */
  | "UTF8_INVALID"
  /** A signed note does not follow the signed-note grammar. */
  | "NOTE_MALFORMED"
  /** A signed note is longer, or has more signature lines, than the limit. */
  | "NOTE_TOO_LARGE"
  /** No signature of a signed note is by a known key. */
  | "NOTE_UNSIGNED"
  /** A signature by a known key does not verify. The whole note is to be rejected. */
  | "SIGNATURE_INVALID"
  /** A verifier key, private key, key name or raw key does not follow its grammar. */
  | "KEY_MALFORMED"
  /** A key is well formed, but of a signature type that this package does not implement. */
  | "KEY_UNSUPPORTED"
  /** Two different keys of one list share a (name, id) pair, or one key is listed twice. */
  | "KEY_AMBIGUOUS"
  /** A checkpoint's text does not follow the tlog-checkpoint grammar. */
  | "CHECKPOINT_MALFORMED"
  /** A checkpoint is for another log than the one asked for. */
  | "ORIGIN_MISMATCH"
  /** A cosignature's timestamp is zero, or outside the range that this package represents. */
  | "TIMESTAMP_INVALID"
  /** A proof, or a file that carries one, does not follow its grammar or has an impossible shape. */
  | "PROOF_MALFORMED"
  /** A well-formed proof does not prove what it should. */
  | "PROOF_INVALID"
  /** A tile has the wrong length for its coordinates, or its coordinates or path are invalid. */
  | "TILE_INVALID"
  /** An entry bundle does not follow its encoding, or an entry is too long for one. */
  | "BUNDLE_MALFORMED"
  /** An index, size or range lies outside the tree or is not a safe integer. */
  | "RANGE_INVALID"
  /** A resource of a log could not be fetched. */
  | "FETCH_FAILED"
  /** Data hash to another root than the one that was signed. */
  | "ROOT_MISMATCH"
  /** A trust policy does not follow the tlog-policy grammar. */
  | "POLICY_MALFORMED"
  /** A checkpoint lacks the signatures or cosignatures that the policy asks for. */
  | "POLICY_UNSATISFIED";

/** Every failure of this package. `cause` is set when another error led to it. */
export class TlogError extends Error {
  override readonly name = "TlogError";
  readonly code: TlogErrorCode;

  constructor(code: TlogErrorCode, message: string, options?: { readonly cause?: unknown }) {
    super(message, options);
    this.code = code;
  }
}
