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
  | "STORAGE_FAILED";

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
