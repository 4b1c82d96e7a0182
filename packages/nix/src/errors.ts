/**
 * The one error class of this package. Callers switch on `code`; messages are for people.
 */

/** What went wrong, for programs. Each code is thrown by the parts named after it. */
export type NixErrorCode =
  /** Text is not base64, or not in its one canonical spelling. */
  | "BASE64_INVALID"
  /** Text is not hexadecimal. */
  | "HEX_INVALID"
  /** Bytes are not valid UTF-8. */
  | "UTF8_INVALID"
  /** Text is not nix32, or its unused high bits are set. */
  | "NIX32_INVALID"
  /** A hash is misspelled, of an unknown algorithm, or of the wrong length for its algorithm. */
  | "HASH_INVALID"
  /** A store path, base name, name, hash part or store directory breaks Nix's rules. */
  | "STORE_PATH_INVALID"
  /** A content address (`CA`) is malformed, or cannot have the references it is given. */
  | "CONTENT_ADDRESS_INVALID"
  /** A fingerprint (statement) is malformed or not canonical. */
  | "FINGERPRINT_INVALID"
  /** A `name:base64` key is malformed, or its two halves do not belong together. */
  | "KEY_INVALID"
  /** A `name:base64` signature is malformed. */
  | "SIGNATURE_INVALID"
  /** No signature by a trusted key covers these bytes. */
  | "SIGNATURE_UNTRUSTED"
  /** The input is larger than the limit given for it; nothing was parsed. */
  | "TOO_LARGE"
  /** A narinfo is malformed or lacks a required field. */
  | "NARINFO_INVALID"
  /** A `nix-cache-info` is malformed. */
  | "CACHE_INFO_INVALID"
  /** Output of `nix path-info --json` has none of the known shapes. */
  | "PATH_INFO_INVALID"
  /** Output of `nix-store --dump-db` is malformed. */
  | "DUMP_DB_INVALID"
  /** A log entry of a claim protocol is malformed or not canonical. */
  | "ENTRY_INVALID"
  /** A log entry would not fit into the 65,535 bytes that a tiled log allows. */
  | "ENTRY_TOO_LARGE"
  /** References do not have the digest that a statement carries in their place. */
  | "REFERENCES_MISMATCH"
  /** An archive has something else where the grammar asks for a certain token (first of all, the magic). */
  | "NAR_TOKEN_INVALID"
  /** Padding of an archive is not zero. */
  | "NAR_PADDING_INVALID"
  /** A name is empty, `.`, `..`, has `/` or NUL, or stands twice in one directory to be written. */
  | "NAR_NAME_INVALID"
  /** Names of a directory in an archive do not ascend strictly. */
  | "NAR_ORDER_INVALID"
  /** A symlink target is empty or has NUL. */
  | "NAR_TARGET_INVALID"
  /** An archive or listing passes a limit: depth, length of a name or target, size, number of nodes. */
  | "NAR_LIMIT"
  /** An archive, or a file wanted out of it, ends too early. */
  | "NAR_TRUNCATED"
  /** Bytes follow the end of an archive. */
  | "NAR_TRAILING"
  /** The contents given for a file do not have the size promised. */
  | "NAR_CONTENTS_SIZE"
  /** A NAR listing is malformed, or an archive cannot have one. */
  | "NAR_LISTING_INVALID"
  /** The operating system refused something; its error is the `cause`. */
  | "NAR_IO"
  /** A socket, device or fifo, which no archive can hold. */
  | "NAR_FILE_TYPE"
  /** A file changed while it was read. */
  | "NAR_FILE_CHANGED"
  /** The path to restore to exists. */
  | "NAR_TARGET_EXISTS"
  /** Two different names of an archive are one name to the file system it is restored to. */
  | "NAR_NAME_COLLISION"
  /** The platform has no Unix file system. */
  | "NAR_PLATFORM";

/** Every error that this package throws on purpose. */
export class NixError extends Error {
  override readonly name = "NixError";
  /** What went wrong, for programs. */
  readonly code: NixErrorCode;
  /** Line (counted from 1) of a text that is at fault, where there is one. */
  readonly line: number | undefined;

  constructor(code: NixErrorCode, message: string, options?: ErrorOptions & { readonly line?: number }) {
    super(options?.line === undefined ? message : `line ${options.line}: ${message}`, options);
    this.code = code;
    this.line = options?.line;
  }
}

/** Hostile text cut to a length and quoted, fit for an error message. */
export function quote(text: string, maxLength = 80): string {
  return JSON.stringify(text.length > maxLength ? `${text.slice(0, maxLength)}…` : text);
}
