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
  /** A key is of a signature type that is not implemented, or that does not fit the use (or the platform). */
  | "KEY_UNSUPPORTED"
  /** Two keys of one list share name and id, so that a line would not name one of them; or two witnesses are one key. */
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
  /** A tile has the wrong length or other hashes than the tree commits to, or its coordinates or path are invalid. */
  | "TILE_INVALID"
  /** An entry bundle does not follow its encoding, or an entry is too long for one. */
  | "BUNDLE_MALFORMED"
  /** An entry bundle is well formed, but has other entries than the tree commits to. */
  | "BUNDLE_MISMATCH"
  /** An index, size or range lies outside the tree or is not a safe integer. */
  | "RANGE_INVALID"
  /** A resource of a log could not be fetched. */
  | "FETCH_FAILED"
  /** A tile or bundle that the size of the tree implies does not exist. */
  | "RESOURCE_MISSING"
  /** Data hash to another root than the one that was signed. */
  | "ROOT_MISMATCH"
  /** A checkpoint is for a smaller tree than one verified before: the log went back. */
  | "ROLLBACK"
  /** A checkpoint's tree does not extend one verified before: the log has two histories. */
  | "FORK"
  /** A trust policy does not follow the tlog-policy grammar. */
  | "POLICY_MALFORMED"
  /** A checkpoint lacks the signatures or cosignatures that the policy asks for. */
  | "POLICY_UNSATISFIED";

/**
 * Every failure of this package. `cause` is set when another error led to it, `path` when one file of a log is at fault:
 * its path below the log's prefix, such as `tile/0/000`.
 */
export class TlogError extends Error {
  override readonly name = "TlogError";
  readonly code: TlogErrorCode;
  readonly path: string | undefined;

  constructor(
    code: TlogErrorCode,
    message: string,
    options?: { readonly cause?: unknown; readonly path?: string },
  ) {
    super(message, options);
    this.code = code;
    this.path = options?.path;
  }
}

/** Runs a decoder; a failure becomes an error with the caller's `code` and `message`, and the decoder's as its cause. */
export function recode<T>(code: TlogErrorCode, message: string, decode: () => T): T {
  try {
    return decode();
  } catch (cause) {
    if (!(cause instanceof TlogError)) throw cause;
    throw new TlogError(code, `${message}: ${cause.message}`, { cause });
  }
}
