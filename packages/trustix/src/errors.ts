// The one error class of the daemon and the command line. Callers look at `code`, people read `message` and `hint`.

/** What went wrong, for programs. Each role adds its own, one a line, in UPPER_SNAKE_CASE as in the other packages. */
export type TrustixErrorCode =
  /** Too much is waiting, or the disk is full for now: come back after `retryAfterMs` (HTTP 503). */
  | "PUSHBACK"
  /** An argument of a call is out of range, such as an entry that is empty or too large. */
  | "INVALID_ARGUMENT"
  /** The role was stopped, or is stopping, and takes no more work. */
  | "CLOSED"
  /** Another process holds the state directory. */
  | "STATE_LOCKED"
  /** Files of the state directory contradict each other or fail their checksums. */
  | "STATE_CORRUPT"
  /** The state directory is older than what this log has already published: a restored backup. */
  | "STATE_ROLLED_BACK"
  /** Two signed checkpoints of one log contradict each other. Both notes are kept as evidence. */
  | "LOG_FORKED"
  /** The state directory belongs to another log: other origin or other key. */
  | "LOG_MISMATCH"
  /** The file system refused a read or a write; `cause` has the system's error. */
  | "STORAGE_FAILED"
  /** The configuration file is not TOML, or an option in it is wrong; the message has every line and key. */
  | "CONFIG_INVALID"
  /** There is no configuration file at the place named, or it cannot be read. */
  | "CONFIG_MISSING"
  /** The policy's script cannot be loaded: a syntax error, an import, an exception, or no function as default export. */
  | "POLICY_SCRIPT_INVALID"
  /** The command line was misused: unknown command or option, missing or malformed argument. */
  | "USAGE"
  /** A file that a command was about to write is there already; nothing was changed. */
  | "FILE_EXISTS"
  /** A key file is missing, malformed, or readable by others. */
  | "KEY_UNUSABLE"
  /** A request from another web page, or for a host name that this node does not answer to (HTTP 403). */
  | "FORBIDDEN"
  /** What was asked for does not exist: no such log, claim, token or resource (HTTP 404). */
  | "NOT_FOUND"
  /** diffoscope cannot be started, took too long, said too much, or ended with an error. */
  | "DIFFOSCOPE_FAILED"
  /** The daemon does not answer at its socket or address. */
  | "DAEMON_UNREACHABLE"
  /** The bearer token is missing, unknown or revoked (HTTP 401). */
  | "UNAUTHORIZED"
  /** The request body is not what the API takes (HTTP 400). */
  | "REQUEST_INVALID"
  /** The request body is larger than `[api] max-body` (HTTP 413). */
  | "REQUEST_TOO_LARGE"
  /** This client submits faster than `[api] claims-per-second` (HTTP 429). */
  | "RATE_LIMITED"
  /** A listener cannot be opened: address in use, no permission, or no socket passed by systemd. */
  | "LISTEN_FAILED"
  /** A log that was read does not prove what it claims. */
  | "VERIFY_FAILED"
  /** A store path's contents on disk do not have the hash that Nix registered for them. */
  | "CONTENT_MISMATCH"
  /** Bytes from a cache are not the NAR that was stated: wrong hash or size, or they cannot be decompressed. */
  | "NAR_MISMATCH"
  /** No cache that this node knows delivers the very bytes that were stated, or they are larger than it takes (HTTP 404). */
  | "NAR_UNAVAILABLE"
  /** Another node cannot be reached or is too slow: no address, refused, reset, timed out, or HTTP 5xx. Worth another try. */
  | "PEER_UNREACHABLE"
  /** Another node answers what no honest one would: too many bytes, endless redirects, an unknown encoding or status. */
  | "PEER_MISBEHAVED"
  /** A log shows a smaller tree than it signed before. Both notes are kept. */
  | "LOG_ROLLED_BACK"
  /** A file of evidence is malformed, or does not prove what it says. */
  | "EVIDENCE_INVALID"
  /** A defect of this program; the daemon's log has the details (HTTP 500). */
  | "INTERNAL"
  /** The local Nix could not be asked: not installed, its daemon is down, or it took too long. Worth another try. */
  | "NIX_UNAVAILABLE"
  /** The local Nix answered something that makes no sense, or far too much. */
  | "NIX_OUTPUT_INVALID"
  /** A spool message without its last line: being written, or cut off by a full disk or a power failure. */
  | "SPOOL_INCOMPLETE"
  /** A spool message, or the thing that lies in its place, is not what the hook writes. */
  | "SPOOL_INVALID";

/** Details of a {@link TrustixError} besides its code and message. */
export interface TrustixErrorOptions {
  /** What to do next, one sentence for a person. */
  readonly hint?: string;
  /** When trying again makes sense, in milliseconds from now. HTTP listeners answer 503 with `Retry-After`. */
  readonly retryAfterMs?: number;
  readonly cause?: unknown;
}

/** Every error that this package throws on purpose. */
export class TrustixError extends Error {
  readonly code: TrustixErrorCode;
  /** What to do next, one sentence for a person. */
  readonly hint: string | undefined;
  /** When trying again makes sense, in milliseconds from now. */
  readonly retryAfterMs: number | undefined;

  constructor(code: TrustixErrorCode, message: string, options: TrustixErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = "TrustixError";
    this.code = code;
    this.hint = options.hint;
    this.retryAfterMs = options.retryAfterMs;
  }
}
