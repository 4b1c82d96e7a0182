// What the substituter tells the log and the metrics.

export type SubstituterEvent =
  /** A narinfo or NAR was answered with 404. */
  | {
      readonly type: "refused";
      readonly hashPart: string;
      readonly what: "narinfo" | "nar";
      /** A word for programs: the policy's reason, or one of ours. */
      readonly reason: string;
      readonly explanation: string;
    }
  /** A cache did not do its part. */
  | { readonly type: "upstream-failed"; readonly upstream: string; readonly reason: string }
  /** A cache sent a NAR that is not what it said, and what enough builders stated. */
  | {
      readonly type: "wrong-nar";
      readonly upstreams: readonly string[];
      readonly storePath: string;
      readonly reason: string;
      /** Whether some of it had been sent on; the connection was cut before its end. */
      readonly wasSent: boolean;
    }
  | {
      readonly type: "nar-served";
      readonly storePath: string;
      readonly upstreams: readonly string[];
      /** Bytes of the body. */
      readonly bytes: number;
      readonly durationMs: number;
    };

/** Why we refuse, besides the policy's own reasons. */
export type OwnReason =
  /** The policy could not decide in time. */
  | "undecided"
  /** No cache has the binary that was decided on. */
  | "no-source"
  /** The URL is of a binary that is not, or no longer, decided on. */
  | "superseded"
  /** Part of a wrong binary went out under this URL: it must not be continued. */
  | "not-resumable"
  /** Not a URL of ours. */
  | "not-found";

/** A 404, and why. */
export interface Refusal {
  readonly reason: string;
  readonly explanation: string;
}

export function refusal(reason: OwnReason, explanation: string): Refusal {
  return { reason, explanation };
}

/** The value of the `Trustix-Reason` header: one line of printable ASCII, whatever names and errors went into it. */
export function reasonHeader({ reason, explanation }: Refusal): string {
  return `${reason}; ${explanation}`.replaceAll(/[^ -~]+/g, "?").slice(0, 600);
}
